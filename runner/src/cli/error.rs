//! What can go wrong in a command, and the exit code that says so.

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;

use crate::request::refusal::Place;
use crate::request::refusal::Refusal;
use crate::request::refusal::RefusalKind;
use crate::service::engine::EngineError;
use crate::settings::SettingsError;

/// Done, or there was nothing to do.
pub const DONE: u8 = 0;
/// A build failed, or a dependency is missing.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// Manifests do not check.
pub const UNCHECKED: u8 = 3;
/// There is no such job, build or plugin.
pub const NOT_FOUND: u8 = 4;
/// The store.
pub const STORAGE: u8 = 5;
/// A bug in jobcontrol.
pub const BUG: u8 = 70;
/// The person interrupted it.
pub const INTERRUPTED: u8 = 130;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum CliError {
    /// For this reason, which `render` shows as text and as JSON.
    Refused(Box<Refusal>),
    /// Whoever read our output has gone; nothing is left to say.
    Closed,
}

impl CliError {
    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Refusal::usage(message).into()
    }

    /// What was asked for is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Refusal::not_found(message).into()
    }

    /// The plugin, the engine or the machine.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Refusal::failed(message).into()
    }

    /// Mistakes in the person's files.
    pub(crate) fn unchecked(problems: Vec<Diagnostic>) -> Self {
        Refusal::unchecked(problems).into()
    }

    /// Whether it is about mistakes in the person's files.
    pub(crate) fn is_unchecked(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind == RefusalKind::Unchecked)
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => DONE,
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::Usage => USAGE,
                RefusalKind::Unchecked => UNCHECKED,
                RefusalKind::NotFound => NOT_FOUND,
                RefusalKind::Storage => STORAGE,
                RefusalKind::Failed | RefusalKind::Stale => FAILED,
            },
        }
    }
}

impl From<Refusal> for CliError {
    fn from(mut refusal: Refusal) -> Self {
        if let Some(flag) = refusal.faults.first().and_then(|fault| flag(&fault.place)) {
            refusal.message = format!("{flag}: {}", refusal.message);
        }
        Self::Refused(Box::new(refusal))
    }
}

/// The flag by which a part of what was asked for was given; none for a job, whose name says
/// enough.
fn flag(place: &Place) -> Option<String> {
    match place {
        Place::Pins => Some("--pin".to_owned()),
        Place::Pin(job, None) => Some(format!("--pin {job}")),
        Place::Pin(job, Some(build)) => Some(format!("--pin {job}={build}")),
        Place::Target(_) | Place::Argument(_) => None,
    }
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Usage(message) => Self::usage(message),
            SettingsError::Diagnostics(problems) => Self::unchecked(problems),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Storage(error) => error.into(),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::failed(format!("the output cannot be written: {error}"))
        }
    }
}
