//! The changes to a store. Values are already packed, so that a writer only has to write them.

use std::sync::Arc;

use crate::build::Pin;
use crate::clock::Timestamp;
use crate::pool::PoolUse;
use crate::progress::Progress;
use crate::run::Missed;
use crate::run::RunStatus;
use crate::storage::service::ClaimRun;
use crate::storage::service::NewReload;
use crate::storage::service::ScheduleState;
use crate::storage::service::Tried;
use crate::token::NewToken;
use crate::usage::Usage;

/// A change to the store. Values are already packed, so that a writer only has to write them.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Creates a run. The result is the run's id.
    CreateRun(NewRun),
    /// Ends a run. Ending it again changes nothing.
    EndRun(EndRun),
    /// Asks the owner of a run to end it and all of its builds that have not ended. The text names
    /// the requester.
    CancelRun(u64, Arc<str>),
    /// Deletes runs that ended before this moment and have no builds, at most 1,000 at once. The
    /// result is their number. Also deletes the reloads from before that moment.
    PruneRuns(Timestamp),
    /// Makes a process take over an open run. The result is 1 if it now owns the run, 2 if the run
    /// may already have builds, and 0 if another process was faster.
    ClaimRun(ClaimRun),
    /// Hands an open run, with its builds that have not started, over to any service. The text is
    /// the name of the process, which is stopping.
    ReleaseRun(u64, Arc<str>),
    /// Lets a run start that was created as held back.
    StartRun(u64),
    /// Records that the files were read again. The result is the id of the row.
    Reload(NewReload),
    /// Advances a schedule. The result is 1 if it was advanced.
    StepSchedule(StepSchedule),
    /// Records that the receivers were notified of how a run of a schedule ended.
    Told(u64),
    /// Records that `on: change` is about to build jobs, each in its current state.
    Tried(Vec<Tried>),
    /// Creates a build. The result is the build's id.
    CreateBuild(NewBuild),
    /// Starts an attempt.
    StartBuild(StartBuild),
    /// Records which worker runs an attempt.
    Assign(Assign),
    /// Ends an attempt that another one is to follow.
    RetryBuild(RetryBuild),
    /// Ends a build.
    FinishBuild(FinishBuild),
    /// Adds names and lines to the calls of a failure that was stored without them. Accepted once
    /// for each attempt: nothing changes if they are already stored, or if the attempt has not
    /// failed. The result is 1 if they were accepted.
    Traceback(Traceback),
    /// Asks the owner of a build that has not ended to end it. The text names the requester.
    CancelBuild(u64, Arc<str>),
    /// Stores the newest progress report of a group.
    Progress(u64, Progress),
    /// Stores a log record.
    Log(u64, LogRow),
    /// Marks a build for deletion: from now on nothing can be pinned to it. Refused under the same
    /// conditions as [`Write::DeleteBuild`]. Repeating it changes nothing.
    PrepareDelete(u64),
    /// Removes the deletion mark of a build, which then stays.
    AbandonDelete(u64),
    /// Deletes a build, with its progress and log. Refused while an unfinished build is pinned to
    /// it.
    DeleteBuild(u64),
    /// Deletes log records. The result is their number.
    PruneLog(PruneLog),
    /// Deletes the plugin with this digest, unless a build with an id above this one was made with
    /// it. The caller has made sure that no build up to this id was. The result is 1 if it was
    /// deleted.
    PrunePlugin(Arc<str>, u64),
    /// Creates an API token. The result is the token's id.
    CreateToken(NewToken),
    /// Revokes a token at that moment. Repeating it changes nothing.
    RevokeToken(u64, Timestamp),
    /// Stores the bytes of a plugin, once per digest. A build can be created only while its plugin
    /// is stored.
    Plugin(Arc<str>, Arc<[u8]>),
}

/// A build to create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewBuild {
    /// The job.
    pub job_id: Arc<str>,
    /// The packed build config.
    pub config: Arc<[u8]>,
    /// Whether the config contains arguments that were given by hand.
    pub edited: bool,
    /// The run that the build belongs to.
    pub run: RunOf,
    /// The builds that it uses. Each must exist and not be marked for deletion.
    pub pins: Arc<[Pin]>,
    /// The build that it repeats.
    pub rerun_of: Option<u64>,
    /// The pool slots that it takes while it runs.
    pub pool: Option<Arc<PoolUse>>,
    /// SHA-256 of the plugin.
    pub plugin: Option<Arc<str>>,
    /// WIT text of the return value's type.
    pub retval_type: Option<Arc<str>>,
    /// When the build was created.
    pub created: Timestamp,
    /// The process that is to run it.
    pub owner: Option<Arc<str>>,
    /// If set, refuses the build with [`StorageError::Same`](crate::storage::StorageError::Same) if
    /// another build has the same job, plugin, config and pins. That can be an unfinished build of
    /// a living owner that belongs to another run and that nobody has asked to end. It can also be
    /// the job's latest success, if its id is larger than this number. The number is the latest
    /// success that was known when the build was found to be due, or 0.
    pub shared_after: Option<u64>,
    /// Whether to start the first attempt in the same change. Not allowed for a build that takes
    /// slots of a pool.
    pub start: bool,
}

/// A run to record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewRun {
    /// When the run was requested.
    pub created: Timestamp,
    /// The displayed form of its requester.
    pub requested_by: String,
    /// The priority; runs with a higher one come first.
    pub priority: i64,
    /// The process that works on the run.
    pub owner: Option<Arc<str>>,
    /// The jobs that the request named, as text for people.
    pub targets: String,
    /// The packed request.
    pub request: Vec<u8>,
    /// The packed plan, with the requests for single builds.
    pub plan: Vec<u8>,
    /// Whether any service may continue the run if it has no process, or once its process is gone.
    pub service: bool,
    /// Whether the run waits until somebody starts it.
    pub held: bool,
    /// Why there is nothing to run. If set, the run has already ended.
    pub missed: Option<Missed>,
}

