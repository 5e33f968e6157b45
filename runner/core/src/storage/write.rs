//! The changes to a store. Values come packed, so that a writer only writes.

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

/// A change to the store. Values come packed, so that a writer only writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A new run; its result is the run's id.
    CreateRun(NewRun),
    /// A run ends. Ending it again changes nothing.
    EndRun(EndRun),
    /// Somebody, by this name, wants a run and each of its builds that have not ended to end; their
    /// owner sees to it.
    CancelRun(u64, Arc<str>),
    /// Runs that ended before this moment and have no builds go; the result is their number, 1,000
    /// at most. The reloads before that moment go as well.
    PruneRuns(Timestamp),
    /// A process takes over an open run. The result is 1 if it has the run now, 2 if the run may
    /// have builds already, and 0 if another process was faster.
    ClaimRun(ClaimRun),
    /// The process by this name, which stops, leaves an open run to any service, with its builds
    /// that have not started.
    ReleaseRun(u64, Arc<str>),
    /// A run that was created to be held back may start.
    StartRun(u64),
    /// The files were read again; the result is the id of the row.
    Reload(NewReload),
    /// A schedule goes on; the result is 1 if it did.
    StepSchedule(StepSchedule),
    /// Those who are to know how a run of a schedule ended have been told.
    Told(u64),
    /// `on: change` is about to build jobs, each as it stands now.
    Tried(Vec<Tried>),
    /// A new build; its result is the build's id.
    CreateBuild(NewBuild),
    /// An attempt begins.
    StartBuild(StartBuild),
    /// An attempt ended, and another is to follow.
    RetryBuild(RetryBuild),
    /// A build ends.
    FinishBuild(FinishBuild),
    /// Names and lines of the calls of a failure that was stored without. Taken once for each
    /// attempt: where they are there already, and where the attempt has not failed, nothing
    /// changes. The result is 1 if they were taken.
    Traceback(Traceback),
    /// Somebody, by this name, wants a build that has not ended to end; its owner sees to it.
    CancelBuild(u64, Arc<str>),
    /// The newest report of a group.
    Progress(u64, Progress),
    /// A log record.
    Log(u64, LogRow),
    /// A build is about to go: from now on nothing can be pinned to it. Refused as
    /// [`Write::DeleteBuild`] is; doing it again changes nothing.
    PrepareDelete(u64),
    /// A build that was about to go stays.
    AbandonDelete(u64),
    /// A build goes, with its progress and log. Refused while an unfinished build is pinned to it.
    DeleteBuild(u64),
    /// Log records go; the result is their number.
    PruneLog(PruneLog),
    /// The plugin of a digest goes, unless a build with an id above this one was made with it: who
    /// says so knows of the builds up to there that they were not. The result is 1 if it went.
    PrunePlugin(Arc<str>, u64),
    /// A new token of the API; its result is the token's id.
    CreateToken(NewToken),
    /// A token ends at that moment. Doing it again changes nothing.
    RevokeToken(u64, Timestamp),
    /// The bytes of a plugin, kept once per digest. A build can be created only while its plugin is
    /// kept.
    Plugin(Arc<str>, Arc<[u8]>),
}

/// A build to be created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewBuild {
    /// The job.
    pub job_id: Arc<str>,
    /// The packed build config.
    pub config: Arc<[u8]>,
    /// Whether that has arguments that were given by hand.
    pub edited: bool,
    /// The run that it belongs to.
    pub run: RunOf,
    /// The builds that it uses. Each must be there, and not about to be deleted.
    pub pins: Arc<[Pin]>,
    /// The build that it does again.
    pub rerun_of: Option<u64>,
    /// What it takes of a pool while it runs.
    pub pool: Option<Arc<PoolUse>>,
    /// SHA-256 of the plugin.
    pub plugin: Option<Arc<str>>,
    /// WIT text of the return value's type.
    pub retval_type: Option<Arc<str>>,
    /// When it is created.
    pub created: Timestamp,
    /// The process that is to run it.
    pub owner: Option<Arc<str>>,
    /// Refuses the build with [`StorageError::Same`](crate::storage::StorageError::Same) where it
    /// would be the same as another one (job, plugin, config and pins): an unfinished one of a
    /// living owner that belongs to another run and that nobody has asked to end, or the job's
    /// latest success, if its id is larger than this one: the latest that was known when the
    /// build was found to be due, or 0.
    pub shared_after: Option<u64>,
    /// Starts its first attempt in the same moment. Not for a build that takes slots of a pool.
    pub start: bool,
}

/// A run to be recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewRun {
    /// When it was asked for.
    pub created: Timestamp,
    /// Who or what asked for it, as a requester displays itself.
    pub requested_by: String,
    /// Higher comes first.
    pub priority: i64,
    /// The process that works on it.
    pub owner: Option<Arc<str>>,
    /// The jobs that were named, for people.
    pub targets: String,
    /// What was asked for, packed.
    pub request: Vec<u8>,
    /// The packed plan, with what was asked of single builds.
    pub plan: Vec<u8>,
    /// Whether any service may go on with it once its process is gone, or it has none.
    pub service: bool,
    /// Whether it waits until somebody starts it.
    pub held: bool,
    /// Why there is nothing to run; the run has ended then.
    pub missed: Option<Missed>,
}

