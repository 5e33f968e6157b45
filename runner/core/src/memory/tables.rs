//! The tables of the in-memory store, and the effect of each write on them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::build::Attempt;
use crate::build::Build;
use crate::build::Pin;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::failure::FailureKind;
use crate::failure::are_raw;
use crate::memory::kept::Kept;
use crate::progress::Progress;
use crate::request::RunRequest;
use crate::run::Requester;
use crate::run::Run;
use crate::run::RunStatus;
use crate::storage::Assign;
use crate::storage::EndRun;
use crate::storage::FinishBuild;
use crate::storage::Guard;
use crate::storage::LogRow;
use crate::storage::NewBuild;
use crate::storage::NewRun;
use crate::storage::PackedFailure;
use crate::storage::PoolFull;
use crate::storage::PruneLog;
use crate::storage::Result;
use crate::storage::RetryBuild;
use crate::storage::RunOf;
use crate::storage::StartBuild;
use crate::storage::StorageError;
use crate::storage::Traceback;
use crate::storage::Write;
use crate::storage::is_raw;
use crate::storage::unpack_failure;
use crate::storage::unpack_frames;
use crate::storage::unpack_plan;
use crate::storage::unpack_refused;
use crate::usage::Usage;
use crate::value;
use crate::value::Value;

#[derive(Default)]
pub(super) struct Tables {
    pub(super) next_build: u64,
    pub(super) next_record: u64,
    pub(super) builds: BTreeMap<u64, Row>,
    pub(super) progress: BTreeMap<u64, Vec<Progress>>,
    pub(super) log: BTreeMap<u64, (u64, LogRow)>,
    pub(super) plugins: BTreeMap<String, Arc<[u8]>>,
    pub(super) next_run: u64,
    pub(super) runs: BTreeMap<u64, Run>,
    /// The owners that are alive.
    pub(super) leases: BTreeSet<String>,
    /// The data that services keep.
    pub(super) kept: Kept,
    /// Counts the changes.
    pub(super) changes: u64,
}

pub(super) struct Row {
    pub(super) new: NewBuild,
    pub(super) run: Option<u64>,
    pub(super) usage: Option<Usage>,
    /// When the first attempt started.
    pub(super) first: Option<Timestamp>,
    pub(super) start: Option<StartBuild>,
    pub(super) attempt: u32,
    /// The ended attempts that were followed by another one.
    pub(super) ended: Vec<Attempt>,
    pub(super) owner: Option<Arc<str>>,
    /// The worker that runs the newest attempt.
    pub(super) worker: Option<Arc<str>>,
    pub(super) due: Option<Timestamp>,
    pub(super) cancel: Option<Arc<str>>,
    pub(super) deleting: bool,
    pub(super) end: Option<FinishBuild>,
}

impl Row {
    /// Adds what an attempt used.
    fn use_more(&mut self, usage: Option<Usage>) {
        self.usage = match (self.usage, usage) {
            (Some(so_far), Some(more)) => Some(so_far.with(more)),
            (so_far, more) => so_far.or(more),
        };
    }

    /// Returns whether the guard's owner runs the newest attempt of this build, and the build has
    /// not ended.
    fn is_of(&self, guard: &Guard) -> bool {
        self.end.is_none() && self.owner == guard.owner && self.attempt == guard.attempt
    }
}

