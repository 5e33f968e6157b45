//! Reads from the store what happened to builds: to builds of other processes, and after events
//! were lost.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;

/// Which builds to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of this process.
    Ours,
    /// Those of all other processes.
    Others,
}

/// What was shown of a build so far.
#[derive(Default)]
struct Known {
    started: bool,
    attempt: u32,
    /// The newest log record.
    log: u64,
    progress: Vec<Progress>,
    finished: bool,
}

/// Follows the builds of some jobs, or of all.
pub(super) struct Follower {
    storage: Arc<dyn Storage>,
    owner: Arc<str>,
    /// `None` for all jobs.
    jobs: Option<BTreeSet<String>>,
    known: BTreeMap<u64, Known>,
    /// The builds up to this one were seen, or were there before.
    newest: u64,
    /// The log records up to this one were there before.
    log: u64,
    version: Option<u64>,
}

impl Follower {
    /// Creates a follower of what happens from now on.
    pub(super) fn new(storage: Arc<dyn Storage>, owner: Arc<str>, jobs: Option<BTreeSet<String>>) -> Self {
        let last = BuildFilter { order: Order::Desc, limit: 1, brief: true, ..BuildFilter::default() };
        let newest = storage.get_job_builds(&last).ok().and_then(|builds| Some(builds.first()?.id)).unwrap_or(0);
        let log = storage.get_last_log_id().unwrap_or(0);
        // Builds that run now may end before the first look.
        let running = storage.get_running_builds().unwrap_or_default();
        let is_meant = |build: &&Build| jobs.as_ref().is_none_or(|jobs| jobs.contains(&build.job_id));
        // A follower of all builds knows those that run now. A follower of some jobs shows them as
        // they are.
        let so_far = |build: &Build| match jobs {
            None => Known { log, started: true, attempt: build.attempt, ..Known::default() },
            Some(_) => Known { log, ..Known::default() },
        };
        let known = running.iter().filter(is_meant).map(|build| (build.id, so_far(build))).collect();
        Self { storage, owner, jobs, known, newest, log, version: None }
    }

    /// Records what was seen without a look at the store.
    pub(super) fn note(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::Shared | EventKind::Compiling { .. }) {
            // The build belongs to another process, and is followed as such.
            return;
        }
        let known = self.known.entry(event.build_id).or_default();
        match &event.kind {
            EventKind::Started | EventKind::TakenOver { .. } => {
                known.started = true;
                known.attempt = known.attempt.max(1);
            }
            EventKind::AttemptStarted { attempt, .. } => known.attempt = *attempt,
            EventKind::Logged { id, .. } => known.log = known.log.max(*id),
            EventKind::Progressed(reports) => reports.iter().for_each(|report| {
                known.progress.retain(|other| other.group_name != report.group_name);
                known.progress.push(report.clone());
            }),
            EventKind::Finished { .. } => known.finished = true,
            EventKind::Created
            | EventKind::Compiling { .. }
            | EventKind::Shared
            | EventKind::Waits { .. }
            | EventKind::AttemptFailed { .. } => {}
        }
    }

    /// Returns what has happened since the last look, if the store has changed since then.
    pub(super) fn look(&mut self, whose: Whose) -> Result<Vec<Event>> {
        let version = self.storage.data_version()?;
        if whose == Whose::Others && self.version.replace(version) == Some(version) {
            return Ok(Vec::new());
        }
        let every = BuildFilter { limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
        let mut builds = self.storage.get_job_builds(&BuildFilter { finished: Some(false), ..every.clone() })?;
        builds.extend(self.storage.get_job_builds(&BuildFilter { after: Some(self.newest), ..every })?);
        let listed: BTreeSet<u64> = builds.iter().map(|build| build.id).collect();
        let gone = self.known.iter().filter(|(id, known)| !known.finished && !listed.contains(id));
        let gone: Vec<u64> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            match self.storage.get_build(id) {
                Ok(build) => builds.push(build),
                Err(StorageError::NotFound(_)) => drop(self.known.remove(&id)),
                Err(error) => return Err(error),
            }
        }
        builds.sort_unstable_by_key(|build| build.id);
        builds.dedup_by_key(|build| build.id);
        let mut events = Vec::new();
        for build in builds {
            let ours = build.owner.as_deref() == Some(&*self.owner);
            let is_meant = match &self.jobs {
                Some(jobs) => jobs.contains(&build.job_id) && build.owner.is_some(),
                None => true,
            };
            if ours == (whose == Whose::Ours) && is_meant {
                self.follow(&build, &mut events)?;
            } else if self.jobs.is_none() {
                // Its events are published elsewhere, or looked for if they are lost.
                let log = self.log;
                self.known.entry(build.id).or_insert_with(|| Known { log, ..Known::default() });
            }
        }
        if self.jobs.is_none() {
            self.newest = self.newest.max(listed.last().copied().unwrap_or(0));
            // They are not listed again.
            self.known.retain(|id, known| !known.finished || *id > self.newest);
        }
        Ok(events)
    }

    fn follow(&mut self, build: &Build, events: &mut Vec<Event>) -> Result<()> {
        let (id, job_id): (_, Arc<str>) = (build.id, build.job_id.as_str().into());
        let is_new = self.jobs.is_none() && id > self.newest && !self.known.contains_key(&id);
        let known = self.known.entry(id).or_insert_with(|| Known { log: self.log, ..Known::default() });
        if known.finished {
            return Ok(());
        }
        let mut tell = |kind| events.push(Event { build_id: id, job_id: Arc::clone(&job_id), kind });
        if is_new && !build.started {
            tell(EventKind::Created);
        }
        if build.started && !std::mem::replace(&mut known.started, build.started) {
            tell(EventKind::Started);
        } else if build.attempt > known.attempt {
            tell(EventKind::AttemptStarted { attempt: build.attempt, of: build.max_attempts() });
        }
        known.attempt = build.attempt;
        let filter = LogFilter { build_id: Some(id), after: Some(known.log), ..LogFilter::default() };
        self.storage.iter_log_messages(&filter, &mut |record| {
            known.log = record.id;
            tell(EventKind::Logged { id: record.id, record: record.record });
            ControlFlow::Continue(())
        })?;
        let reports = self.storage.get_build_progress_info(id)?;
        let newer: Vec<_> = reports.iter().filter(|report| !known.progress.contains(report)).cloned().collect();
        known.progress = reports;
        if !newer.is_empty() {
            tell(EventKind::Progressed(newer));
        }
        if build.finished {
            known.finished = true;
            let whole = self.storage.get_build(id)?;
            let started = whole.start_time.unwrap_or(whole.created);
            let took = whole.end_time.map_or(0, |end| end.since(started));
            tell(EventKind::Finished { ending: ending(whole), took });
        }
        Ok(())
    }
}

/// Returns how a build ended.
fn ending(build: Build) -> Ending {
    match build.status() {
        BuildStatus::Skipped => Ending::Skipped(build.skip_reason.unwrap_or_default()),
        BuildStatus::Failed => {
            Ending::Failed(Failure { frames: build.exception_tb, ..build.exception.unwrap_or_default() })
        }
        _ => Ending::Returned,
    }
}