/// A step of a schedule, with the runs that it starts and the rows for the runs that it leaves out,
/// in one change.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSchedule {
    /// The job.
    pub job: Arc<str>,
    /// How far the schedule was, as far as this process knows. If the store disagrees, another
    /// process was faster: the result is 0, and nothing changes.
    pub before: Option<Timestamp>,
    /// How far the schedule is now.
    pub state: ScheduleState,
    /// The runs that are due. They are created in this order.
    pub runs: Vec<NewRun>,
    /// Runs that were missed or skipped, as one row for each reason. Such a row ends as soon as it
    /// is created. If the schedule's newest row has the same status and reason, that row is
    /// extended instead.
    pub missed: Vec<NewRun>,
}

/// The run that a new build belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RunOf {
    /// No run: the build is created by hand.
    #[default]
    Nothing,
    /// This run, which has not ended.
    Run(u64),
    /// A new run that is recorded together with the build. The build is the only one of the run.
    New(Arc<NewRun>),
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct EndRun {
    /// The run.
    pub id: u64,
    /// The time.
    pub time: Timestamp,
    /// How the run ended.
    pub status: RunStatus,
    /// Why jobs have no build, or which build of another run they used, packed. Only if this does
    /// not follow from the builds and the plan.
    pub refused: Option<Vec<u8>>,
}

/// The start of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct StartBuild {
    /// The build.
    pub id: u64,
    /// The attempt before this one, which makes this a retry: the progress of that attempt is
    /// deleted. `None` to start a build regardless of its state.
    pub guard: Option<Guard>,
    /// The process that runs the attempt.
    pub owner: Option<Arc<str>>,
    /// How many slots the pool of the build has. If set, the attempt starts only if the slots that
    /// running builds hold leave room for it. Slots of dead owners are free.
    pub pool_size: Option<u32>,
    /// The time.
    pub time: Timestamp,
}

/// A condition for changing a build: only the owner of that attempt may do so, while the build has
/// not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The process that runs the attempt; `None` for a build that has not started.
    pub owner: Option<Arc<str>>,
    /// The newest attempt; 0 for a build that has not started.
    pub attempt: u32,
}

/// The worker that runs an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {
    /// The build.
    pub id: u64,
    /// The attempt and its owner.
    pub guard: Guard,
    /// The name of the worker; `None` if it gave the attempt back.
    pub worker: Option<Arc<str>>,
}

/// The end of an attempt that another one is to follow. An attempt that has already ended is left
/// unchanged, so that another process can take over a waiting build.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryBuild {
    /// The build.
    pub id: u64,
    /// The attempt and its owner.
    pub guard: Guard,
    /// When the attempt ended.
    pub time: Timestamp,
    /// Why the attempt failed.
    pub exception: PackedFailure,
    /// When the next attempt is due.
    pub due: Timestamp,
    /// The process that is to make the next attempt.
    pub owner: Arc<str>,
    /// The run that takes the build over; `Nothing` if the build stays in its run.
    pub run: RunOf,
    /// The resources that the attempt used.
    pub usage: Option<Usage>,
}

/// The end of a build.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishBuild {
    /// The build.
    pub id: u64,
    /// The attempt that is ending, with its owner; `None` to end the build regardless of its state.
    pub guard: Option<Guard>,
    /// The time.
    pub time: Timestamp,
    /// Whether the build succeeded.
    pub success: bool,
    /// Whether there was nothing to do.
    pub skipped: bool,
    /// Why, if there was nothing to do.
    pub skip_reason: Option<String>,
    /// The resources that the last attempt used.
    pub usage: Option<Usage>,
    /// Whether the run of the build ends with it. The run is then successful if the build is.
    pub ends_run: bool,
    /// The packed return value.
    pub retval: Option<Vec<u8>>,
    /// SHA-256 of `retval`.
    pub retval_digest: Option<String>,
    /// The failure, if there was one.
    pub exception: Option<Box<PackedFailure>>,
}

/// The names and lines of the calls of a failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Traceback {
    /// The build.
    pub id: u64,
    /// The attempt that failed.
    pub attempt: u32,
    /// The packed traceback.
    pub exception_tb: Vec<u8>,
}

/// A failure as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedFailure {
    /// The name of the failure's kind.
    pub kind: String,
    /// The start of its message, for lists.
    pub message: String,
    /// The packed kind, message, value and causes.
    pub exception: Vec<u8>,
    /// The packed traceback.
    pub exception_tb: Option<Vec<u8>>,
}

/// A log record to store.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// When the record was written.
    pub created: Timestamp,
    /// The level, 10 to 50.
    pub level: i64,
    /// The attempt that wrote it; `None` for the build's newest attempt.
    pub attempt: Option<u32>,
    /// The text.
    pub message: String,
    /// The logger's name; empty for the root logger.
    pub target: String,
    /// The packed fields and failure; `None` if the record has neither.
    pub record: Option<Vec<u8>>,
    /// The packed traceback of the failure.
    pub exception_tb: Option<Vec<u8>>,
}

/// Which log records to delete: those that match every part that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneLog {
    /// Only records of this job's builds.
    pub job_id: Option<String>,
    /// Only records of this build.
    pub build_id: Option<u64>,
    /// Only records written before this moment.
    pub before: Option<Timestamp>,
    /// Only records at or below this level.
    pub level: Option<i64>,
    /// Only records above this level.
    pub above: Option<i64>,
    /// Only records with an id above the first number and up to the second. Deleting in such ranges
    /// lets others write in between.
    pub ids: Option<(u64, u64)>,
}
