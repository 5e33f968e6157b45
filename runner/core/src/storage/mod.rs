//! The contract of a store, by the method names of the Python library that jobcontrol descends from.
//!
//! Every change is a [`Write`] handed to [`Storage::submit`], so that a backend can commit together what waits
//! together; the methods named for one change each are built on it. A backend passes the suite in `tests/storage`.
//!
//! - here: the trait, and what can be asked for
//! - `write`: the changes
//! - `pack`: failures, ends of builds and log records as they are stored, and back

mod pack;
mod write;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use crate::build::Attempt;
use crate::build::Build;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::event::NewRecord;
use crate::failure::Failure;
use crate::progress;
use crate::progress::Progress;
use crate::status::JobHistory;
use crate::value;
use crate::value::PackError;
use crate::value::Value;

pub use pack::pack_finish;
pub use pack::pack_record;
pub use pack::unpack_brief_failure;
pub use pack::unpack_failure;
pub use pack::unpack_frames;
pub use pack::unpack_record;
pub use write::FinishBuild;
pub use write::Guard;
pub use write::LogRow;
pub use write::NewBuild;
pub use write::PruneLog;
pub use write::RetryBuild;
pub use write::StartBuild;
pub use write::Write;

/// What a store could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// There is no such build.
    #[error("there is no build {0}")]
    NotFound(u64),
    /// Another process has taken the build over, or it has ended.
    #[error("build {0} is no longer this process's: it has ended, or another process took it over")]
    Stale(u64),
    /// A build was to be created that uses this one, which is not there, or is being deleted.
    #[error("build {0} cannot be used: it is gone, or being deleted")]
    NoPin(u64),
    /// A build was to be created of a plugin, by this digest, whose bytes are not kept, or no longer.
    #[error("the store does not keep the plugin sha256:{0}")]
    NoPlugin(Arc<str>),
    /// A value that the store does not take.
    #[error("{0}")]
    Refused(String),
    /// The store itself: its file, its disk, its schema.
    #[error("{0}")]
    Backend(String),
}

/// The result of a store's method.
pub type Result<T> = std::result::Result<T, StorageError>;

/// The answer to a write: the id of a new build, or the number of rows for what deletes.
pub type Written = u64;

/// Called once with the answer, after the commit; possibly on the writer's thread, so it must not wait.
pub type Completion = Box<dyn FnOnce(Result<Written>) + Send>;

/// Which builds to list; filters combine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFilter {
    /// Only those of this job.
    pub job_id: Option<String>,
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
    /// Only those that this process ran.
    pub owner: Option<String>,
    /// Only those with a smaller id, to read on from where one was.
    pub before: Option<u64>,
    /// By id.
    pub order: Order,
    /// How many at most.
    pub limit: u64,
    /// Leaves out what can be large: return value, traceback, and all of a failure but its kind and message.
    pub brief: bool,
}

impl Default for BuildFilter {
    fn default() -> Self {
        Self {
            job_id: None,
            started: None,
            finished: None,
            success: None,
            skipped: None,
            deleting: None,
            owner: None,
            before: None,
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
}

/// Oldest or newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// Which log records to read; filters combine. Records come in the order in which they were written.
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

/// How a build is ended by hand; the defaults are those of a success without a value.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    /// Whether it ended well; none means true.
    pub success: Option<bool>,
    /// Whether there was nothing to do.
    pub skipped: bool,
    /// What the function returned.
    pub retval: Option<Value>,
    /// Why it failed.
    pub exception: Option<Failure>,
}

/// A store of builds, their progress and their log.
pub trait Storage: Send + Sync {
    /// Where this store's times come from.
    fn clock(&self) -> &dyn Clock;

    /// Makes the tables, or brings them to this version. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn install(&self) -> Result<()>;

    /// Removes all that `install` made, with all data.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn uninstall(&self) -> Result<()>;

    /// Hands a change over, waiting while too many wait. Changes are applied in the order of their submission, and
    /// `done` is called after the change is durable.
    fn submit(&self, write: Write, done: Completion);

    /// As `submit`, but gives the change back where `submit` would wait.
    ///
    /// # Errors
    ///
    /// What was given, if too many changes wait.
    fn try_submit(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)>;

