//! The store that forgets: the readable reference of what every backend does.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::build::Build;
use crate::clock::Clock;
use crate::progress::Progress;
use crate::storage::BuildFilter;
use crate::storage::Completion;
use crate::storage::FinishBuild;
use crate::storage::LogFilter;
use crate::storage::LogRecord;
use crate::storage::LogRow;
use crate::storage::NewBuild;
use crate::storage::Order;
use crate::storage::PruneLog;
use crate::storage::Result;
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
    start: Option<StartBuild>,
    attempt: u32,
    end: Option<FinishBuild>,
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
            if each(LogRecord { id, build_id, record: unpack_record(&row) }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn get_plugin(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.tables().plugins.get(digest).map(|bytes| bytes.to_vec()))
    }
}

impl Tables {
    fn apply(&mut self, write: Write) -> Result<Written> {
        match write {
            Write::CreateBuild(new) => {
                self.next_build += 1;
                let id = self.next_build;
                let start = new.start.clone().map(|owner| StartBuild { id, owner: Some(owner), time: new.created });
                let attempt = u32::from(start.is_some());
                self.builds.insert(id, Row { new, start, attempt, end: None });
                Ok(id)
            }
            Write::StartBuild(start) => {
                let row = self.builds.get_mut(&start.id).ok_or(StorageError::NotFound(start.id))?;
                row.attempt += 1;
                row.start = Some(start);
                Ok(0)
            }
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
            Write::Log(id, row) => {
                self.exists(id)?;
                self.next_record += 1;
                self.log.insert(self.next_record, (id, row));
                Ok(self.next_record)
            }
            Write::DeleteBuild(id) => {
                self.exists(id)?;
                self.builds.remove(&id);
                self.progress.remove(&id);
                self.log.retain(|_, (build, _)| *build != id);
                Ok(1)
            }
            Write::PruneLog(prune) => Ok(self.prune(&prune)),
            Write::Plugin(digest, bytes) => {
                self.plugins.insert(digest.to_string(), bytes);
                Ok(0)
            }
        }
    }

    fn exists(&self, id: u64) -> Result<()> {
        if self.builds.contains_key(&id) { Ok(()) } else { Err(StorageError::NotFound(id)) }
    }

    fn of_job(&self, build: u64, job: Option<&str>) -> bool {
        job.is_none_or(|job| self.builds.get(&build).is_some_and(|row| *row.new.job_id == *job))
    }

    fn finish(&mut self, finish: FinishBuild) -> Result<Written> {
        let id = finish.id;
        let row = self.builds.get_mut(&id).ok_or(StorageError::NotFound(id))?;
        if let Some(guard) = &finish.guard {
            let owner = row.start.as_ref().and_then(|start| start.owner.as_ref());
            if row.end.is_some() || owner != Some(&guard.owner) || row.attempt != guard.attempt {
                return Err(StorageError::Stale(id));
            }
        }
        row.end = Some(finish);
        Ok(0)
    }

    fn prune(&mut self, prune: &PruneLog) -> u64 {
        let before = self.log.len();
        let mut log = std::mem::take(&mut self.log);
        log.retain(|_, (build, row)| {
            let goes = prune.build_id.is_none_or(|id| id == *build)
                && self.of_job(*build, prune.job_id.as_deref())
                && prune.before.is_none_or(|before| row.created < before)
                && prune.level.is_none_or(|level| row.level <= level);
            !goes
        });
        self.log = log;
        (before - self.log.len()) as u64
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
            start_time: start.map(|start| start.time),
            end_time: end.map(|end| end.time),
            started: start.is_some(),
            finished: end.is_some(),
            success: end.is_some_and(|end| end.success),
            skipped: end.is_some_and(|end| end.skipped),
            config: value(&self.new.config),
            retval: end.and_then(|end| end.retval.as_deref()).map(value),
            exception: end.and_then(|end| end.exception.as_deref()).map(unpack_failure),
            exception_tb: end.and_then(|end| end.exception_tb.as_deref()).map(unpack_frames).unwrap_or_default(),
            owner: start.and_then(|start| start.owner.as_ref()).map(|owner| owner.to_string()),
            attempt: self.attempt,
            plugin: self.new.plugin.as_ref().map(|digest| digest.to_string()),
            retval_type: self.new.retval_type.as_ref().map(|text| text.to_string()),
            retval_digest: end.and_then(|end| end.retval_digest.clone()),
        }
    }
}
