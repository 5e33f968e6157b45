//! The writes that services make to the tables of the in-memory store.

use std::sync::Arc;

use crate::memory::tables::Row;
use crate::memory::tables::Tables;
use crate::run::Missed;
use crate::storage::ClaimRun;
use crate::storage::Result;
use crate::storage::StepSchedule;
use crate::storage::StorageError;

impl Tables {
    pub(super) fn claim_run(&mut self, claim: &ClaimRun) -> Result<u64> {
        let run = self.runs.get_mut(&claim.id).ok_or(StorageError::NoRun(claim.id))?;
        if run.status.is_some() || run.held || run.cancel.is_some() || run.owner.as_deref() != claim.from.as_deref() {
            return Ok(0);
        }
        run.owner = Some(claim.owner.to_string());
        let fresh = self.kept.begun.insert(claim.id);
        self.hand_over(claim.id, Some(&claim.owner));
        Ok(if fresh { 1 } else { 2 })
    }

    pub(super) fn release_run(&mut self, id: u64, owner: &str) -> Result<u64> {
        let run = self.runs.get_mut(&id).ok_or(StorageError::NoRun(id))?;
        if run.status.is_none() && run.owner.as_deref() == Some(owner) {
            run.owner = None;
            self.hand_over(id, None);
        }
        Ok(0)
    }

    /// Gives the builds of a run that have not started to its new owner, no matter who created
    /// them.
    fn hand_over(&mut self, run: u64, to: Option<&Arc<str>>) {
        let waits = |row: &&mut Row| row.run == Some(run) && row.start.is_none() && row.end.is_none();
        self.builds.values_mut().filter(waits).for_each(|row| row.owner = to.cloned());
    }

    pub(super) fn start_run(&mut self, id: u64) -> Result<u64> {
        self.runs.get_mut(&id).ok_or(StorageError::NoRun(id))?.held = false;
        Ok(0)
    }

    pub(super) fn step_schedule(&mut self, step: StepSchedule) -> u64 {
        let StepSchedule { job, before, state, runs, missed } = step;
        let known = self.kept.schedules.get(&*job).map(|(state, missed)| (state.last, *missed));
        if known.map(|(last, _)| last) != before {
            return 0;
        }
        let open = known.and_then(|(_, missed)| missed).filter(|_| runs.is_empty());
        for run in &runs {
            self.create_run(run);
        }
        let mut newest = open;
        for new in missed {
            let before = newest.and_then(|id| self.runs.get_mut(&id));
            match before.filter(|run| alike(run.missed.as_ref(), new.missed.as_ref())) {
                Some(run) => {
                    if let (Some(missed), Some(more)) = (&mut run.missed, new.missed) {
                        (missed.last, missed.count) = (more.last, missed.count.saturating_add(more.count));
                    }
                    run.end_time = Some(new.created);
                }
                None => newest = Some(self.create_run(&new)),
            }
        }
        self.kept.schedules.insert(job.to_string(), (state, newest));
        1
    }
}

fn alike(one: Option<&Missed>, other: Option<&Missed>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.status == other.status && one.reason == other.reason)
}
