//! What services keep in a store: who works on which run, what was reloaded, how far each schedule
//! is, and what `on: change` has tried.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::reload::Reload;

/// What a process has committed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// Commits.
    pub commits: u64,
    /// Changes that they held together.
    pub writes: u64,
}

/// Takes over an open run, with its builds that have not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRun {
    /// The run.
    pub id: u64,
    /// The process that has it now; none for a run that waits for a service. If another process was
    /// faster, the result is 0 and nothing changes.
    pub from: Option<Arc<str>>,
    /// The process that works on it from now on.
    pub owner: Arc<str>,
}

/// A reload to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReload {
    /// When the new catalog was taken into use.
    pub created: Timestamp,
    /// What changed.
    pub reload: Reload,
}

/// A reload as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadRow {
    /// Rising, and never used again.
    pub id: u64,
    /// When the new catalog was taken into use.
    pub created: Timestamp,
    /// What changed.
    pub reload: Reload,
}

/// How far the schedule of a job has been seen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    /// The job.
    pub job: String,
    /// The rule and the time zone that `last` belongs to. A job with another rule begins anew.
    pub rule: String,
    /// Every due time up to this moment was seen to.
    pub last: Timestamp,
}

/// What `on: change` has built, or tried to build, of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The job.
    pub job: Arc<str>,
    /// The digest of all that decided the result.
    pub fingerprint: String,
}