impl Tables {
    pub(super) fn apply(&mut self, write: Write) -> Result<u64> {
        self.changes += 1;
        match write {
            Write::CreateRun(new) => Ok(self.create_run(&new)),
            Write::EndRun(end) => self.end_run(&end),
            Write::CancelRun(id, by) => self.cancel_run(id, &by),
            Write::PruneRuns(before) => Ok(self.prune_runs(before)),
            Write::ClaimRun(claim) => self.claim_run(&claim),
            Write::ReleaseRun(id, owner) => self.release_run(id, &owner),
            Write::StartRun(id) => self.start_run(id),
            Write::Reload(new) => Ok(self.kept.reload(new)),
            Write::StepSchedule(step) => Ok(self.step_schedule(step)),
            Write::Told(id) => {
                self.kept.told.insert(id);
                Ok(0)
            }
            Write::Tried(tried) => Ok(self.kept.try_all(tried)),
            Write::CreateToken(new) => self.kept.create_token(new),
            Write::RevokeToken(id, time) => self.kept.revoke_token(id, time),
            Write::CreateBuild(new) => self.create(new),
            Write::StartBuild(start) => self.start(start),
            Write::Assign(assign) => self.assign(assign),
            Write::RetryBuild(retry) => self.retry(retry),
            Write::CancelBuild(id, by) => self.cancel(id, by),
            Write::FinishBuild(finish) => self.finish(finish),
            Write::Traceback(traceback) => self.trace(traceback),
            Write::Progress(id, report) => {
                self.exists(id)?;
                let reports = self.progress.entry(id).or_default();
                match reports.iter_mut().find(|known| known.group_name == report.group_name) {
                    Some(known) => *known = report,
                    None => reports.push(report),
                }
                Ok(0)
            }
            Write::Log(id, mut row) => {
                let build = self.builds.get(&id).ok_or(StorageError::NotFound(id))?;
                row.attempt.get_or_insert(build.attempt);
                self.next_record += 1;
                self.log.insert(self.next_record, (id, row));
                Ok(self.next_record)
            }
            Write::PrepareDelete(id) => {
                self.unneeded(id)?;
                self.mark(id, true)
            }
            Write::AbandonDelete(id) => self.mark(id, false),
            Write::DeleteBuild(id) => {
                self.unneeded(id)?;
                self.builds.remove(&id);
                self.progress.remove(&id);
                self.log.retain(|_, (build, _)| *build != id);
                Ok(1)
            }
            Write::PruneLog(prune) => Ok(self.prune(&prune)),
            Write::PrunePlugin(digest, after) => {
                let later = after.saturating_add(1)..;
                let used = self.builds.range(later).any(|(_, row)| row.new.plugin.as_ref() == Some(&digest));
                Ok(u64::from(!used && self.plugins.remove(&*digest).is_some()))
            }
            Write::Plugin(digest, bytes) => {
                self.plugins.insert(digest.to_string(), bytes);
                Ok(0)
            }
        }
    }

    fn cancel(&mut self, id: u64, by: Arc<str>) -> Result<u64> {
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if row.end.is_some() {
            return Err(StorageError::Stale(id));
        }
        row.cancel = Some(by);
        Ok(0)
    }

    fn create(&mut self, new: NewBuild) -> Result<u64> {
        if let Some(digest) = new.plugin.as_ref().filter(|digest| !self.plugins.contains_key(&***digest)) {
            return Err(StorageError::NoPlugin(Arc::clone(digest)));
        }
        let usable = |pin: &Pin| self.builds.get(&pin.build).is_some_and(|row| !row.deleting);
        if let Some(gone) = new.pins.iter().find(|pin| !usable(pin)) {
            return Err(StorageError::NoPin(gone.build));
        }
        if let Some(same) = self.same(&new) {
            return Err(StorageError::Same(same));
        }
        let run = self.run_of(&new.run);
        self.next_build += 1;
        let id = self.next_build;
        let row = Row {
            run,
            usage: None,
            first: None,
            start: None,
            attempt: 0,
            ended: Vec::new(),
            owner: new.owner.clone(),
            worker: None,
            due: None,
            cancel: None,
            deleting: false,
            end: None,
            new,
        };
        let (starts, owner, time) = (row.new.start, row.owner.clone(), row.new.created);
        self.builds.insert(id, row);
        if starts {
            self.start(StartBuild { id, guard: None, owner, pool_size: None, time })?;
        }
        Ok(id)
    }

