//! The trait that every store implements.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use crate::build::Attempt;
use crate::build::Build;
use crate::clock::Clock;
use crate::config;
use crate::event::NewRecord;
use crate::failure::Failure;
use crate::progress;
use crate::progress::Progress;
use crate::run::Requester;
use crate::run::Run;
use crate::run::RunCounts;
use crate::status::JobHistory;
use crate::storage::error::Result;
use crate::storage::error::StorageError;
use crate::storage::filter::BuildFilter;
use crate::storage::filter::CancelRequests;
use crate::storage::filter::LogFilter;
use crate::storage::filter::LogRecord;
use crate::storage::filter::Order;
use crate::storage::filter::RunFilter;
use crate::storage::looks::LogMap;
use crate::storage::looks::Mark;
use crate::storage::pack::Finish;
use crate::storage::pack::pack_failure;
use crate::storage::pack::pack_finish;
use crate::storage::pack::pack_record;
use crate::storage::service::Commits;
use crate::storage::service::ReloadRow;
use crate::storage::service::ScheduleState;
use crate::storage::write::NewBuild;
use crate::storage::write::PackedFailure;
use crate::storage::write::PruneLog;
use crate::storage::write::StartBuild;
use crate::storage::write::Write;
use crate::token::Token;
use crate::value;
use crate::value::PackError;
use crate::value::Value;

/// Called once with the result of a change: the id of a new build, run or log record, or the number
/// of deleted rows. Called after the commit, possibly on the writer's thread, so it must not block.
pub type Completion = Box<dyn FnOnce(Result<u64>) + Send>;

/// A store of runs, builds, their progress and their log.
///
/// Methods may be called from any thread. Methods that read do not wait for writers.
/// [`Storage::submit`] and the methods built on it may block, so do not call them on a thread that
/// runs guests.
///
/// # The interface of the Python library
///
/// The Python library that jobcontrol descends from has these methods, which are kept by name and
/// meaning for programs that use a store through this trait: `create_build`, `start_build`,
/// `finish_build`, `finish_build_with_exception`, `report_build_progress`, `update_build_progress`,
/// `log_message`, `unpack` and `uninstall`. The runner itself submits [`Write`]s instead, with
/// guards and already packed.
pub trait Storage: Send + Sync {
    /// Returns the clock that gives this store's times.
    fn clock(&self) -> &dyn Clock;

    /// Creates the tables, or upgrades them to this version. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written, or if a newer version made it.
    fn install(&self) -> Result<()>;

    /// Removes everything that `install` made, with all data.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
    fn uninstall(&self) -> Result<()>;

    /// Submits a change, and waits while too many changes are waiting. Changes are applied in the
    /// order of their submission, and `done` is called after the change is durable.
    fn submit(&self, write: Write, done: Completion);

    /// Submits a change like `submit`, but returns it instead of waiting.
    ///
    /// # Errors
    ///
    /// Returns the arguments if too many changes are waiting.
    fn try_submit(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)>;

    /// Returns the unique id of this store. `install` creates it, and it never changes.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn store_id(&self) -> Result<String>;

    /// Copies the whole store to a new file while it is in use, and verifies the copy.
    ///
    /// # Errors
    ///
    /// Returns `Refused` if the file already exists or there is nothing to copy, or an error if the
    /// store cannot be read or the copy cannot be written.
    fn backup(&self, file: &Path) -> Result<()>;

    /// Takes a lease for `owner`, a name that no process has used before. It lasts until it is
    /// released, or until this process dies, however it dies. Called once by each process that runs
    /// builds, before its first write.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is taken, or if the lease cannot be written.
    fn claim(&self, owner: &str) -> Result<()>;

    /// Keeps a lease alive. Called every second or so by the process that claimed it. Repairs what
    /// others have removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the lease cannot be renewed. It may then be lost.
    fn renew(&self, owner: &str) -> Result<()>;

    /// Returns whether a lease is alive. Called before the unfinished builds of its owner are shown
    /// or changed. An unknown owner is dead.
    ///
    /// # Errors
    ///
    /// Returns an error if this cannot be determined. The owner may then be alive.
    fn is_alive(&self, owner: &str) -> Result<bool>;

    /// Releases a lease; does nothing if it is gone. Also removes what a dead owner left of its
    /// lease.
    fn release(&self, owner: &str);