    /// Tells this store from every other; made by `install` and kept for the store's life.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn store_id(&self) -> Result<String>;

    /// Copies the whole store to a new file while it is in use, and verifies the copy.
    ///
    /// # Errors
    ///
    /// `Refused` where the file is there already or there is nothing to copy, or the backend's.
    fn backup(&self, file: &Path) -> Result<()>;

    /// Builds in order of their ids.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_job_builds(&self, filter: &BuildFilter) -> Result<Vec<Build>>;

    /// One build, whole.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn get_build(&self, id: u64) -> Result<Build>;

    /// The attempts of a build that ended with another to follow, oldest first. The one that came after all of them is
    /// told by the build itself; [`Build::attempts`] puts them together.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>>;

    /// The unfinished builds of this owner that somebody wants to end, with who that is. Asked for many times a
    /// second, so it must be cheap where there are none.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_cancel_requests(&self, owner: &str) -> Result<Vec<(u64, String)>>;

    /// The newest report of each group of a build, in the order of their first reports.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_build_progress_info(&self, id: u64) -> Result<Vec<Progress>>;

    /// Calls `each` for every record that the filter lets through, until it breaks.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn iter_log_messages(&self, filter: &LogFilter, each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>) -> Result<()>;

    /// How many log records a [`Write::PruneLog`] would delete.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn count_prunable(&self, prune: &PruneLog) -> Result<u64>;

    /// The largest id of a log record; 0 where there is none.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_last_log_id(&self) -> Result<u64>;

    /// Digests of plugins that no build was made with but those of `besides`, and the largest id that a build had
    /// before they were looked for.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_orphaned_plugins(&self, besides: &[u64]) -> Result<(Vec<String>, u64)>;

    /// The bytes of a plugin that some build was made with.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_plugin(&self, digest: &str) -> Result<Option<Vec<u8>>>;

    /// Builds that have started and not finished, without value and traceback.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_running_builds(&self) -> Result<Vec<Build>> {
        self.get_job_builds(&BuildFilter {
            started: Some(true),
            finished: Some(false),
            limit: u64::MAX >> 1,
            brief: true,
            ..BuildFilter::default()
        })
    }