    /// Returns a build of another run that would be the same as a new one, if the new build may be
    /// shared.
    fn same(&self, new: &NewBuild) -> Option<u64> {
        let known = new.shared_after?;
        let of_job = || self.builds.iter().rev().filter(|(_, row)| row.new.job_id == new.job_id && !row.deleting);
        let is_same =
            |row: &Row| row.new.plugin == new.plugin && row.new.config == new.config && row.new.pins == new.pins;
        let is_made = |row: &Row| {
            let own = matches!(new.run, RunOf::Run(run) if row.run == Some(run));
            let is_alive = row.owner.as_deref().is_some_and(|owner| self.leases.contains(owner));
            row.end.is_none() && row.run.is_some() && !own && is_alive && row.cancel.is_none()
        };
        let made = of_job().find(|(_, row)| is_made(row) && is_same(row));
        let latest = || {
            let success = |row: &Row| {
                row.start.is_some()
                    && !row.new.edited
                    && row.end.as_ref().is_some_and(|end| end.success && !end.skipped)
            };
            let (id, row) = of_job().find(|(_, row)| success(row))?;
            (is_same(row) && *id > known).then_some(*id)
        };
        made.map(|(id, _)| *id).or_else(latest)
    }

    fn exists(&self, id: u64) -> Result<()> {
        if self.builds.contains_key(&id) { Ok(()) } else { Err(StorageError::NotFound(id)) }
    }

    /// Refuses a build that an unfinished build is pinned to.
    fn unneeded(&self, id: u64) -> Result<()> {
        self.exists(id)?;
        match self.unfinished_users(id).next() {
            Some(user) => {
                Err(StorageError::Refused(format!("build {id} is used by build {user}, which has not finished")))
            }
            None => Ok(()),
        }
    }

    /// Returns the unfinished builds that are pinned to this one.
    pub(super) fn unfinished_users(&self, id: u64) -> impl Iterator<Item = u64> {
        let users = self
            .builds
            .iter()
            .filter(move |(_, row)| row.end.is_none() && row.new.pins.iter().any(|pin| pin.build == id));
        users.map(|(user, _)| *user)
    }

    fn run_of(&mut self, run: &RunOf) -> Option<u64> {
        match run {
            RunOf::Nothing => None,
            RunOf::Run(run) => Some(*run),
            RunOf::New(run) => Some(self.create_run(run)),
        }
    }

    pub(super) fn create_run(&mut self, new: &NewRun) -> u64 {
        self.next_run += 1;
        let id = self.next_run;
        let (plan, requests) = unpack_plan(&new.plan);
        let run = Run {
            id,
            created: new.created,
            end_time: new.missed.as_ref().map(|_| new.created),
            status: new.missed.as_ref().map(|missed| missed.status),
            service: new.service,
            held: new.held,
            missed: new.missed.clone(),
            requester: Requester::from_text(&new.requested_by),
            priority: new.priority,
            owner: new.owner.as_deref().map(str::to_owned),
            cancel: None,
            request: RunRequest::from_value(&value::unpack(&new.request).unwrap_or(Value::Null)),
            plan,
            requests,
            refused: BTreeMap::new(),
            shared: BTreeMap::new(),
        };
        if new.held || new.owner.is_some() {
            self.kept.begun.insert(id);
        }
        self.runs.insert(id, run);
        id
    }

    fn end_run(&mut self, end: &EndRun) -> Result<u64> {
        let run = self.runs.get_mut(&end.id).ok_or(StorageError::NoRun(end.id))?;
        if run.status.is_none() {
            run.end_time = Some(end.time);
            run.status = Some(end.status);
            (run.refused, run.shared) = end.refused.as_deref().map(unpack_refused).unwrap_or_default();
        }
        Ok(0)
    }

    fn cancel_run(&mut self, id: u64, by: &Arc<str>) -> Result<u64> {
        let run = self.runs.get_mut(&id).ok_or(StorageError::NoRun(id))?;
        if run.status.is_none() {
            run.cancel = Some(by.to_string());
        }
        for row in self.builds.values_mut().filter(|row| row.run == Some(id) && row.end.is_none()) {
            row.cancel = Some(Arc::clone(by));
        }
        Ok(0)
    }

    fn prune_runs(&mut self, before: Timestamp) -> u64 {
        let used: BTreeSet<u64> = self.builds.values().filter_map(|row| row.run).collect();
        self.kept.reloads.retain(|row| row.created >= before);
        let count = self.runs.len();
        self.runs.retain(|id, run| used.contains(id) || run.end_time.is_none_or(|end| end >= before));
        (count - self.runs.len()) as u64
    }

