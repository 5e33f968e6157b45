//! What a person looks at to understand a failed build.

use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::value::Value;

/// What a person looks at to understand a failed build.
#[derive(Clone, Debug, Default)]
pub struct Aftermath {
    /// `args`, `kwargs` and `overrides` of its config, with return values in the place of
    /// references.
    pub args: Vec<(&'static str, Value)>,
    /// Its newest log records, oldest first.
    pub log: Vec<LogRecord>,
}
