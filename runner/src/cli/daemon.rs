//! How a process that runs until it is stopped starts: `serve` and `worker`.

use crossbeam_channel::Receiver;
use tracing::Level;

use super::carry_out::interruptible;
use super::error::CliError;
use super::flags::LogFormat;
use super::render::Out;
use super::render::service_log;
use crate::machine::open_all_files;

/// Starts the log of such a process. The returned receiver gets a message at the first signal; the
/// second signal quits at once.
pub(super) fn start(out: &Out, log: LogFormat) -> Result<Receiver<()>, CliError> {
    let level = match (out.quiet, out.verbose) {
        (true, _) => Level::WARN,
        (_, true) => Level::DEBUG,
        _ => Level::INFO,
    };
    open_all_files();
    service_log::start(log == LogFormat::Json, out.is_coloured(), level);
    let (waiting, stopped) = crossbeam_channel::bounded(1);
    interruptible(move || {
        // If there is no room, a signal has been sent already.
        let _ = waiting.try_send(());
    })?;
    Ok(stopped)
}