    /// Checks whether the pool of a build has room for it. Slots of dead owners are free.
    fn room(&self, id: u64, size: Option<u32>) -> Result<()> {
        let (Some(size), Some(wanted)) = (size, self.builds.get(&id).and_then(|row| row.new.pool.clone())) else {
            return Ok(());
        };
        let holds = |(other, row): &(&u64, &Row)| {
            let of_pool = row.new.pool.as_ref().is_some_and(|pool| pool.name == wanted.name);
            let runs = row.start.is_some() && row.end.is_none() && row.due.is_none();
            of_pool && runs && **other != id && row.owner.as_deref().is_some_and(|owner| self.leases.contains(owner))
        };
        let holders: Vec<_> = self.builds.iter().filter(holds).collect();
        let slots = holders.iter().filter_map(|(_, row)| row.new.pool.as_ref()).map(|pool| u64::from(pool.slots));
        let used = slots.sum::<u64>();
        if used + u64::from(wanted.slots) <= u64::from(size) || holders.is_empty() {
            return Ok(());
        }
        let builds = holders.iter().map(|(id, _)| **id).collect();
        Err(StorageError::PoolFull(PoolFull { name: wanted.name.clone(), used, size, builds }))
    }

    fn mark(&mut self, id: u64, deleting: bool) -> Result<u64> {
        self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?.deleting = deleting;
        Ok(0)
    }

    pub(super) fn of_job(&self, build: u64, job: Option<&str>) -> bool {
        job.is_none_or(|job| self.builds.get(&build).is_some_and(|row| *row.new.job_id == *job))
    }

    fn finish(&mut self, finish: FinishBuild) -> Result<u64> {
        let id = finish.id;
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if finish.guard.as_ref().is_some_and(|guard| !row.is_of(guard)) {
            return Err(StorageError::Stale(id));
        }
        row.due = None;
        row.use_more(finish.usage);
        let run = row.run.filter(|_| finish.ends_run);
        let kind = finish.exception.as_ref().map(|failure| FailureKind::from_text(&failure.kind));
        let (time, status) = (finish.time, RunStatus::of_build(finish.success, kind.as_ref()));
        row.end = Some(finish);
        match run {
            Some(run) => self.end_run(&EndRun { id: run, time, status, refused: None }),
            None => Ok(0),
        }
    }

    fn trace(&mut self, traceback: Traceback) -> Result<u64> {
        let Traceback { id, attempt, exception_tb } = traceback;
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if let Some(ended) = row.ended.iter_mut().find(|ended| ended.number == attempt) {
            let taken = ended.failure.as_mut().filter(|failure| are_raw(&failure.frames));
            let is_taken = taken.is_some();
            taken.into_iter().for_each(|failure| failure.frames = unpack_frames(&exception_tb));
            return Ok(u64::from(is_taken));
        }
        let failure = row.end.as_mut().and_then(|end| end.exception.as_mut()).filter(|_| row.attempt == attempt);
        match failure.filter(|failure| failure.exception_tb.as_deref().is_some_and(is_raw)) {
            Some(failure) => failure.exception_tb = Some(exception_tb),
            None => return Ok(0),
        }
        Ok(1)
    }

    fn start(&mut self, start: StartBuild) -> Result<u64> {
        let id = start.id;
        self.exists(id)?;
        self.room(id, start.pool_size)?;
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if let Some(guard) = &start.guard {
            if !row.is_of(guard) {
                return Err(StorageError::Stale(id));
            }
            self.progress.remove(&id);
        }
        row.attempt += 1;
        row.first.get_or_insert(start.time);
        row.owner.clone_from(&start.owner);
        row.worker = None;
        row.due = None;
        row.start = Some(start);
        Ok(0)
    }

    fn assign(&mut self, assign: Assign) -> Result<u64> {
        let row = self.builds.get_mut(&assign.id).ok_or(StorageError::NotFound(assign.id))?;
        if !row.is_of(&assign.guard) {
            return Err(StorageError::Stale(assign.id));
        }
        row.worker = assign.worker;
        Ok(0)
    }

