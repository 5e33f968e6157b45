//! `jobcontrol:plugin/log`: log records of the running build.

use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::failure::cut_failure;
use jobcontrol_core::limits;

use crate::bindings::jobcontrol::plugin::log;
use crate::bindings::jobcontrol::plugin::types;
use crate::host::Host;

impl log::Host for Host {
    async fn write(&mut self, entry: log::Entry) -> wasmtime::Result<()> {
        let level = match entry.level {
            types::Level::Debug => Level::Debug,
            types::Level::Info => Level::Info,
            types::Level::Warning => Level::Warning,
            types::Level::Error => Level::Error,
            types::Level::Critical => Level::Critical,
        };
        let record = NewRecord {
            created: self.guest.clock.now(),
            level: level as i64,
            message: entry.message,
            target: entry.target,
            fields: entry.fields,
            failure: entry.failure.map(failure),
        };
        Ok(self.guest.log(record).await?)
    }
}

impl types::Host for Host {}

/// A failure as a plugin describes it, cut to what a person reads.
pub(super) fn failure(failure: types::Failure) -> Failure {
    let causes = failure.causes.into_iter().map(|cause| Cause {
        kind: text(cause.kind),
        message: text(cause.message),
        frames: frames(cause.frames),
    });
    let mut failure = Failure {
        kind: FailureKind::Plugin(text(failure.kind)),
        message: text(failure.message),
        value: None,
        causes: causes.collect(),
        frames: frames(failure.frames),
    };
    cut_failure(&mut failure);
    failure
}

fn text(mut text: String) -> String {
    cut_bytes(&mut text, limits::LOG_MESSAGE);
    text
}

fn frames(frames: Vec<types::Frame>) -> Vec<Frame> {
    let frame = |frame: types::Frame| Frame {
        file: frame.file,
        line: frame.line,
        function: frame.function,
        context: frame.context,
        context_start: frame.context_start,
        locals: frame.locals,
        raw: None,
    };
    frames.into_iter().map(frame).collect()
}
