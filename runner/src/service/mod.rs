//! Runs to builds: one engine a process, and what it tells whoever watches.
//!
//! - `engine`: what builds share for as long as the process lives
//! - `run`: a run that can start, to its end
//! - `serving`: a service, which runs until it is stopped; `clerk`: sees to what is due; `wake`:
//!   what it wakes up for
//! - `runs`: the runs that a service works on; `files`: its jobs, kept in step with the files;
//!   `snapshot`: those of one time
//! - `scheduler`: starts what schedules say is due
//! - `retention`: prunes the store once a day
//! - `notify`: tells those who are to know of scheduled runs that failed; `webhook`: one request to
//!   that end
//! - `client`: the client of its own requests
//! - `metrics`: what it counts; `traces`: spans of runs, with the feature `otel`
//! - `systemd`: what it and systemd tell each other
//! - `journal`: what happens to builds, in the service's own log
//! - `bus`: what happens to the builds of this process, and to those of others
//! - `hub`: all of that in one order for those who look on; `feed`: where it comes from; `told`: an
//!   event with its number; `onlooker`: what waits for one who looks on
//! - `follower`: what happened to builds, read again from the store

pub mod bus;
mod clerk;
mod client;
pub mod engine;
pub mod feed;
mod files;
mod follower;
pub(crate) mod hub;
mod journal;
mod metrics;
mod notify;
pub(crate) mod onlooker;
mod retention;
pub mod run;
pub mod runs;
mod scheduler;
pub mod serving;
pub mod snapshot;
pub mod systemd;
pub(crate) mod told;
#[cfg(feature = "otel")]
mod traces;
mod wake;
mod webhook;