    fn retry(&mut self, retry: RetryBuild) -> Result<u64> {
        let id = retry.id;
        if !self.builds.get(&id).ok_or(StorageError::NotFound(id))?.is_of(&retry.guard) {
            return Err(StorageError::Stale(id));
        }
        let run = self.run_of(&retry.run);
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        row.run = run.or(row.run);
        let known = row.ended.last().is_some_and(|last| last.number == row.attempt);
        if let Some(start) = row.start.as_ref().filter(|_| !known) {
            let failure = unpack_whole(&retry.exception);
            let (number, start_time) = (row.attempt, start.time);
            let worker = row.worker.as_ref().map(|worker| worker.to_string());
            row.ended.push(Attempt { number, start_time, end_time: Some(retry.time), worker, failure: Some(failure) });
        }
        row.use_more(retry.usage);
        row.owner = Some(retry.owner);
        row.due = Some(retry.due);
        Ok(0)
    }

    pub(super) fn goes(&self, prune: &PruneLog, id: u64, build: u64, row: &LogRow) -> bool {
        prune.build_id.is_none_or(|id| id == build)
            && self.of_job(build, prune.job_id.as_deref())
            && prune.before.is_none_or(|before| row.created < before)
            && prune.level.is_none_or(|level| row.level <= level)
            && prune.above.is_none_or(|level| row.level > level)
            && prune.ids.is_none_or(|(after, upto)| id > after && id <= upto)
    }

    fn prune(&mut self, prune: &PruneLog) -> u64 {
        let before = self.log.len();
        let mut log = std::mem::take(&mut self.log);
        log.retain(|id, (build, row)| !self.goes(prune, *id, *build, row));
        self.log = log;
        (before - self.log.len()) as u64
    }

    pub(super) fn orphans(&self, besides: &[u64]) -> Vec<String> {
        let counted = || self.builds.iter().filter(|(id, _)| !besides.contains(id));
        let used = |digest: &String| counted().any(|(_, row)| row.new.plugin.as_deref() == Some(digest));
        self.plugins.keys().filter(|digest| !used(digest)).cloned().collect()
    }
}

impl Row {
    pub(super) fn read(&self, id: u64) -> Build {
        let end = self.end.as_ref();
        let start = self.start.as_ref();
        let failure = end.and_then(|end| end.exception.as_ref());
        let value = |bytes: &[u8]| {
            value::unpack(bytes).unwrap_or_else(|error| Value::String(format!("could not be read: {error}")))
        };
        Build {
            id,
            job_id: self.new.job_id.to_string(),
            created: self.new.created,
            start_time: self.first,
            end_time: end.map(|end| end.time),
            started: start.is_some(),
            finished: end.is_some(),
            success: end.is_some_and(|end| end.success),
            skipped: end.is_some_and(|end| end.skipped),
            config: value(&self.new.config),
            edited: self.new.edited,
            pins: self.new.pins.to_vec(),
            run: self.run,
            rerun_of: self.new.rerun_of,
            pool: self.new.pool.as_deref().cloned(),
            skip_reason: end.and_then(|end| end.skip_reason.clone()),
            usage: self.usage,
            retval: end.and_then(|end| end.retval.as_deref()).map(value),
            exception: failure.map(|failure| unpack_failure(&failure.exception)),
            exception_tb: failure.and_then(|f| f.exception_tb.as_deref()).map(unpack_frames).unwrap_or_default(),
            owner: self.owner.as_ref().map(|owner| owner.to_string()),
            worker: self.worker.as_ref().map(|worker| worker.to_string()),
            attempt: self.attempt,
            attempt_time: start.map(|start| start.time),
            retry_time: self.due,
            cancel: self.cancel.as_ref().map(|by| by.to_string()),
            deleting: self.deleting,
            plugin: self.new.plugin.as_ref().map(|digest| digest.to_string()),
            retval_type: self.new.retval_type.as_ref().map(|text| text.to_string()),
            retval_digest: end.and_then(|end| end.retval_digest.clone()),
        }
    }
}

fn unpack_whole(packed: &PackedFailure) -> Failure {
    let frames = packed.exception_tb.as_deref().map(unpack_frames).unwrap_or_default();
    Failure { frames, ..unpack_failure(&packed.exception) }
}
