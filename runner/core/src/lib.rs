//! The pure part of jobcontrol. Nothing here knows of an engine, a database, a terminal, a file
//! system or the time of day: what comes in is text and plain data, what goes out is plain data and
//! diagnostics.
//!
//! In the order in which data goes through:
//!
//! - `yaml`: YAML text to values that keep their places
//! - [`manifest`]: these to [`job`]s with their [`argument`]s, or [`diagnostic`]s on their own
//!   lines
//! - [`grants`]: what a job file lets its plugin touch; [`http`] requests; [`secret`]s, and how
//!   they are kept out of all that is written
//! - [`types`] and [`value`]: what functions take and return; which type fits which;
//!   [`packed_size`], by which values are limited, and [`held_size`], by which the memory of all
//!   builds is
//! - [`plugin`], [`functions`]: what a plugin's binary says of itself; [`kebab`]: names of other
//!   languages
//! - [`check`]: jobs and signatures to a graph that fits
//! - [`schedule`], [`trigger`]: when a job is due without a person, and what was missed
//! - [`schema`]: what a manifest may hold, for editors
//! - [`status`]: how a job stands; [`difference`]: what differs between two builds
//! - [`due`]: whether what decides its result has changed
//! - [`plan`]: what is due, and in which order
//! - [`layout`]: where the boxes and edges of a drawn graph are
//! - [`glob`]: patterns of job ids
//! - [`request`], [`run`]: what was asked for, and what became of it
//! - [`pool`]: slots that builds share
//! - [`reload`]: what a change of the files changed
//! - [`last_good`]: which version of each file is used while some are broken
//! - [`retry`]: whether a failed build is tried again, and when
//! - [`event`]: what happens while a build runs
//! - [`build`], [`failure`], [`usage`], [`progress`]: the record of a build
//! - [`reason`]: why a guest aborted, from what it wrote on standard error; [`plain`] text, without
//!   colours
//! - [`storage`]: the contract of a store, and [`memory`], the readable reference
//! - [`retention`]: how long the store keeps what
//! - [`token`]: what a client of the API may do
//! - [`config`]: a job back from the configuration that a build keeps
//! - [`limits`], [`child_limits`], [`pool`], [`clock`]: what a build, and a process that interprets
//!   a plugin, may use; time as an input

// The generators of tests, shared with the tests of the program, name this crate as all others do.
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
