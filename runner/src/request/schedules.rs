//! When jobs are due by their schedules, and how their last runs ended.

use std::collections::BTreeMap;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::schedule::Schedule;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;
use crate::request::cancel::is_worked_on;
use crate::show::pages::ScheduleJson;
use crate::show::runs::state_name;

/// The jobs with a schedule.
pub(crate) struct Schedules<'a> {
    jobs: Vec<Scheduled<'a>>,
    now: Timestamp,
}

struct Scheduled<'a> {
    id: &'a str,
    schedule: &'a Schedule,
    seen_to: Option<Timestamp>,
    last: Option<(Run, bool)>,
    open: Vec<u64>,
}

impl<'a> Schedules<'a> {
    /// Reads the state of each schedule.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub(crate) fn read(catalog: &'a Catalog, storage: &dyn Storage) -> Result<Self> {
        let states = storage.get_schedules()?.into_iter().filter(|state| !state.rule.is_empty());
        let states: BTreeMap<String, Timestamp> = states.map(|state| (state.job, state.last)).collect();
        let mut jobs = Vec::new();
        for (id, checked) in &catalog.graph.jobs {
            let Some(schedule) = &checked.job.schedule else { continue };
            let by = Some(Requester::Schedule(id.clone()).to_string());
            let newest = RunFilter { requested_by: by.clone(), limit: Some(1), ..RunFilter::default() };
            let last = match storage.get_runs(&newest)?.pop() {
                Some(run) => {
                    let is_alive = is_worked_on(storage, &run)?;
                    Some((run, is_alive))
                }
                None => None,
            };
            let open = RunFilter { requested_by: by, open: Some(true), ..RunFilter::default() };
            let mut open: Vec<u64> = storage.get_runs(&open)?.iter().map(|run| run.id).collect();
            open.reverse();
            jobs.push(Scheduled { id, schedule, seen_to: states.get(id).copied(), last, open });
        }
        Ok(Self { jobs, now: storage.clock().now() })
    }

    /// Returns the shapes of the schedules.
    pub(crate) fn shapes(&self) -> Vec<ScheduleJson<'_>> {
        let shape = |job: &'_ Scheduled<'a>| ScheduleJson {
            job_id: job.id,
            cron: job.schedule.cron.to_string(),
            timezone: job.schedule.timezone.name(),
            next: job.schedule.upcoming(self.now).next(),
            seen_to: job.seen_to,
            last_status: job.last.as_ref().map(|(run, is_alive)| state_name(run.state(*is_alive))),
            last_run: job.last.as_ref().map(|(run, _)| run.id),
            open_runs: job.open.clone(),
        };
        self.jobs.iter().map(shape).collect()
    }
}
