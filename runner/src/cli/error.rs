//! What can go wrong in a command, and the exit code that says so.

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;

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
    /// The command line makes no sense.
    Usage(String),
    /// Mistakes in the person's files.
    Diagnostics(Vec<Diagnostic>),
    /// There is no such job, build or plugin.
    NotFound(String),
    /// The store.
    Storage(String),
    /// The plugin, the engine or the machine.
    Failed(String),
    /// Whoever read our output has gone; nothing is left to say.
    Closed,
}

impl CliError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Diagnostics(_) => UNCHECKED,
            Self::NotFound(_) => NOT_FOUND,
            Self::Storage(_) => STORAGE,
            Self::Failed(_) => FAILED,
            Self::Closed => DONE,
        }
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
            SettingsError::Usage(message) => Self::Usage(message),
            SettingsError::Diagnostics(problems) => Self::Diagnostics(problems),
        }
    }
}

impl From<Refusal> for CliError {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::Usage => Self::Usage(refusal.text()),
            RefusalKind::NotFound => Self::NotFound(refusal.text()),
            RefusalKind::Unchecked => Self::Diagnostics(refusal.diagnostics),
            RefusalKind::Failed => Self::Failed(refusal.text()),
            RefusalKind::Storage => Self::Storage(refusal.text()),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Storage(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Failed(format!("the output cannot be written: {error}"))
        }
    }
}
