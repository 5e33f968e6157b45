//! The store that forgets: the readable reference of what every backend does.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::build::Attempt;
use crate::build::Build;
use crate::build::still_needs;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::progress::Progress;
use crate::storage::BuildFilter;
use crate::storage::Completion;
use crate::storage::FinishBuild;
use crate::storage::Guard;
use crate::storage::LogFilter;
use crate::storage::LogRecord;
use crate::storage::LogRow;
use crate::storage::NewBuild;
use crate::storage::Order;
use crate::storage::PruneLog;
use crate::storage::Result;
use crate::storage::RetryBuild;
use crate::storage::StartBuild;
use crate::storage::Storage;
use crate::storage::StorageError;
use crate::storage::Write;
use crate::storage::Written;
use crate::storage::unpack_failure;
use crate::storage::unpack_frames;
use crate::storage::unpack_record;
use crate::value;
use crate::value::Value;

/// A store in memory.
pub struct MemoryStorage {
    clock: Arc<dyn Clock>,
    id: String,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    next_build: u64,
    next_record: u64,
    builds: BTreeMap<u64, Row>,
    progress: BTreeMap<u64, Vec<Progress>>,
    log: BTreeMap<u64, (u64, LogRow)>,
    plugins: BTreeMap<String, Arc<[u8]>>,
}

struct Row {
    new: NewBuild,
    /// When the first attempt started.
    first: Option<Timestamp>,
    start: Option<StartBuild>,
    attempt: u32,
    /// Attempts that ended with another to follow.
    ended: Vec<Attempt>,
    owner: Option<Arc<str>>,
    due: Option<Timestamp>,
    cancel: Option<Arc<str>>,
    deleting: bool,
    end: Option<FinishBuild>,
}

impl Row {
    /// Whether that owner's attempt is the newest, of a build that has not ended.
    fn is_of(&self, guard: &Guard) -> bool {
        self.end.is_none() && self.owner == guard.owner && self.attempt == guard.attempt
    }
}