/// A step of a schedule, with the runs that it starts and the row of those that it leaves out, in
/// one change.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSchedule {
    /// The job.
    pub job: Arc<str>,
    /// How far the schedule was, as far as this process knows. If the store has something else,
    /// another process was faster: the result is 0, and nothing changes.
    pub before: Option<Timestamp>,
    /// How far it is now.
    pub state: ScheduleState,
    /// The runs that are due. They are created in this order.
    pub runs: Vec<NewRun>,
    /// Runs that were missed or skipped, as one row for each reason, which ends as soon as it is
    /// created. A row of the same status and reason that is the schedule's newest one is
    /// extended instead.
    pub missed: Vec<NewRun>,
}

/// The run that a new build belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RunOf {
    /// None: it is created by hand.
    #[default]
    Nothing,
    /// This one, which has not ended.
    Run(u64),
    /// One that is recorded together with the build, which is all of it.
    New(Arc<NewRun>),
}

/// A run that ends.
#[derive(Clone, Debug, PartialEq)]
pub struct EndRun {
    /// The run.
    pub id: u64,
    /// When.
    pub time: Timestamp,
    /// How.
    pub status: RunStatus,
    /// Why jobs have no build, or which of another run, packed, where builds and plan do not tell.
    pub refused: Option<Vec<u8>>,
}

/// An attempt that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct StartBuild {
    /// The build.
    pub id: u64,
    /// After which attempt, which makes this a retry: the progress of that attempt goes. None to
    /// start a build whatever its state is.
    pub guard: Option<Guard>,
    /// The process that runs it.
    pub owner: Option<Arc<str>>,
    /// How many slots the pool of the build has. With a size, an attempt starts only if the slots
    /// that running builds hold leave room for it; slots of owners that are dead are free.
    pub pool_size: Option<u32>,
    /// When.
    pub time: Timestamp,
}

/// Who may change a build: the owner of that attempt, while the build has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The process that runs it; none for a build that has not started.
    pub owner: Option<Arc<str>>,
    /// The newest attempt; 0 for a build that has not started.
    pub attempt: u32,
}

/// An attempt that ended, with the next one to follow. An attempt that had ended before is left as
/// it was, so that another process can take over a build that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryBuild {
    /// The build.
    pub id: u64,
    /// Whose attempt it was.
    pub guard: Guard,
    /// When it ended.
    pub time: Timestamp,
    /// Why it failed.
    pub exception: PackedFailure,
    /// When the next attempt is due.
    pub due: Timestamp,
    /// The process that is to make it.
    pub owner: Arc<str>,
    /// The run that takes the build over; nothing where it stays in its own.
    pub run: RunOf,
    /// What the attempt used.
    pub usage: Option<Usage>,
}

/// A build that ends.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishBuild {
    /// The build.
    pub id: u64,
    /// Who says so; none to end it whatever its state is.
    pub guard: Option<Guard>,
    /// When.
    pub time: Timestamp,
    /// Whether it ended well.
    pub success: bool,
    /// Whether there was nothing to do.
    pub skipped: bool,
    /// Why, if there was nothing to do.
    pub skip_reason: Option<String>,
    /// What the last attempt used.
    pub usage: Option<Usage>,
    /// Whether the run of the build ends with it, successful if the build is.
    pub ends_run: bool,
    /// The packed return value.
    pub retval: Option<Vec<u8>>,
    /// SHA-256 of `retval`.
    pub retval_digest: Option<String>,
    /// The failure.
    pub exception: Option<Box<PackedFailure>>,
}

/// Names and lines of the calls of a failed attempt.
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
    /// The text of its kind.
    pub kind: String,
    /// The start of its message, for lists.
    pub message: String,
    /// Kind, message, value and causes, packed.
    pub exception: Vec<u8>,
    /// The packed traceback.
    pub exception_tb: Option<Vec<u8>>,
}

/// A log record to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// When it was written.
    pub created: Timestamp,
    /// 10 to 50.
    pub level: i64,
    /// The attempt that wrote it; none for the build's newest.
    pub attempt: Option<u32>,
    /// The text.
    pub message: String,
    /// The logger's name; empty for the root logger.
    pub target: String,
    /// Fields and failure, packed; none where there are none.
    pub record: Option<Vec<u8>>,
    /// The packed traceback of the failure.
    pub exception_tb: Option<Vec<u8>>,
}

/// Which log records go: those that fit every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneLog {
    /// Only those of this job's builds.
    pub job_id: Option<String>,
    /// Only those of this build.
    pub build_id: Option<u64>,
    /// Only those written before this moment.
    pub before: Option<Timestamp>,
    /// Only those at or below this level.
    pub level: Option<i64>,
    /// Only those above this level.
    pub above: Option<i64>,
    /// Only those with an id above the first and up to the second, so that others can write in
    /// between.
    pub ids: Option<(u64, u64)>,
}
