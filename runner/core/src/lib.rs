//! The pure part of jobcontrol. Nothing here knows about an engine, a database, a terminal, a file
//! system or the time of day. The input is text and plain data; the output is plain data and
//! diagnostics.
//!
//! The modules, in the order in which data passes through them:
//!
//! - `yaml`: reads YAML text into values that keep their positions
//! - [`manifest`]: turns these into [`job`]s with their [`argument`]s, or into [`diagnostic`]s that
//!   point at the lines
//! - [`grants`]: what a job file lets its plugin access; [`http`] requests; [`secret`]s, and how
//!   they are kept out of everything that is written
//! - [`types`] and [`value`]: what functions take and return, and which type fits which;
//!   [`packed_size`], the measure that limits values, and [`held_size`], the measure that limits
//!   the memory of all builds
//! - [`plugin`], [`functions`]: what a plugin's binary says about itself; [`kebab`]: names of other
//!   languages
//! - [`check`]: checks jobs against signatures, and builds a consistent graph
//! - [`schedule`], [`trigger`]: when a job starts automatically, and which runs were missed
//! - [`schema`]: what a manifest may contain, for editors
//! - [`status`]: the status of a job; [`difference`]: what differs between two builds
//! - [`due`]: whether what decides its result has changed
//! - [`plan`]: which jobs are due, and in which order
//! - [`layout`]: where the boxes and edges of a drawn graph are
//! - [`glob`]: patterns of job ids
//! - [`request`], [`run`]: what was requested, and what came of it
//! - [`pool`]: slots that builds share; [`labels`]: what a job needs of a worker
//! - [`reload`]: the effect of a change to the files
//! - [`last_good`]: which version of each file is used while some are broken
//! - [`retry`]: whether a failed build is tried again, and when
//! - [`event`]: what happens while a build runs
//! - [`build`], [`failure`], [`usage`], [`progress`]: the record of a build
//! - [`reason`]: why a guest aborted, read from what it wrote to standard error; [`plain`] text,
//!   without colours
//! - [`storage`]: the contract of a store, and [`memory`], the readable reference implementation
//! - [`retention`]: how long the store keeps its data
//! - [`token`]: what a client of the API may do
//! - [`config`]: the configuration that a build keeps of its job
//! - [`limits`], [`child_limits`], [`pool`], [`clock`]: what a build, and a process that interprets
//!   a plugin, may use; time as an input

// The test generators are shared with the tests of the program, so they refer to this crate by its
// external name.
#[cfg(test)]
extern crate self as jobcontrol_core;

pub mod argument;
pub mod build;
mod changes;
pub mod check;
pub mod child_limits;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod difference;
pub mod due;
pub mod event;
pub mod failure;
pub mod functions;
pub mod glob;
pub mod grants;
pub mod held_size;
pub mod http;
pub mod job;
pub mod kebab;
pub mod labels;
pub mod last_good;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod memory;
pub mod notes;
pub mod packed_size;
pub mod plain;
pub mod plan;
pub mod plugin;
pub mod pool;
pub mod progress;
pub mod reason;
pub mod reload;
pub mod remote;
pub mod request;
pub mod retention;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod schema;
pub mod secret;
pub mod status;
pub mod storage;
pub mod token;
pub mod trigger;
pub mod types;
pub mod usage;
pub mod value;
mod yaml;
