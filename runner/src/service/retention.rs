//! Prunes the store once a day, at the time in `retention.at`. Only the service that leads does so.

use std::sync::Arc;
use std::thread;

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::retention::PruneTime;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::ScheduleState;
use jobcontrol_core::storage::StepSchedule;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;

use crate::execute::hooks::Which;
use crate::request::prune::Swept;
use crate::request::prune::prune;
use crate::service::engine::Engine;
use crate::service::snapshot::Snapshot;

/// Where the store keeps when it was pruned, beside the schedules of jobs. No job can have such an
/// id. It has no rule, like a schedule that was removed.
const KEPT_AS: &str = ":retention";

/// When the store is pruned next, as far as this service knows.
pub(super) struct Sweeper {
    engine: Arc<Engine>,
    storage: Arc<dyn Storage>,
    /// `None` before the store was asked.
    next: Option<Timestamp>,
}

impl Sweeper {
    pub(super) fn new(engine: Arc<Engine>, storage: Arc<dyn Storage>) -> Self {
        Self { engine, storage, next: None }
    }

    /// Called after something that may change when it is time: other settings, or a new leader.
    pub(super) fn look_again(&mut self) {
        self.next = None;
    }

    /// Begins to prune if it is time, on a separate thread, because cleaning up after builds may
    /// take long. A service that stops leaves the rest for the next day.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub(super) fn step(&mut self, now: &Arc<Snapshot>) -> Result<()> {
        let time = self.storage.clock().now();
        if self.next.is_some_and(|next| time < next) {
            return Ok(());
        }
        let (is_time, next) = take_turn(&*self.storage, &now.workspace.prune_at)?;
        self.next = Some(next);
        tracing::debug!(next = next.to_string().as_str(), "the store is pruned next");
        if is_time {
            let (engine, storage, now) = (Arc::clone(&self.engine), Arc::clone(&self.storage), Arc::clone(now));
            let thread = thread::Builder::new().name("prune".to_owned());
            let thread = thread.spawn(move || sweep(&engine, &storage, &now));
            thread.map_err(|error| StorageError::Refused(error.to_string()))?;
        }
        Ok(())
    }
}

/// Returns whether it is time to prune, and when to look next. Records the turn, so that no other
/// service takes it too. A store that no service has used before is not pruned at once.
fn take_turn(storage: &dyn Storage, at: &PruneTime) -> Result<(bool, Timestamp)> {
    let now = storage.clock().now();
    let after = |time| at.next_after(time).unwrap_or(Timestamp(i64::MAX));
    let before = storage.get_schedules()?.into_iter().find(|state| state.job == KEPT_AS).map(|state| state.last);
    if let Some(due) = before.map(after).filter(|due| now < *due) {
        return Ok((false, due));
    }
    let state = ScheduleState { job: KEPT_AS.to_owned(), rule: String::new(), last: now };
    let (runs, missed) = Default::default();
    let step = StepSchedule { job: KEPT_AS.into(), before, state, runs, missed };
    let is_ours = storage.write(Write::StepSchedule(step))? == 1;
    Ok((is_ours && before.is_some(), after(now)))
}

fn sweep(engine: &Arc<Engine>, storage: &Arc<dyn Storage>, now: &Snapshot) {
    let workspace = &now.workspace;
    let clean_up = |build: &Build| engine.hook(workspace, storage, build, Which::Cleanup);
    let Swept { pruned, compiled, plugins_stay } = match prune(workspace, &**storage, Some(&clean_up)) {
        Ok(swept) => swept,
        Err(error) => return tracing::error!(reason = error.to_string().as_str(), "the store could not be pruned"),
    };
    for (build, reason) in &pruned.refused {
        tracing::warn!(build, reason = reason.as_str(), "a build that is due is kept");
    }
    if let Some(reason) = &plugins_stay {
        tracing::warn!(reason = reason.as_str(), "plugins that no build uses are kept, because jobs may pin them");
    }
    if let Err(reason) = &compiled {
        tracing::warn!(reason = reason.as_str(), "compiled code of plugins was not deleted");
    }
    let log_records = pruned.log_records.iter().map(|(_, count)| count).sum::<u64>();
    let (builds, runs, plugins) = (pruned.builds.len(), pruned.runs, pruned.plugins.len());
    let compiled_bytes = compiled.map_or(0, |compiled| compiled.bytes);
    tracing::info!(builds, log_records, runs, plugins, compiled_bytes, "the store was pruned");
}

#[cfg(test)]
mod tests {
    use jobcontrol_core::clock::ManualClock;
    use jobcontrol_core::memory::MemoryStorage;

    use super::*;

    #[test]
    fn a_store_is_pruned_once_a_day_and_at_the_first_start_after_it_was_missed() {
        let time = |text: &str| Timestamp::parse(text).unwrap();
        let clock = Arc::new(ManualClock::new(time("2027-03-01T12:00:00Z")));
        let storage = MemoryStorage::new(Arc::clone(&clock) as Arc<dyn jobcontrol_core::clock::Clock>);
        let at = PruneTime::default();
        let turn = |now: &str| {
            clock.set(time(now));
            take_turn(&storage, &at).unwrap()
        };
        let second = time("2027-03-02T03:30:00Z");
        // Nothing is due in a new store, no matter who starts it and how often.
        assert_eq!(turn("2027-03-01T12:00:00Z"), (false, second));
        assert_eq!(turn("2027-03-02T03:29:59Z"), (false, second));
        assert_eq!(turn("2027-03-02T03:30:00Z"), (true, time("2027-03-03T03:30:00Z")));
        assert_eq!(turn("2027-03-02T03:30:01Z"), (false, time("2027-03-03T03:30:00Z")));
        // No service ran for some days.
        assert_eq!(turn("2027-03-07T09:00:00Z"), (true, time("2027-03-08T03:30:00Z")));
        assert_eq!(turn("2027-03-07T09:00:01Z"), (false, time("2027-03-08T03:30:00Z")));
    }
}
