//! What can go wrong in a command, and the exit code that says so.

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;

use crate::app::AppError;
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

impl CliError {
    /// What is wrong, where that is one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(message) | Self::NotFound(message) | Self::Storage(message) | Self::Failed(message) => {
                message.clone()
            }
            Self::Diagnostics(_) | Self::Closed => String::new(),
        }
    }
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound(_) => Self::NotFound(error.to_string()),
            StorageError::Refused(reason) => Self::Usage(reason),
            _ => Self::Storage(error.to_string()),
        }
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

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Storage(error) => error.into(),
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
