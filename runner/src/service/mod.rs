//! Runs to builds: one engine a process, and what it tells whoever watches.
//!
//! - `engine`: what builds share for as long as the process lives
//! - `run`: a run that can start, to its end
//! - `serving`: a service, which runs until it is stopped; `clerk`: sees to what is due; `wake`: what it wakes up for
//! - `runs`: the runs that a service works on; `files`: its jobs, kept in step with the files; `snapshot`: those of one time
//! - `scheduler`: starts what schedules say is due
//! - `journal`: what happens to builds, in the service's own log
//! - `bus`: what happens to the builds of this process, and to those of others
//! - `hub`: all of that in one order for those who look on; `feed`: where it comes from; `told`: an event with its number;
//!   `onlooker`: what waits for one who looks on
//! - `follower`: what happened to builds, read again from the store

pub mod bus;
mod clerk;
pub mod engine;
pub mod feed;
mod files;
mod follower;
pub(crate) mod hub;
mod journal;
pub(crate) mod onlooker;
pub mod run;
pub mod runs;
mod scheduler;
pub mod serving;
pub mod snapshot;
pub(crate) mod told;
mod wake;
