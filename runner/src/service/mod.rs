//! Turns runs into builds, with one engine for each process, and shows watchers what happens.
//!
//! - `engine`: what builds share for as long as the process lives
//! - `run`: takes a ready run to its end
//! - `serving`: a service, which runs until it is stopped; `clerk`: handles what is due; `wake`:
//!   the reasons to wake up
//! - `runs`: the runs that a service works on; `files`: keeps its jobs in step with the files;
//!   `snapshot`: the jobs at one time
//! - `scheduler`: starts what schedules make due
//! - `retention`: prunes the store once a day
//! - `notify`: notifies the receivers of scheduled runs that failed; `webhook`: one request for
//!   that
//! - `client`: the client of a service's own requests
//! - `metrics`: what a service counts; `traces`: spans of runs, with the feature `otel`
//! - `systemd`: communication with systemd
//! - `journal`: writes what happens to builds into the service's own log
//! - `bus`: what happens to the builds of this process, and to those of others
//! - `workers`: how an engine reaches its workers; `worker`: takes attempts and runs them;
//!   `worker_attempt`: one of them; `report_sink`: what it says until it is reported
//! - `hub`: all events in one order for watchers; `feed`: the source of these events; `told`: an
//!   event with its number; `onlooker`: the events that wait for one watcher
//! - `follower`: reads from the store what happened to builds

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
mod report_sink;
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
pub mod worker;
mod worker_attempt;
pub mod workers;
