//! One call of a function: its input and its result.

use std::sync::Arc;
use std::time::Instant;

use jobcontrol_core::event::Outcome;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;

use crate::build_info::BuildInfo;
use crate::cancel::Cancel;
use crate::grant::Granted;
use crate::ledger::Account;
use crate::sink::Sink;

/// The input of one attempt.
pub struct Call {
    /// The arguments, in the order and of the types of the parameters.
    pub args: Vec<Value>,
    /// What the plugin may access.
    pub granted: Granted,
    /// The secrets that the arguments and grants name.
    pub secrets: Secrets,
    /// What the attempt may use.
    pub limits: Limits,
    /// The account to charge for host memory that the call holds. The caller charges for what the
    /// arguments hold.
    pub account: Arc<Account>,
    /// What the plugin can learn about its build.
    pub build: BuildInfo,
    /// Where log records and progress go.
    pub sink: Arc<dyn Sink>,
    /// Ends the call when set.
    pub cancel: Cancel,
    /// When the build has to end; `limits.build_timeout` is the same limit as a duration, for
    /// messages.
    pub until: Option<Instant>,
}

/// The result of one attempt.
#[derive(Debug)]
pub struct Called {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used until then; zero if it ended before the guest started.
    pub usage: Usage,
}

impl Called {
    /// Returns the result of a call that ended before its guest started.
    pub(crate) fn unstarted(outcome: Outcome) -> Self {
        Self { outcome, usage: Usage::default() }
    }
}