    /// Keeps a short form of the end of a run, or of a failed build, that its owner could not
    /// write. It is kept in a place that may still have room.
    ///
    /// # Errors
    ///
    /// Returns an error if the store has no such place, or if nothing can be written there either.
    fn keep_end(&self, owner: &str, end: &Write) -> Result<()> {
        let _ = (owner, end);
        Err(StorageError::Refused("this store has no place to keep it".to_owned()))
    }

    /// Writes the ends that [`Storage::keep_end`] has kept in any process. Does nothing if there
    /// are none.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written. Unwritten ends stay kept.
    fn write_kept_ends(&self) -> Result<()> {
        Ok(())
    }

    /// Returns how many commits this process has made. May be called from any thread at any time,
    /// and returns at once. Returns `None` if the store commits nothing or does not count.
    fn commits(&self) -> Option<Commits> {
        None
    }

    /// Returns a number that changes with every change of the store. It is a cheap check for a
    /// process that watches the builds of others.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn data_version(&self) -> Result<u64>;

    /// Returns one run, with all of its parts.
    ///
    /// # Errors
    ///
    /// Returns `NoRun` if the run does not exist, or an error if the store cannot be read.
    fn get_run(&self, id: u64) -> Result<Run>;

    /// Returns runs with their plans, newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_runs(&self, filter: &RunFilter) -> Result<Vec<Run>>;

    /// Returns the open runs that wait for a service, except those that are held back: by priority,
    /// highest first, then by id. Each service calls it whenever the store has changed, so it must
    /// be cheap however many runs wait.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_waiting_runs(&self, limit: u64) -> Result<Vec<u64>>;

    /// Returns the runs of schedules that ended without success and were not yet reported to
    /// anybody, oldest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_untold_runs(&self) -> Result<Vec<u64>>;

    /// Returns the processes that work on open runs which any service may continue, each once.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_open_owners(&self) -> Result<Vec<String>>;

    /// Returns reloads, newest first: those with an id below `before`, if it is given.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_reloads(&self, before: Option<u64>, limit: u64) -> Result<Vec<ReloadRow>>;

    /// Returns how far each schedule has been processed, in the order of the jobs' ids.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_schedules(&self) -> Result<Vec<ScheduleState>>;

    /// Returns what `on: change` last tried of each of these jobs, in their order.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_tried(&self, jobs: &[&str]) -> Result<Vec<Option<String>>>;

    /// Returns whether `owner`, which holds a lease, is the leader. Of all services of a store, one
    /// leads until its lease ends. Each service calls this every second or so; the first call after
    /// the end of the leader makes the caller the leader.
    ///
    /// # Errors
    ///
    /// Returns an error if this cannot be determined. The caller then does not lead.
    fn lead(&self, owner: &str) -> Result<bool>;

    /// Counts the builds of each of these runs by their progress, in the order of the runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_run_counts(&self, runs: &[u64]) -> Result<Vec<RunCounts>>;

    /// Returns the unfinished builds that are pinned to this one, in the order of their ids.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_unfinished_users(&self, id: u64) -> Result<Vec<u64>>;

    /// Returns builds in the order of their ids.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_job_builds(&self, filter: &BuildFilter) -> Result<Vec<Build>>;

    /// Counts the builds that pass a filter, regardless of its `limit` and `order`.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn count_job_builds(&self, filter: &BuildFilter) -> Result<u64>;

    /// Returns one build, with all of its parts.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the build does not exist, or an error if the store cannot be read.
    fn get_build(&self, id: u64) -> Result<Build>;

    /// Returns the attempts of a build that another attempt followed, oldest first. The build
    /// itself describes its last attempt; [`Build::attempts`] combines them.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>>;

    /// Returns the unfinished builds and runs of this owner that somebody wants to cancel. Called
    /// many times a second while the owner runs builds, so it must be cheap if there are none.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_cancel_requests(&self, owner: &str) -> Result<CancelRequests>;

    /// Returns the newest report of each group of a build, in the order of their first reports.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_build_progress_info(&self, id: u64) -> Result<Vec<Progress>>;

    /// Calls `each` for every record that passes the filter, oldest first, until it breaks.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn iter_log_messages(&self, filter: &LogFilter, each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>) -> Result<()>;

