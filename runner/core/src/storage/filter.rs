//! What can be asked of a store.

use crate::clock::Timestamp;
use crate::event::NewRecord;

/// Which builds to list; filters combine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFilter {
    /// Only those of this job.
    pub job_id: Option<String>,
    /// Only those of one of these jobs.
    pub job_ids: Option<Vec<String>>,
    /// Only those whose flag is so.
    pub started: Option<bool>,
    /// Only those whose flag is so.
    pub finished: Option<bool>,
    /// Only those whose flag is so.
    pub success: Option<bool>,
    /// Only those whose flag is so.
    pub skipped: Option<bool>,
    /// Only those whose deletion has begun, or has not.
    pub deleting: Option<bool>,
    /// Only those with arguments that were given by hand, or only those without.
    pub edited: Option<bool>,
    /// Only those that this process ran.
    pub owner: Option<String>,
    /// Only those of this run.
    pub run: Option<u64>,
    /// Only those with a smaller id, to read on from where one was.
    pub before: Option<u64>,
    /// Only those with a greater id.
    pub after: Option<u64>,
    /// By id.
    pub order: Order,
    /// How many at most.
    pub limit: u64,
    /// Leaves out what can be large: return value, traceback, and all of a failure but its kind and
    /// message.
    pub brief: bool,
}

impl Default for BuildFilter {
    fn default() -> Self {
        Self {
            job_id: None,
            job_ids: None,
            started: None,
            finished: None,
            success: None,
            skipped: None,
            deleting: None,
            edited: None,
            owner: None,
            run: None,
            before: None,
            after: None,
            order: Order::Asc,
            limit: 100,
            brief: false,
        }
    }
}

impl BuildFilter {
    /// All builds of a job, oldest first, 100 at most.
    pub fn job(job_id: &str) -> Self {
        Self { job_id: Some(job_id.to_owned()), ..Self::default() }
    }

    /// The newest build of a job that started, finished, succeeded, was not skipped, is not being
    /// deleted, and had no arguments that were given by hand.
    pub fn latest_success(job_id: &str) -> Self {
        Self {
            started: Some(true),
            finished: Some(true),
            success: Some(true),
            skipped: Some(false),
            deleting: Some(false),
            edited: Some(false),
            order: Order::Desc,
            limit: 1,
            ..Self::job(job_id)
        }
    }
}

/// Oldest or newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// Which log records to read; filters combine. Records come in the order in which they were
/// written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only those of this job's builds.
    pub job_id: Option<String>,
    /// Only those of this build.
    pub build_id: Option<u64>,
    /// Only those at or above this level.
    pub min_level: Option<i64>,
    /// Only those of this moment or later.
    pub min_date: Option<Timestamp>,
    /// Only those before this moment.
    pub max_date: Option<Timestamp>,
    /// Only those with a greater id, to read on from where one was.
    pub after: Option<u64>,
    /// Of those that all other filters let through, only so many of the newest.
    pub last: Option<u64>,
}

/// A log record as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// Rising.
    pub id: u64,
    /// The build.
    pub build_id: u64,
    /// The attempt that wrote it; 0 before the first.
    pub attempt: u32,
    /// What was written.
    pub record: NewRecord,
}

/// Which runs to list; filters combine. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only those that have not ended, or only those that have.
    pub open: Option<bool>,
    /// Only those that any service may go on with, or only others.
    pub service: Option<bool>,
    /// Only those that are held back, or only others.
    pub held: Option<bool>,
    /// Only those that this process works on.
    pub owner: Option<String>,
    /// Only those of this requester, as it displays itself.
    pub requested_by: Option<String>,
    /// Only those with a smaller id, to read on from where one was.
    pub before: Option<u64>,
    /// How many at most; none for all.
    pub limit: Option<u64>,
}

/// What somebody wants to end, each with who that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequests {
    /// Builds that have not ended.
    pub builds: Vec<(u64, String)>,
    /// Runs that have not ended.
    pub runs: Vec<(u64, String)>,
}
