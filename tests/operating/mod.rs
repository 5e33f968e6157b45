//! What an operator lives with while a service runs.
//!
//! - here: a service with its log
//! - `metrics`: what a service counts
//! - `notify`: who is told of runs that failed
//! - `retention`: the store is pruned each day
//! - `systemd`: what it is told
//! - `traces`: what a collector of spans is sent, with the feature `otel`

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

mod metrics;
mod notify;
mod retention;
mod systemd;
#[cfg(feature = "otel")]
mod traces;

use std::time::Duration;

use crate::harness::Folder;
use crate::harness::serving::Serving;

/// What says nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);
/// The value of the one secret.
const VALUE: &str = "hunter2-hunter3";

/// Starts a service that has a secret.
fn serve(folder: &Folder) -> Serving {
    Serving::of(folder.command(&["serve", "--listen", "off", "--log", "json", "-v"]).env("API_TOKEN", VALUE))
}