    /// What the store knows of each of these jobs, in their order: one that was never built has an empty history. Builds
    /// that are being deleted count as the newest at most.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_job_histories(&self, jobs: &[&str]) -> Result<Vec<JobHistory>> {
        let newest = |filter: BuildFilter| {
            let filter = BuildFilter { order: Order::Desc, limit: 1, brief: true, ..filter };
            Ok(self.get_job_builds(&filter)?.into_iter().next().map(Arc::new))
        };
        let history = |job: &&str| {
            let all = BuildFilter::job(job);
            let finished = BuildFilter { finished: Some(true), deleting: Some(false), ..all.clone() };
            let unskipped = BuildFilter { skipped: Some(false), ..finished.clone() };
            let latest = BuildFilter { started: Some(true), success: Some(true), ..unskipped.clone() };
            Ok(JobHistory {
                finished: newest(unskipped)?.is_some(),
                newest: newest(all)?,
                latest: newest(latest)?,
                last_good: newest(BuildFilter { success: Some(true), ..finished })?,
            })
        };
        jobs.iter().map(history).collect()
    }

    /// Submits a change and waits for its commit.
    ///
    /// # Errors
    ///
    /// The change's own.
    fn write(&self, write: Write) -> Result<Written> {
        let (sender, receiver) = mpsc::channel();
        self.submit(write, Box::new(move |answer| drop(sender.send(answer))));
        receiver.recv().unwrap_or_else(|_| Err(StorageError::Backend("the store was closed".to_owned())))
    }

    /// Creates a build of a job with its config; answers its id.
    ///
    /// # Errors
    ///
    /// A config that cannot be packed, or the backend's.
    fn create_build(&self, job_id: &str, config: &Value) -> Result<u64> {
        let config = self.pack(config).map_err(|e| StorageError::Refused(format!("the build config: {e}")))?;
        let created = self.clock().now();
        let job_id = Arc::from(job_id);
        self.write(Write::CreateBuild(NewBuild { job_id, config: config.into(), created, ..NewBuild::default() }))
    }

    /// Records that an attempt begins.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn start_build(&self, id: u64) -> Result<()> {
        let time = self.clock().now();
        self.write(Write::StartBuild(StartBuild { id, guard: None, owner: None, time })).map(drop)
    }

    /// Records that a build ended. What cannot be packed becomes a placeholder, and fails the build.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn finish_build(&self, id: u64, finish: Finish) -> Result<()> {
        let packed = pack_finish(id, None, self.clock().now(), finish);
        self.write(Write::FinishBuild(packed)).map(drop)
    }

    /// Records that a build failed.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn finish_build_with_exception(&self, id: u64, failure: Failure) -> Result<()> {
        self.finish_build(id, Finish { success: Some(false), exception: Some(failure), ..Finish::default() })
    }

    /// Records the newest progress of a group; `group` is its levels, or one `::` string.
    ///
    /// # Errors
    ///
    /// `Refused` for what the columns cannot hold, `NotFound`, or the backend's.
    fn report_build_progress(&self, id: u64, group: &[&str], current: u64, total: u64, status: &str) -> Result<()> {
        let report = progress::checked(group, current, total, status).map_err(StorageError::Refused)?;
        self.write(Write::Progress(id, report)).map(drop)
    }

    /// Records the newest progress of the whole build.
    ///
    /// # Errors
    ///
    /// As [`Storage::report_build_progress`].
    fn update_build_progress(&self, id: u64, current: u64, total: u64) -> Result<()> {
        self.report_build_progress(id, &[], current, total, "")
    }

    /// Deletes a build with its progress and its log.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Refused` where a build that has not finished is pinned to it, or the backend's.
    fn delete_build(&self, id: u64) -> Result<()> {
        self.write(Write::DeleteBuild(id)).map(drop)
    }

    /// The newest build that started, finished, succeeded, was not skipped and is not being deleted.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_latest_successful_build(&self, job_id: &str) -> Result<Option<Build>> {
        let builds = self.get_job_builds(&BuildFilter {
            started: Some(true),
            finished: Some(true),
            success: Some(true),
            skipped: Some(false),
            deleting: Some(false),
            order: Order::Desc,
            limit: 1,
            ..BuildFilter::job(job_id)
        })?;
        Ok(builds.into_iter().next())
    }

    /// Stores a log record.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn log_message(&self, id: u64, record: NewRecord) -> Result<()> {
        self.write(Write::Log(id, pack_record(record))).map(drop)
    }

    /// Deletes log records at or below `level` and older than `max_age` seconds; answers their number.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn prune_log_messages(
        &self,
        job_id: Option<&str>,
        build_id: Option<u64>,
        max_age: Option<u64>,
        level: Option<i64>,
    ) -> Result<u64> {
        let before = max_age.map(|seconds| self.clock().now().minus_seconds(seconds));
        let job_id = job_id.map(str::to_owned);
        self.write(Write::PruneLog(PruneLog { job_id, build_id, before, level, ..PruneLog::default() }))
    }

    /// Packs a value as it is stored.
    ///
    /// # Errors
    ///
    /// A value that MessagePack or the store cannot hold.
    fn pack(&self, value: &Value) -> std::result::Result<Vec<u8>, PackError> {
        value::pack(value)
    }

    /// Reads a packed value; where that fails and `safe` is set, a text that says why.
    ///
    /// # Errors
    ///
    /// Bytes that are no packed value, unless `safe` is set.
    fn unpack(&self, bytes: &[u8], safe: bool) -> std::result::Result<Value, PackError> {
        match value::unpack(bytes) {
            Err(error) if safe => Ok(Value::String(format!("could not be read: {error}"))),
            result => result,
        }
    }

    /// Packs a failure and its traceback as they are stored. Never fails: what cannot be packed is left out, and the
    /// message says so.
    fn pack_exception(&self, failure: Failure) -> (Vec<u8>, Option<Vec<u8>>) {
        pack::pack_failure(failure)
    }
}
