//! The implementation of [`Storage`] in memory.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::build::Attempt;
use crate::build::Build;
use crate::clock::Clock;
use crate::memory::tables::Row;
use crate::memory::tables::Tables;
use crate::progress::Progress;
use crate::run::Requester;
use crate::run::Run;
use crate::run::RunCounts;
use crate::run::RunStatus;
use crate::storage::BuildFilter;
use crate::storage::CancelRequests;
use crate::storage::Completion;
use crate::storage::LogFilter;
use crate::storage::LogRecord;
use crate::storage::LogRow;
use crate::storage::Order;
use crate::storage::PruneLog;
use crate::storage::ReloadRow;
use crate::storage::Result;
use crate::storage::RunFilter;
use crate::storage::ScheduleState;
use crate::storage::Storage;
use crate::storage::StorageError;
use crate::storage::Write;
use crate::storage::unpack_record;
use crate::token::Token;

/// An in-memory store.
pub struct MemoryStorage {
    clock: Arc<dyn Clock>,
    id: String,
    tables: Mutex<Tables>,
}

impl MemoryStorage {
    /// Creates an empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        // The store lives only in its own process, so the time of its creation identifies it well
        // enough.
        let id = format!("memory-{}", clock.now().0);
        Self { clock, id, tables: Mutex::default() }
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        // A panic elsewhere leaves no partial change: each change is a single insertion or removal.
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
        let read = |row: &Row, id| if filter.brief { row.read(id).brief() } else { row.read(id) };
        let builds = tables.builds.iter().map(|(id, row)| read(row, *id)).filter(|build| fits(filter, build));
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        Ok(match filter.order {
            Order::Asc => builds.take(limit).collect(),
            Order::Desc => builds.rev().take(limit).collect(),
        })
    }

    fn count_job_builds(&self, filter: &BuildFilter) -> Result<u64> {
        let tables = self.tables();
        let builds = tables.builds.iter().filter(|(id, row)| fits(filter, &row.read(**id).brief()));
        Ok(builds.count() as u64)
    }

    fn get_build(&self, id: u64) -> Result<Build> {
        let tables = self.tables();
        tables.builds.get(&id).map(|row| row.read(id)).ok_or(StorageError::NotFound(id))
    }

    fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>> {
        Ok(self.tables().builds.get(&id).map(|row| row.ended.clone()).unwrap_or_default())
    }

    fn get_cancel_requests(&self, owner: &str) -> Result<CancelRequests> {
        let tables = self.tables();
        let owned = |name: &Option<Arc<str>>| name.as_deref() == Some(owner);
        let builds = tables.builds.iter().filter(|(_, row)| row.end.is_none() && owned(&row.owner));
        let runs = tables.runs.values().filter(|run| run.status.is_none() && run.owner.as_deref() == Some(owner));
        Ok(CancelRequests {
            builds: builds.filter_map(|(id, row)| Some((*id, row.cancel.as_ref()?.to_string()))).collect(),
            runs: runs.filter_map(|run| Some((run.id, run.cancel.clone()?))).collect(),
        })
    }

    fn claim(&self, owner: &str) -> Result<()> {
        if self.tables().leases.insert(owner.to_owned()) {
            return Ok(());
        }
        Err(StorageError::Refused(format!("there is already an owner `{owner}`")))
    }

    fn renew(&self, owner: &str) -> Result<()> {
        self.tables().leases.insert(owner.to_owned());
        Ok(())
    }

    fn is_alive(&self, owner: &str) -> Result<bool> {
        Ok(self.tables().leases.contains(owner))
    }

    fn release(&self, owner: &str) {
        self.tables().leases.remove(owner);
    }

    fn data_version(&self) -> Result<u64> {
        Ok(self.tables().changes)
    }

    fn get_run(&self, id: u64) -> Result<Run> {
        self.tables().runs.get(&id).cloned().ok_or(StorageError::NoRun(id))
    }

    fn get_runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        let tables = self.tables();
        let fits = |run: &&Run| {
            filter.open.is_none_or(|open| open == run.status.is_none())
                && filter.service.is_none_or(|service| service == run.service)
                && filter.held.is_none_or(|held| held == run.held)
                && filter.owner.as_ref().is_none_or(|owner| run.owner.as_ref() == Some(owner))
                && filter.requested_by.as_ref().is_none_or(|by| *by == run.requester.to_string())
                && filter.before.is_none_or(|before| run.id < before)
        };
        let limit = filter.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(tables.runs.values().rev().filter(fits).take(limit).cloned().collect())
    }

    fn get_waiting_runs(&self, limit: u64) -> Result<Vec<u64>> {
        let tables = self.tables();
        let waits = |run: &&Run| run.status.is_none() && run.service && !run.held && run.owner.is_none();
        let mut waiting: Vec<_> = tables.runs.values().filter(waits).map(|run| (-run.priority, run.id)).collect();
        waiting.sort_unstable();
        waiting.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(waiting.into_iter().map(|(_, id)| id).collect())
    }

    fn get_untold_runs(&self) -> Result<Vec<u64>> {
        let tables = self.tables();
        let is_bad =
            |run: &Run| matches!(run.status, Some(RunStatus::Failed | RunStatus::Cancelled | RunStatus::Interrupted));
        let is_meant = |run: &&Run| {
            matches!(run.requester, Requester::Schedule(_)) && is_bad(run) && !tables.kept.told.contains(&run.id)
        };
        Ok(tables.runs.values().filter(is_meant).map(|run| run.id).collect())
    }

    fn get_open_owners(&self) -> Result<Vec<String>> {
        let tables = self.tables();
        let open = tables.runs.values().filter(|run| run.status.is_none() && run.service);
        let owners: BTreeSet<String> = open.filter_map(|run| run.owner.clone()).collect();
        Ok(owners.into_iter().collect())
    }

    fn get_reloads(&self, before: Option<u64>, limit: u64) -> Result<Vec<ReloadRow>> {
        let tables = self.tables();
        let fits = |row: &&ReloadRow| before.is_none_or(|before| row.id < before);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(tables.kept.reloads.iter().rev().filter(fits).take(limit).cloned().collect())
    }

    fn get_schedules(&self) -> Result<Vec<ScheduleState>> {
        Ok(self.tables().kept.schedules.values().map(|(state, _)| state.clone()).collect())
    }

    fn get_tried(&self, jobs: &[&str]) -> Result<Vec<Option<String>>> {
        let tables = self.tables();
        Ok(jobs.iter().map(|job| tables.kept.tried.get(*job).cloned()).collect())
    }

    fn get_tokens(&self) -> Result<Vec<Token>> {
        Ok(self.tables().kept.tokens.clone())
    }

    fn lead(&self, owner: &str) -> Result<bool> {
        let mut tables = self.tables();
        let is_led = tables.kept.leader.as_ref().is_some_and(|leader| tables.leases.contains(leader));
        if !is_led && tables.leases.contains(owner) {
            tables.kept.leader = Some(owner.to_owned());
        }
        Ok(tables.kept.leader.as_deref() == Some(owner) && tables.leases.contains(owner))
    }

    fn get_run_counts(&self, runs: &[u64]) -> Result<Vec<RunCounts>> {
        let tables = self.tables();
        let count = |run: &u64| {
            let mut counts = RunCounts::default();
            let builds = tables.builds.iter().filter(|(_, row)| row.run == Some(*run));
            builds.for_each(|(id, row)| counts.add(row.read(*id).status(), 1));
            counts
        };
        Ok(runs.iter().map(count).collect())
    }

    fn get_unfinished_users(&self, id: u64) -> Result<Vec<u64>> {
        Ok(self.tables().unfinished_users(id).collect())
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
        let mut fitting: Vec<_> = fitting.map(|(id, (build, row))| (*id, *build, row.clone())).collect();
        if let Some(last) = filter.last {
            fitting.drain(..fitting.len().saturating_sub(usize::try_from(last).unwrap_or(usize::MAX)));
        }
        // The callback may call the store again.
        drop(tables);
        for (id, build_id, row) in fitting {
            let attempt = row.attempt.unwrap_or(0);
            if each(LogRecord { id, build_id, attempt, record: unpack_record(row) }).is_break() {
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

/// Returns whether a build matches a filter.
fn fits(filter: &BuildFilter, build: &Build) -> bool {
    let flag = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
    filter.job_id.as_ref().is_none_or(|job| *job == build.job_id)
        && filter.job_ids.as_ref().is_none_or(|jobs| jobs.contains(&build.job_id))
        && flag(filter.started, build.started)
        && flag(filter.finished, build.finished)
        && flag(filter.success, build.success)
        && flag(filter.skipped, build.skipped)
        && flag(filter.deleting, build.deleting)
        && flag(filter.edited, build.edited)
        && filter.owner.as_ref().is_none_or(|owner| build.owner.as_ref() == Some(owner))
        && filter.run.is_none_or(|run| build.run == Some(run))
        && filter.before.is_none_or(|before| build.id < before)
        && filter.after.is_none_or(|after| build.id > after)
}
