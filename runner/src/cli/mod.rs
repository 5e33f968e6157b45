//! The command line: what can be said, and which command answers it.
//!
//! - `program`: all flags and commands, and which answers what; `flags`, `moment`: what several of
//!   them take
//! - `watch`: `check --watch` and `run --watch`
//! - `ask`: what `run` and `enqueue` are asked for
//! - `listen`: where a service listens
//! - `run`, `enqueue`, `serve`, `next`, `check`, `jobs`, `graph`, `explain`, `builds`, `runs`,
//!   `cancel`, `logs`, `plugins`, `store`, `cache`, `secrets`, `tokens`, `completions`, `new`,
//!   `make`: a command each, or a few that belong together
//! - `carry_out`: a run that can start, carried out and shown; `repr`, `person`: what it needs for
//!   that
//! - `render`: everything that is printed
//! - `signals`: those that must not end the program; `stdout`: whether there is one
//! - `error`: what can go wrong, and the exit codes

mod ask;
mod builds;
mod cache;
mod cancel;
mod carry_out;
mod check;
mod completions;
mod enqueue;
pub mod error;
mod explain;
mod flags;
mod graph;
mod jobs;
mod listen;
mod logs;
mod make;
mod moment;
mod new;
mod next;
mod person;
mod plugins;
mod program;
pub(crate) mod render;
mod repr;
mod rerun;
mod run;
mod runs;
mod runtime;
mod secrets;
mod serve;
mod signals;
mod stdout;
mod store;
mod tokens;
mod watch;

pub use program::main;
