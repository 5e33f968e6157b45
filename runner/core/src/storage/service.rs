//! The state that services keep in a store: the owners of runs, the reloads, how far each schedule
//! has been processed, and what `on: change` has tried.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::reload::Reload;

/// The commits of a process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// Number of commits.
    pub commits: u64,
    /// Number of changes in all of these commits.
    pub writes: u64,
}

/// A request to take over an open run, with its builds that have not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRun {
    /// The run.
    pub id: u64,
    /// The process that owns the run now; `None` for a run that waits for a service. If another
    /// process was faster, the result is 0 and nothing changes.
    pub from: Option<Arc<str>>,
    /// The process that works on the run from now on.
    pub owner: Arc<str>,
}

/// A reload to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReload {
    /// When the service began to use the new catalog.
    pub created: Timestamp,
    /// What changed.
    pub reload: Reload,
}

/// A reload as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadRow {
    /// The id; ids rise and are never reused.
    pub id: u64,
    /// When the service began to use the new catalog.
    pub created: Timestamp,
    /// What changed.
    pub reload: Reload,
}

/// How far the schedule of a job has been processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    /// The job.
    pub job: String,
    /// The rule and the time zone that `last` belongs to. A job whose rule has changed starts over.
    pub rule: String,
    /// Every due time up to this moment has been processed.
    pub last: Timestamp,
}

/// The state of a job that `on: change` last built or tried to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The job.
    pub job: Arc<str>,
    /// The digest of everything that decides the result.
    pub fingerprint: String,
}
