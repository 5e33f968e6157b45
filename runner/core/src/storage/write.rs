//! The changes to a store. Values come packed, so that a writer only writes.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::progress::Progress;

/// A change to the store. Values come packed, so that a writer only writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A new build; answered with its id.
    CreateBuild(NewBuild),
    /// An attempt begins.
    StartBuild(StartBuild),
    /// An attempt ended, and another is to follow.
    RetryBuild(RetryBuild),
    /// A build ends.
    FinishBuild(FinishBuild),
    /// Somebody, by this name, wants a build that has not ended to end; its owner sees to it.
    CancelBuild(u64, Arc<str>),
    /// The newest report of a group.
    Progress(u64, Progress),
    /// A log record.
    Log(u64, LogRow),
    /// A build is about to go: from now on nothing can be pinned to it. Refused as [`Write::DeleteBuild`] is; doing it
    /// again changes nothing.
    PrepareDelete(u64),
    /// A build that was about to go stays.
    AbandonDelete(u64),
    /// A build goes, with its progress and log. Refused while an unfinished build is pinned to it.
    DeleteBuild(u64),
    /// Log records go; answered with their number.
    PruneLog(PruneLog),
    /// The plugin of a digest goes, unless a build with an id above this one was made with it: who says so knows of the
    /// builds up to there that they were not. Answered with 1 if it went.
    PrunePlugin(Arc<str>, u64),
    /// The bytes of a plugin, kept once per digest. A build can be created only while its plugin is kept.
    Plugin(Arc<str>, Arc<[u8]>),
}

/// A build to be created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewBuild {
    /// The job.
    pub job_id: Arc<str>,
    /// The packed build config.
    pub config: Arc<[u8]>,
    /// The builds that the config says it is pinned to. Each must be there, and not about to be deleted.
    pub pins: Arc<[u64]>,
    /// SHA-256 of the plugin.
    pub plugin: Option<Arc<str>>,
    /// WIT text of the return value's type.
    pub retval_type: Option<Arc<str>>,
    /// When it is created.
    pub created: Timestamp,
    /// Starts it in the same moment, as this owner's first attempt.
    pub start: Option<Arc<str>>,
}

/// An attempt that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct StartBuild {
    /// The build.
    pub id: u64,
    /// After which attempt, which makes this a retry: the progress of that attempt goes. None to start a build
    /// whatever its state is.
    pub guard: Option<Guard>,
    /// The process that runs it.
    pub owner: Option<Arc<str>>,
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

/// An attempt that ended, with the next one to follow. An attempt that had ended before is left as it was, so that
/// another process can take over a build that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryBuild {
    /// The build.
    pub id: u64,
    /// Whose attempt it was.
    pub guard: Guard,
    /// When it ended.
    pub time: Timestamp,
    /// The packed failure.
    pub exception: Vec<u8>,
    /// The packed traceback.
    pub exception_tb: Option<Vec<u8>>,
    /// When the next attempt is due.
    pub due: Timestamp,
    /// The process that is to make it.
    pub owner: Arc<str>,
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
    /// The packed return value.
    pub retval: Option<Vec<u8>>,
    /// SHA-256 of `retval`.
    pub retval_digest: Option<String>,
    /// The packed failure.
    pub exception: Option<Vec<u8>>,
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
    /// Message, target, fields and failure, packed.
    pub record: Vec<u8>,
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
    /// Only those with an id above the first and up to the second, so that others can write in between.
    pub ids: Option<(u64, u64)>,
}
