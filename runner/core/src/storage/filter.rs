//! The filters for reading from a store.

use crate::clock::Timestamp;
use crate::event::NewRecord;

/// Which builds to list. A build must pass all filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFilter {
    /// Only builds of this job.
    pub job_id: Option<String>,
    /// Only builds of one of these jobs.
    pub job_ids: Option<Vec<String>>,
    /// Only builds whose `started` flag has this value.
    pub started: Option<bool>,
    /// Only builds whose `finished` flag has this value.
    pub finished: Option<bool>,
    /// Only builds whose `success` flag has this value.
    pub success: Option<bool>,
    /// Only builds whose `skipped` flag has this value.
    pub skipped: Option<bool>,
    /// Only builds whose deletion has begun, or only those whose deletion has not.
    pub deleting: Option<bool>,
    /// Only builds with arguments that were given by hand, or only those without.
    pub edited: Option<bool>,
    /// Only builds that this process ran.
    pub owner: Option<String>,
    /// Only builds of this run.
    pub run: Option<u64>,
    /// Only builds with a smaller id, to continue an earlier read.
    pub before: Option<u64>,
    /// Only builds with a greater id.
    pub after: Option<u64>,
    /// The order, by id.
    pub order: Order,
    /// The largest number of builds to return.
    pub limit: u64,
    /// Whether to leave out parts that can be large: the return value, the traceback, and
    /// everything of a failure except its kind and message.
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
    /// Selects the builds of a job, oldest first, at most 100.
    pub fn job(job_id: &str) -> Self {
        Self { job_id: Some(job_id.to_owned()), ..Self::default() }
    }

    /// Selects the newest build of a job that started, finished, succeeded, was not skipped, is not
    /// being deleted, and had no arguments that were given by hand.
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

/// Which log records to read. A record must pass all filters. Records are returned in the order in
/// which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only records of this job's builds.
    pub job_id: Option<String>,
    /// Only records of this build.
    pub build_id: Option<u64>,
    /// Only records at or above this level.
    pub min_level: Option<i64>,
    /// Only records from this moment or later.
    pub min_date: Option<Timestamp>,
    /// Only records from before this moment.
    pub max_date: Option<Timestamp>,
    /// Only records with a greater id, to continue an earlier read.
    pub after: Option<u64>,
    /// Of the records that pass all other filters, only this many of the newest.
    pub last: Option<u64>,
}

/// A log record as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// The id; it rises with each record.
    pub id: u64,
    /// The build.
    pub build_id: u64,
    /// The attempt that wrote it; 0 before the first.
    pub attempt: u32,
    /// The record itself.
    pub record: NewRecord,
}

/// Which runs to list, newest first. A run must pass all filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs that have not ended, or only those that have.
    pub open: Option<bool>,
    /// Only runs that any service may continue, or only the others.
    pub service: Option<bool>,
    /// Only runs that are held back, or only the others.
    pub held: Option<bool>,
    /// Only runs that this process works on.
    pub owner: Option<String>,
    /// Only runs of this requester, in its displayed form.
    pub requested_by: Option<String>,
    /// Only runs with a smaller id, to continue an earlier read.
    pub before: Option<u64>,
    /// The largest number of runs to return; `None` for all.
    pub limit: Option<u64>,
}

/// The builds and runs that somebody wants to cancel, each with the name of the requester.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequests {
    /// Builds that have not ended.
    pub builds: Vec<(u64, String)>,
    /// Runs that have not ended.
    pub runs: Vec<(u64, String)>,
}