impl MemoryStorage {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        // It lives as long as its process and is shared with nobody, so its first moment names it well enough.
        let id = format!("memory-{}", clock.now().0);
        Self { clock, id, tables: Mutex::default() }
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        // A panic elsewhere leaves no half-made change: each is one insertion or removal.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn install(&self) -> Result<()> {
        Ok(())
    }

    fn uninstall(&self) -> Result<()> {
        *self.tables() = Tables::default();
        Ok(())
    }

    fn submit(&self, write: Write, done: Completion) {
        let answer = self.tables().apply(write);
        done(answer);
    }

    fn try_submit(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)> {
        self.submit(write, done);
        Ok(())
    }

    fn store_id(&self) -> Result<String> {
        Ok(self.id.clone())
    }

    fn backup(&self, _file: &Path) -> Result<()> {
        Err(StorageError::Refused("a store in memory cannot be copied to a file".to_owned()))
    }

    fn get_job_builds(&self, filter: &BuildFilter) -> Result<Vec<Build>> {
        let tables = self.tables();
        let flag = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        let read = |row: &Row, id| if filter.brief { row.read(id).brief() } else { row.read(id) };
        let builds = tables.builds.iter().map(|(id, row)| read(row, *id));
        let builds = builds.filter(|build| {
            filter.job_id.as_ref().is_none_or(|job| *job == build.job_id)
                && flag(filter.started, build.started)
                && flag(filter.finished, build.finished)
                && flag(filter.success, build.success)
                && flag(filter.skipped, build.skipped)
                && flag(filter.deleting, build.deleting)
                && filter.owner.as_ref().is_none_or(|owner| build.owner.as_ref() == Some(owner))
                && filter.before.is_none_or(|before| build.id < before)
        });
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        Ok(match filter.order {
            Order::Asc => builds.take(limit).collect(),
            Order::Desc => builds.rev().take(limit).collect(),
        })
    }

    fn get_build(&self, id: u64) -> Result<Build> {
        let tables = self.tables();
        tables.builds.get(&id).map(|row| row.read(id)).ok_or(StorageError::NotFound(id))
    }

    fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>> {
        Ok(self.tables().builds.get(&id).map(|row| row.ended.clone()).unwrap_or_default())
    }

    fn get_cancel_requests(&self, owner: &str) -> Result<Vec<(u64, String)>> {
        let tables = self.tables();
        let requests = tables.builds.iter().filter(|(_, row)| row.end.is_none() && row.owner.as_deref() == Some(owner));
        Ok(requests.filter_map(|(id, row)| Some((*id, row.cancel.as_ref()?.to_string()))).collect())
    }

    fn get_build_progress_info(&self, id: u64) -> Result<Vec<Progress>> {
        Ok(self.tables().progress.get(&id).cloned().unwrap_or_default())
    }

    fn iter_log_messages(&self, filter: &LogFilter, each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>) -> Result<()> {
        let tables = self.tables();
        let fits = |id: u64, build: u64, row: &LogRow| {
            filter.build_id.is_none_or(|wanted| wanted == build)
                && tables.of_job(build, filter.job_id.as_deref())
                && filter.min_level.is_none_or(|level| row.level >= level)
                && filter.min_date.is_none_or(|date| row.created >= date)
                && filter.max_date.is_none_or(|date| row.created < date)
                && filter.after.is_none_or(|after| id > after)
        };
        let fitting = tables.log.iter().filter(|(id, (build, row))| fits(**id, *build, row));
        let fitting: Vec<_> = fitting.map(|(id, (build, row))| (*id, *build, row.clone())).collect();
        // Whoever reads may ask the store for more.
        drop(tables);
        for (id, build_id, row) in fitting {
            let attempt = row.attempt.unwrap_or(0);
            if each(LogRecord { id, build_id, attempt, record: unpack_record(&row) }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count_prunable(&self, prune: &PruneLog) -> Result<u64> {
        let tables = self.tables();
        let goes = tables.log.iter().filter(|(id, (build, row))| tables.goes(prune, **id, *build, row));
        Ok(goes.count() as u64)
    }

    fn get_last_log_id(&self) -> Result<u64> {
        Ok(self.tables().log.keys().next_back().copied().unwrap_or(0))
    }

    fn get_orphaned_plugins(&self, besides: &[u64]) -> Result<(Vec<String>, u64)> {
        let tables = self.tables();
        Ok((tables.orphans(besides), tables.next_build))
    }

    fn get_plugin(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.tables().plugins.get(digest).map(|bytes| bytes.to_vec()))
    }
}

impl Tables {
    fn apply(&mut self, write: Write) -> Result<Written> {
        match write {
            Write::CreateBuild(new) => self.create(new),
            Write::StartBuild(start) => self.start(start),
            Write::RetryBuild(retry) => self.retry(retry),
            Write::CancelBuild(id, by) => self.cancel(id, by),
            Write::FinishBuild(finish) => self.finish(finish),
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

    fn cancel(&mut self, id: u64, by: Arc<str>) -> Result<Written> {
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if row.end.is_some() {
            return Err(StorageError::Stale(id));
        }
        row.cancel = Some(by);
        Ok(0)
    }

    fn create(&mut self, new: NewBuild) -> Result<Written> {
        if let Some(digest) = new.plugin.as_ref().filter(|digest| !self.plugins.contains_key(&***digest)) {
            return Err(StorageError::NoPlugin(Arc::clone(digest)));
        }
        let usable = |pin: &u64| self.builds.get(pin).is_some_and(|row| !row.deleting);
        if let Some(gone) = new.pins.iter().find(|pin| !usable(pin)) {
            return Err(StorageError::NoPin(*gone));
        }
        self.next_build += 1;
        let id = self.next_build;
        let row = Row {
            first: None,
            start: None,
            attempt: 0,
            ended: Vec::new(),
            owner: None,
            due: None,
            cancel: None,
            deleting: false,
            end: None,
            new,
        };
        let start = row.new.start.clone();
        let time = row.new.created;
        self.builds.insert(id, row);
        if let Some(owner) = start {
            self.start(StartBuild { id, guard: None, owner: Some(owner), time })?;
        }
        Ok(id)
    }

    fn exists(&self, id: u64) -> Result<()> {
        if self.builds.contains_key(&id) { Ok(()) } else { Err(StorageError::NotFound(id)) }
    }

    /// A build that an unfinished one is pinned to stays.
    fn unneeded(&self, id: u64) -> Result<()> {
        self.exists(id)?;
        for (user, row) in self.builds.iter().filter(|(_, row)| row.end.is_none()) {
            let config = value::unpack(&row.new.config).unwrap_or(Value::Null);
            still_needs(&config, *user, id).map_err(StorageError::Refused)?;
        }
        Ok(())
    }

    fn mark(&mut self, id: u64, deleting: bool) -> Result<Written> {
        self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?.deleting = deleting;
        Ok(0)
    }

    fn of_job(&self, build: u64, job: Option<&str>) -> bool {
        job.is_none_or(|job| self.builds.get(&build).is_some_and(|row| *row.new.job_id == *job))
    }

    fn finish(&mut self, finish: FinishBuild) -> Result<Written> {
        let id = finish.id;
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if finish.guard.as_ref().is_some_and(|guard| !row.is_of(guard)) {
            return Err(StorageError::Stale(id));
        }
        row.due = None;
        row.end = Some(finish);
        Ok(0)
    }

    fn start(&mut self, start: StartBuild) -> Result<Written> {
        let id = start.id;
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
        row.due = None;
        row.start = Some(start);
        Ok(0)
    }

    fn retry(&mut self, retry: RetryBuild) -> Result<Written> {
        let id = retry.id;
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if !row.is_of(&retry.guard) {
            return Err(StorageError::Stale(id));
        }
        let known = row.ended.last().is_some_and(|last| last.number == row.attempt);
        if let Some(start) = row.start.as_ref().filter(|_| !known) {
            let mut failure = unpack_failure(&retry.exception);
            failure.frames = retry.exception_tb.as_deref().map(unpack_frames).unwrap_or_default();
            let (number, start_time) = (row.attempt, start.time);
            row.ended.push(Attempt { number, start_time, end_time: Some(retry.time), failure: Some(failure) });
        }
        row.owner = Some(retry.owner);
        row.due = Some(retry.due);
        Ok(0)
    }

    fn goes(&self, prune: &PruneLog, id: u64, build: u64, row: &LogRow) -> bool {
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

    fn orphans(&self, besides: &[u64]) -> Vec<String> {
        let counted = || self.builds.iter().filter(|(id, _)| !besides.contains(id));
        let used = |digest: &String| counted().any(|(_, row)| row.new.plugin.as_deref() == Some(digest));
        self.plugins.keys().filter(|digest| !used(digest)).cloned().collect()
    }
}

impl Row {
    fn read(&self, id: u64) -> Build {
        let end = self.end.as_ref();
        let start = self.start.as_ref();
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
            retval: end.and_then(|end| end.retval.as_deref()).map(value),
            exception: end.and_then(|end| end.exception.as_deref()).map(unpack_failure),
            exception_tb: end.and_then(|end| end.exception_tb.as_deref()).map(unpack_frames).unwrap_or_default(),
            owner: self.owner.as_ref().map(|owner| owner.to_string()),
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
