//! The errors of commands, and their exit codes.

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;

use crate::request::refusal::Place;
use crate::request::refusal::Refusal;
use crate::request::refusal::RefusalKind;
use crate::service::engine::EngineError;
use crate::settings::SettingsError;

/// The command was done, or there was nothing to do.
pub const DONE: u8 = 0;
/// A build failed, or a dependency is missing.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// Manifests have mistakes.
pub const UNCHECKED: u8 = 3;
/// The job, build or plugin does not exist.
pub const NOT_FOUND: u8 = 4;
/// The store failed.
pub const STORAGE: u8 = 5;
/// A bug in jobcontrol.
pub const BUG: u8 = 70;
/// The person interrupted it.
pub const INTERRUPTED: u8 = 130;

/// Why a command was not carried out.
#[derive(Debug)]
pub(crate) enum CliError {
    /// It was refused or failed for this reason, which `render` shows as text and as JSON.
    Refused(Box<Refusal>),
    /// The reader of the output has gone, so nothing more can be printed.
    Closed,
}

impl CliError {
    /// Creates an error about a wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Refusal::usage(message).into()
    }

    /// Creates an error about something that does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Refusal::not_found(message).into()
    }

    /// Creates an error about a failure of the plugin, the engine or the machine.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Refusal::failed(message).into()
    }

    /// Creates an error from mistakes in the person's files.
    pub(crate) fn unchecked(problems: Vec<Diagnostic>) -> Self {
        Refusal::unchecked(problems).into()
    }

    /// Returns whether the error is about mistakes in the person's files.
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

/// Returns the flag that gave a part of the request. Returns `None` for a target or an argument,
/// whose name says enough.
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
