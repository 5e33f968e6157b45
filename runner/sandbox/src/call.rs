//! One call of a function: what goes in, and what comes out.

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

/// One attempt.
pub struct Call {
    /// Arguments in the order and of the types of the parameters.
    pub args: Vec<Value>,
    /// What the plugin may touch.
    pub granted: Granted,
    /// The secrets that its arguments and rights name.
    pub secrets: Secrets,
    /// What it may use.
    pub limits: Limits,
    /// What it holds of the host's memory is charged to this. What the arguments hold is the
    /// caller's to charge.
    pub account: Arc<Account>,
    /// What it can learn of its build.
    pub build: BuildInfo,
    /// Where its log and progress go.
    pub sink: Arc<dyn Sink>,
    /// Ends it when set.
    pub cancel: Cancel,
    /// When its build has to end; `limits.build_timeout` is what that is called.
    pub until: Option<Instant>,
}

/// What became of one attempt.
#[derive(Debug)]
pub struct Called {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used until then; nothing if it ended before the guest started.
    pub usage: Usage,
}

impl Called {
    /// A call that ended before its guest started.
    pub(crate) fn unstarted(outcome: Outcome) -> Self {
        Self { outcome, usage: Usage::default() }
    }
}
