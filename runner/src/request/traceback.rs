//! Names and lines of calls that a build was stored without. They are looked up again when the
//! build is read.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::config;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::are_raw;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::storage::Storage;
use jobcontrol_sandbox::Plugins;

use crate::catalog::plugins::kept_name;

/// How long a person waits for the names of many failures, each of which may take a while.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Finds names and lines of a build's failure and those of its earlier attempts, if the store has
/// none. Frames stay as they are if the plugin is gone, or if their turn comes after `until`.
/// Writes nothing.
pub fn find_names(
    plugins: &Plugins,
    storage: &dyn Storage,
    build: &mut Build,
    attempts: &mut [Attempt],
    until: Instant,
) {
    let of = |attempt: &Attempt| attempt.failure.as_ref().is_some_and(|failure| are_raw(&failure.frames));
    if !are_raw(&build.exception_tb) && !attempts.iter().any(of) {
        return;
    }
    let Some(digest) = build.plugin.as_deref() else {
        return;
    };
    let Ok(Some(bytes)) = storage.get_plugin(digest) else {
        return;
    };
    let named = FunctionRef::parse(config::function(&build.config)).map(|function| function.plugin).unwrap_or_default();
    let shown = kept_name(&bytes, Path::new(&named));
    let find = |frames: &mut Vec<Frame>| {
        if are_raw(frames) && Instant::now() < until {
            *frames = plugins.trace(digest, &bytes, &shown, std::mem::take(frames));
        }
    };
    find(&mut build.exception_tb);
    attempts.iter_mut().filter_map(|attempt| attempt.failure.as_mut()).for_each(|failure| find(&mut failure.frames));
}
