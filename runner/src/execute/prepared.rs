//! A job ready to be built any number of times, and a build that is not yet finished.

use std::sync::Arc;

use jobcontrol_core::build::Pin;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::config::BuildConfig;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::Key;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::retry::Retry;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::pack;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;

use crate::execute::error::ExecuteError;

/// A job ready to be built any number of times.
pub struct Prepared {
    /// The job's id.
    pub job_id: Arc<str>,
    pub(super) checked: CheckedJob,
    pub(super) granted: Granted,
    /// `None` if workers call it.
    pub(super) function: Option<Function>,
    pub(super) retval_type: Option<Arc<str>>,
    /// The packed config of a build without overrides.
    pub(super) plain_config: Arc<[u8]>,
    /// The arguments of such a build, if the job depends on nothing.
    pub(super) plain_args: Option<Arc<Vec<Value>>>,
}

impl Prepared {
    pub(super) fn limits(&self) -> &Limits {
        &self.checked.job.limits
    }

    pub(super) fn priority(&self) -> i64 {
        self.checked.job.priority
    }

    pub(super) fn retry(&self) -> &Retry {
        &self.checked.job.retry
    }
}

/// A build that is not yet finished.
pub struct Created {
    /// Its id.
    pub id: u64,
    /// Its arguments. `None` for a build that waited, because many builds with large values may
    /// wait.
    pub(super) args: Option<Arc<Vec<Value>>>,
    /// The builds that it uses, and what was given by hand.
    pub(super) pins: Arc<[Pin]>,
    pub(super) overrides: Vec<(Key, Arg)>,
    /// The newest attempt that started; 0 before the first.
    pub(super) attempt: u32,
    /// When its first attempt started, if it has.
    pub(super) started: Option<Timestamp>,
    /// When its next attempt is due, if one has failed.
    pub(super) due: Option<Timestamp>,
    /// Whether the run consists of this build only, and so ends with it.
    pub(super) ends_run: bool,
}

/// Packs the config of a build.
pub(super) fn pack_config(checked: &CheckedJob, overrides: &[(Key, Arg)]) -> Result<Arc<[u8]>, ExecuteError> {
    let config = BuildConfig::new((*checked.job).clone(), overrides.to_vec()).to_value();
    let packed = pack(&config).map_err(|e| StorageError::Refused(format!("the build config: {e}")))?;
    Ok(packed.into())
}
