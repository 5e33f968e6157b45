//! The command line: flags and commands, and what they print.
//!
//! - `program`: all flags and commands, and the dispatch to them; `flags`, `moment`: arguments that
//!   several of them take
//! - `watch`: `check --watch` and `run --watch`
//! - `ask`: the arguments that `run` and `enqueue` share
//! - `listen`: where a service listens; `bus`: where its workers are; `daemon`:
//!   how both start
//! - `run`, `enqueue`, `serve`, `worker`, `workers`, `next`, `check`, `jobs`, `graph`, `explain`,
//!   `builds`, `runs`, `cancel`, `logs`, `plugins`, `store`, `cache`, `secrets`, `tokens`,
//!   `completions`, `new`, `make`: one command each, or a few that belong together
//! - `carry_out`: carries out a run that can start, and shows it; `repr`, `person`: what it needs
//!   for that
//! - `render`: all printing
//! - `signals`: signals that must not end the program; `stdout`: whether standard output is open
//! - `error`: what can go wrong, and the exit codes

mod ask;
mod builds;
mod bus;
mod cache;
mod cancel;
mod carry_out;
mod check;
mod completions;
mod daemon;
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
mod worker;
mod workers;

pub use program::main;
