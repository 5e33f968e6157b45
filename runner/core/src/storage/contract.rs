//! What every store does.

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
/// of rows for what deletes. Called after the commit, possibly on the writer's thread, so it must
/// not wait.
pub type Completion = Box<dyn FnOnce(Result<u64>) + Send>;

/// A store of runs, builds, their progress and their log.
///
/// Methods may be called from any thread. Those that read do not wait for writers;
/// [`Storage::submit`] and what is built on it may wait, so that they do not belong on a thread
/// that guests run on.
///
/// # The interface of the seed
///
/// The Python library that jobcontrol descends from has these methods, which are kept by name and
/// meaning for programs that use a store through this trait: `create_build`, `start_build`,
/// `finish_build`, `finish_build_with_exception`, `report_build_progress`, `update_build_progress`,
/// `log_message`, `unpack` and `uninstall`. The runner itself hands over [`Write`]s instead, with
/// guards and already packed.
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

    /// Hands a change over, waiting while too many wait. Changes are applied in the order of their
    /// submission, and `done` is called after the change is durable.
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

    /// Takes a lease for `owner`, a name that no process had before. It lives until it is released,
    /// or until this process dies, however it dies. Called once by each process that runs
    /// builds, before its first write.
    ///
    /// # Errors
    ///
    /// The name is taken, or the backend's.
    fn claim(&self, owner: &str) -> Result<()>;

    /// Keeps a lease alive. Called every second or so by the process that claimed it; repairs what
    /// others removed.
    ///
    /// # Errors
    ///
    /// The backend's. The lease may be lost then.
    fn renew(&self, owner: &str) -> Result<()>;

    /// Whether a lease is alive. Called before anything is shown of, or done to, what the owner has
    /// not finished. An owner of whom nothing is known is dead.
    ///
    /// # Errors
    ///
    /// The backend's; the owner may be alive then.
    fn is_alive(&self, owner: &str) -> Result<bool>;

    /// Gives a lease back; does nothing if it is gone. What a dead owner left of its lease is
    /// removed by it too.
    fn release(&self, owner: &str);

    /// Keeps the end of a run, or of a build that failed, which an owner could not write, in short,
    /// where there is room for it all the same.
    ///
    /// # Errors
    ///
    /// There is no such place, or nothing can be written there either.
    fn keep_end(&self, owner: &str, end: &Write) -> Result<()> {
        let _ = (owner, end);
        Err(StorageError::Refused("there is no place for it".to_owned()))
    }

    /// Writes what [`Storage::keep_end`] has kept, in whichever process; does nothing where there
    /// is none.
    ///
    /// # Errors
    ///
    /// The backend's; what was not written stays kept.
    fn write_kept_ends(&self) -> Result<()> {
        Ok(())
    }

    /// How many commits this process has made. Any thread may ask at any time; the answer is there
    /// at once. None where nothing is committed, or where nobody counts.
    fn commits(&self) -> Option<Commits> {
        None
    }

    /// A number that changes whenever anybody has changed the store: a cheap look, for who watches
    /// the builds of others.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn data_version(&self) -> Result<u64>;

    /// One run, whole.
    ///
    /// # Errors
    ///
    /// `NoRun`, or the backend's.
    fn get_run(&self, id: u64) -> Result<Run>;

    /// Runs, newest first, with their plans.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_runs(&self, filter: &RunFilter) -> Result<Vec<Run>>;

    /// The open runs that wait for a service, without those that are held back: by priority,
    /// highest first, then by id. Called by each service whenever the store has changed, so it
    /// must be cheap however many wait.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_waiting_runs(&self, limit: u64) -> Result<Vec<u64>>;

    /// The runs of schedules that have ended other than well, oldest first, and of which nobody has
    /// been told.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_untold_runs(&self) -> Result<Vec<u64>>;

    /// The processes that work on open runs which any service may go on with, each once.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_open_owners(&self) -> Result<Vec<String>>;

    /// Reloads, newest first: those with an id below `before`, if that is given.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_reloads(&self, before: Option<u64>, limit: u64) -> Result<Vec<ReloadRow>>;

    /// How far each schedule has been seen to, in the order of the jobs' ids.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_schedules(&self) -> Result<Vec<ScheduleState>>;

    /// What `on: change` last tried of each of these jobs, in their order.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_tried(&self, jobs: &[&str]) -> Result<Vec<Option<String>>>;

    /// Whether `owner`, which holds a lease, leads: of all services of a store one does, until its
    /// lease ends. Called every second or so by each service; the first one to ask after a
    /// leader's end becomes the leader.
    ///
    /// # Errors
    ///
    /// The backend's; the caller does not lead then.
    fn lead(&self, owner: &str) -> Result<bool>;

    /// How many builds of each of these runs are how far, in the order of the runs.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_run_counts(&self, runs: &[u64]) -> Result<Vec<RunCounts>>;

    /// The unfinished builds that are pinned to this one, in the order of their ids.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_unfinished_users(&self, id: u64) -> Result<Vec<u64>>;

    /// Builds in order of their ids.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_job_builds(&self, filter: &BuildFilter) -> Result<Vec<Build>>;

    /// How many builds a filter lets through, whatever its `limit` and `order` are.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn count_job_builds(&self, filter: &BuildFilter) -> Result<u64>;

    /// One build, whole.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn get_build(&self, id: u64) -> Result<Build>;

    /// The attempts of a build that ended with another to follow, oldest first. The one that came
    /// after all of them is told by the build itself; [`Build::attempts`] puts them together.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>>;

    /// The unfinished builds and runs of this owner that somebody wants to end. Called many times a
    /// second while the owner runs builds, so it must be cheap where there are none.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_cancel_requests(&self, owner: &str) -> Result<CancelRequests>;

    /// The newest report of each group of a build, in the order of their first reports.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_build_progress_info(&self, id: u64) -> Result<Vec<Progress>>;

    /// Calls `each` for every record that the filter lets through, oldest first, until it breaks.
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

    /// Digests of plugins that no build was made with but those of `besides`, and the largest id
    /// that a build had before they were looked for.
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

    /// All tokens of the API, those that are good no longer included, in the order of their ids.
    /// Called for every request that needs one.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_tokens(&self) -> Result<Vec<Token>>;

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

    /// What the store knows of each of these jobs, in their order: one that was never built has an
    /// empty history. Builds that are being deleted, and those with arguments that were given
    /// by hand, count as the newest at most.
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

    /// Who or what asked for each of these runs; those that are gone are left out.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_requesters(&self, runs: &[u64]) -> Result<BTreeMap<u64, Requester>> {
        let read = |id: &u64| match self.get_run(*id) {
            Ok(run) => Some(Ok((*id, run.requester))),
            Err(StorageError::NoRun(_)) => None,
            Err(error) => Some(Err(error)),
        };
        runs.iter().filter_map(read).collect()
    }

    /// The newest builds of each of these jobs, `limit` at most, oldest first, in the order of the
    /// jobs.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_marks(&self, jobs: &[&str], limit: u64) -> Result<Vec<Vec<Mark>>> {
        let of = |job: &&str| {
            let newest = BuildFilter { order: Order::Desc, limit, brief: true, ..BuildFilter::job(job) };
            Ok(self.get_job_builds(&newest)?.iter().rev().map(Mark::of).collect())
        };
        jobs.iter().map(of).collect()
    }

    /// Where the log records of a build lie in time.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_log_map(&self, id: u64) -> Result<LogMap> {
        let mut records = Vec::new();
        self.iter_log_messages(&LogFilter { build_id: Some(id), ..LogFilter::default() }, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })?;
        Ok(LogMap::of(&records))
    }

    /// The ids of the log records that a filter lets through, oldest first.
    ///
    /// # Errors
    ///
    /// The backend's.
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
    /// The change's own.
    fn write(&self, write: Write) -> Result<u64> {
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
    /// `NotFound`, or the backend's.
    fn start_build(&self, id: u64) -> Result<()> {
        let time = self.clock().now();
        self.write(Write::StartBuild(StartBuild { id, guard: None, owner: None, pool_size: None, time })).map(drop)
    }

    /// Records that a build ended. What cannot be packed becomes a placeholder, and fails the
    /// build.
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

    /// The newest build that started, finished, succeeded, was not skipped, is not being deleted,
    /// and had no arguments that were given by hand.
    ///
    /// # Errors
    ///
    /// The backend's.
    fn get_latest_successful_build(&self, job_id: &str) -> Result<Option<Build>> {
        Ok(self.get_job_builds(&BuildFilter::latest_success(job_id))?.into_iter().next())
    }

    /// Stores a log record.
    ///
    /// # Errors
    ///
    /// `NotFound`, or the backend's.
    fn log_message(&self, id: u64, record: NewRecord) -> Result<()> {
        self.write(Write::Log(id, pack_record(record))).map(drop)
    }

    /// Deletes log records at or below `level` and older than `max_age` seconds; answers their
    /// number.
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

    /// Packs a failure and its traceback as they are stored. Never fails: what cannot be packed is
    /// left out, and the message says so.
    fn pack_exception(&self, failure: Failure) -> PackedFailure {
        pack_failure(failure)
    }
}
