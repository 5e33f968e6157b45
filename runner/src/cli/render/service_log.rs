//! The service's own log on standard error, for people or as JSON lines.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts the log with records of this program from `level` on. Called once per process.
pub(crate) fn start(json: bool, color: bool, level: Level) {
    let targets = Targets::new().with_target("jobcontrol", level);
    let begun = match json {
        true => {
            let lines = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
            tracing_subscriber::registry().with(lines).with(targets).try_init()
        }
        false => {
            let lines = fmt::layer().with_ansi(color).with_target(false).with_writer(io::stderr);
            tracing_subscriber::registry().with(lines).with(targets).try_init()
        }
    };
    // A second log in one process is our mistake, but no reason to stop serving.
    let _ = begun;
}