    /// Counts the log records that a [`Write::PruneLog`] would delete.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn count_prunable(&self, prune: &PruneLog) -> Result<u64>;

    /// Returns the largest id of a log record, or 0 if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_last_log_id(&self) -> Result<u64>;

    /// Returns the digests of plugins that no build was made with, apart from those in `besides`.
    /// Also returns the largest build id from before the search.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_orphaned_plugins(&self, besides: &[u64]) -> Result<(Vec<String>, u64)>;

    /// Returns the bytes of the plugin with this digest, if the store has it.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_plugin(&self, digest: &str) -> Result<Option<Vec<u8>>>;

    /// Returns all API tokens, including those that are no longer valid, in the order of their ids.
    /// Called for every request that needs a token.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_tokens(&self) -> Result<Vec<Token>>;

    /// Returns the builds that have started and not finished, without value and traceback.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_running_builds(&self) -> Result<Vec<Build>> {
        self.get_job_builds(&BuildFilter {
            started: Some(true),
            finished: Some(false),
            limit: u64::MAX >> 1,
            brief: true,
            ..BuildFilter::default()
        })
    }

    /// Returns what the store knows of each of these jobs, in their order. A job that was never
    /// built has an empty history. Builds that are being deleted, and builds with arguments that
    /// were given by hand, can only be the newest.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_job_histories(&self, jobs: &[&str]) -> Result<Vec<JobHistory>> {
        let newest = |filter: BuildFilter| {
            let filter = BuildFilter { order: Order::Desc, limit: 1, brief: true, ..filter };
            Ok(self.get_job_builds(&filter)?.into_iter().next().map(Arc::new))
        };
        let history = |job: &&str| {
            let all = BuildFilter::job(job);
            let finished =
                BuildFilter { finished: Some(true), deleting: Some(false), edited: Some(false), ..all.clone() };
            let unskipped = BuildFilter { skipped: Some(false), ..finished.clone() };
            let latest = BuildFilter { started: Some(true), success: Some(true), ..unskipped.clone() };
            Ok(JobHistory {
                ended: newest(unskipped)?,
                newest: newest(all)?,
                latest: newest(latest)?,
                last_good: newest(BuildFilter { success: Some(true), ..finished })?,
            })
        };
        jobs.iter().map(history).collect()
    }

    /// Returns the requester of each of these runs. Runs that no longer exist are left out.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_requesters(&self, runs: &[u64]) -> Result<BTreeMap<u64, Requester>> {
        let read = |id: &u64| match self.get_run(*id) {
            Ok(run) => Some(Ok((*id, run.requester))),
            Err(StorageError::NoRun(_)) => None,
            Err(error) => Some(Err(error)),
        };
        runs.iter().filter_map(read).collect()
    }

    /// Returns at most `limit` of the newest builds of each of these jobs, oldest first, in the
    /// order of the jobs.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_marks(&self, jobs: &[&str], limit: u64) -> Result<Vec<Vec<Mark>>> {
        let of = |job: &&str| {
            let newest = BuildFilter { order: Order::Desc, limit, brief: true, ..BuildFilter::job(job) };
            Ok(self.get_job_builds(&newest)?.iter().rev().map(Mark::of).collect())
        };
        jobs.iter().map(of).collect()
    }

    /// Returns how the log records of a build are distributed over time.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_log_map(&self, id: u64) -> Result<LogMap> {
        let mut records = Vec::new();
        self.iter_log_messages(&LogFilter { build_id: Some(id), ..LogFilter::default() }, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })?;
        Ok(LogMap::of(&records))
    }

    /// Returns the ids of the log records that pass a filter, oldest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_log_ids(&self, filter: &LogFilter) -> Result<Vec<u64>> {
        let mut ids = Vec::new();
        self.iter_log_messages(filter, &mut |record| {
            ids.push(record.id);
            ControlFlow::Continue(())
        })?;
        Ok(ids)
    }

    /// Submits a change and waits for its commit.
    ///
    /// # Errors
    ///
    /// Returns the error of the change.
    fn write(&self, write: Write) -> Result<u64> {
        let (sender, receiver) = mpsc::channel();
        self.submit(write, Box::new(move |answer| drop(sender.send(answer))));
        receiver.recv().unwrap_or_else(|_| Err(StorageError::Backend("the store was closed".to_owned())))
    }

    /// Creates a build of a job with its config, and returns its id.
    ///
    /// # Errors
    ///
    /// Returns `Refused` if the config cannot be packed, or an error if the store cannot be
    /// written.
    fn create_build(&self, job_id: &str, config: &Value) -> Result<u64> {
        let edited = config::is_edited(config);
        let config = self.pack(config).map_err(|e| StorageError::Refused(format!("the build config: {e}")))?;
        let (job_id, created) = (Arc::from(job_id), self.clock().now());
        self.write(Write::CreateBuild(NewBuild {
            job_id,
            config: config.into(),
            edited,
            created,
            ..NewBuild::default()
        }))
    }

    /// Records that an attempt begins.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the build does not exist, or an error if the store cannot be written.
    fn start_build(&self, id: u64) -> Result<()> {
        let time = self.clock().now();
        self.write(Write::StartBuild(StartBuild { id, guard: None, owner: None, pool_size: None, time })).map(drop)
    }

    /// Records that a build ended. If the return value cannot be packed, the build fails.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the build does not exist, or an error if the store cannot be written.
    fn finish_build(&self, id: u64, finish: Finish) -> Result<()> {
        let packed = pack_finish(id, None, self.clock().now(), finish);
        self.write(Write::FinishBuild(packed)).map(drop)
    }

    /// Records that a build failed.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the build does not exist, or an error if the store cannot be written.
    fn finish_build_with_exception(&self, id: u64, failure: Failure) -> Result<()> {
        self.finish_build(id, Finish { success: Some(false), exception: Some(failure), ..Finish::default() })
    }

    /// Records the newest progress of a group. `group` contains its levels, or one `::` string.
    ///
    /// # Errors
    ///
    /// Returns `Refused` if the columns cannot hold the values, `NotFound` if the build does not
    /// exist, or an error if the store cannot be written.
    fn report_build_progress(&self, id: u64, group: &[&str], current: u64, total: u64, status: &str) -> Result<()> {
        let report = progress::checked(group, current, total, status).map_err(StorageError::Refused)?;
        self.write(Write::Progress(id, report)).map(drop)
    }

    /// Records the newest progress of the whole build.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Storage::report_build_progress`].
    fn update_build_progress(&self, id: u64, current: u64, total: u64) -> Result<()> {
        self.report_build_progress(id, &[], current, total, "")
    }

    /// Deletes a build with its progress and its log.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the build does not exist, `Refused` if an unfinished build is pinned
    /// to it, or an error if the store cannot be written.
    fn delete_build(&self, id: u64) -> Result<()> {
        self.write(Write::DeleteBuild(id)).map(drop)
    }

    /// Returns the newest build that started, finished, succeeded, was not skipped, is not being
    /// deleted, and had no arguments that were given by hand.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    fn get_latest_successful_build(&self, job_id: &str) -> Result<Option<Build>> {
        Ok(self.get_job_builds(&BuildFilter::latest_success(job_id))?.into_iter().next())
    }

    /// Stores a log record.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the build does not exist, or an error if the store cannot be written.
    fn log_message(&self, id: u64, record: NewRecord) -> Result<()> {
        self.write(Write::Log(id, pack_record(record))).map(drop)
    }

    /// Deletes log records at or below `level` and older than `max_age` seconds. Returns their
    /// number.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
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

    /// Packs a value for the store.
    ///
    /// # Errors
    ///
    /// Returns an error if MessagePack or the store cannot hold the value.
    fn pack(&self, value: &Value) -> std::result::Result<Vec<u8>, PackError> {
        value::pack(value)
    }

    /// Reads a packed value. If it cannot be read and `safe` is set, returns a text that says why.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a packed value and `safe` is not set.
    fn unpack(&self, bytes: &[u8], safe: bool) -> std::result::Result<Value, PackError> {
        match value::unpack(bytes) {
            Err(error) if safe => Ok(Value::String(format!("could not be read: {error}"))),
            result => result,
        }
    }

    /// Packs a failure and its traceback for the store. Never fails: what cannot be packed is left
    /// out, and the message says so.
    fn pack_exception(&self, failure: Failure) -> PackedFailure {
        pack_failure(failure)
    }
}
