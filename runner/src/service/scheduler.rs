//! Starts what schedules make due, and records what was missed or skipped. Only the service that
//! leads does so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::run::Missed;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::schedule::BuildScope;
use jobcontrol_core::schedule::Decision;
use jobcontrol_core::schedule::Overlap;
use jobcontrol_core::schedule::Schedule;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::ScheduleState;
use jobcontrol_core::storage::StepSchedule;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;

use crate::catalog::load::Catalog;
use crate::record::backend::Store;
use crate::request::refusal::Refusal;
use crate::request::run::RunAsk;
use crate::request::run::run_of;
use crate::service::metrics::Metrics;
use crate::service::run::new_run;

/// The name of the canceller of a scheduled run when the next one is due.
pub(super) const BY: &str = "its schedule, whose next run is due";
/// Why a run is left out.
const NOT_OVER: &str = "the last run of this schedule was not over, and it has `overlap: skip`";

/// How far the schedules are, as far as this service knows.
pub(super) struct Scheduler {
    store: Arc<Store>,
    storage: Arc<dyn Storage>,
    metrics: Arc<Metrics>,
    /// By job. `None` before the store was asked.
    states: Option<BTreeMap<String, ScheduleState>>,
    /// When to look next, or `None` for at once.
    next: Option<Timestamp>,
    /// When the schedules were last looked at.
    looked: Timestamp,
}

impl Scheduler {
    pub(super) fn new(store: Arc<Store>, storage: Arc<dyn Storage>, metrics: Arc<Metrics>) -> Self {
        Self { store, storage, metrics, states: None, next: None, looked: Timestamp(i64::MIN) }
    }

    /// Returns how long nothing is due.
    pub(super) fn quiet(&self) -> Duration {
        let now = self.storage.clock().now();
        self.next.map_or(Duration::MAX, |next| Duration::from_micros(next.since(now)))
    }

    /// Called after something that may change what is due: a new catalog, or a new leader.
    pub(super) fn look_again(&mut self) {
        (self.next, self.states) = (None, None);
    }

    /// Starts what is due. Returns whether there are new runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub(super) fn step(&mut self, catalog: &Arc<Catalog>) -> Result<bool> {
        let now = self.storage.clock().now();
        // Nothing else shows that a clock was set back.
        let is_back = now < self.looked;
        self.looked = now;
        if self.next.is_some_and(|next| now < next) && !is_back {
            return Ok(false);
        }
        let mut states = match self.states.take() {
            Some(states) => states,
            None => self.storage.get_schedules()?.into_iter().map(|state| (state.job.clone(), state)).collect(),
        };
        let (mut started, mut next) = (false, Timestamp(i64::MAX));
        for (id, checked) in &catalog.graph.jobs {
            let Some(schedule) = &checked.job.schedule else {
                continue;
            };
            let decision = self.see_to(catalog, id, schedule, &mut states, &mut started)?;
            next = next.min(decision.next.unwrap_or(Timestamp(i64::MAX)));
        }
        self.forget(catalog, &mut states)?;
        (self.states, self.next) = (Some(states), Some(next));
        Ok(started)
    }

    fn see_to(
        &self,
        catalog: &Arc<Catalog>,
        job: &str,
        schedule: &Schedule,
        states: &mut BTreeMap<String, ScheduleState>,
        started: &mut bool,
    ) -> Result<Decision> {
        let (now, rule) = (self.storage.clock().now(), rule(schedule));
        let state = states.get(job);
        let last = state.filter(|state| state.rule == rule).map(|state| state.last);
        let decision = schedule.decide(job, last, now);
        if last == Some(decision.last) {
            return Ok(decision);
        }
        let before = state.map(|state| state.last);
        let (runs, missed) = self.due(catalog, job, schedule, &decision)?;
        let state = ScheduleState { job: job.to_owned(), rule, last: decision.last };
        let fired = runs.len();
        let left_out: Vec<Missed> = missed.iter().filter_map(|run| run.missed.clone()).collect();
        let step = StepSchedule { job: job.into(), before, state: state.clone(), runs, missed };
        if self.storage.write(Write::StepSchedule(step))? == 1 {
            *started |= fired > 0;
            tell(job, last.is_none(), &left_out, fired);
            self.metrics.fell_due(fired, &left_out);
            states.insert(job.to_owned(), state);
        } else {
            // Another service was faster. What it has done is read at the next look.
            states.remove(job);
            return Ok(Decision { next: Some(now), ..decision });
        }
        Ok(decision)
    }

    /// Returns the runs to start, and the rows of the runs that are left out.
    fn due(
        &self,
        catalog: &Arc<Catalog>,
        job: &str,
        schedule: &Schedule,
        decision: &Decision,
    ) -> Result<(Vec<NewRun>, Vec<NewRun>)> {
        let requester = Requester::Schedule(job.to_owned());
        let left_out = |status: RunStatus, reason: String, (first, last, count): (Timestamp, Timestamp, u64)| NewRun {
            created: self.storage.clock().now(),
            requested_by: requester.to_string(),
            targets: job.to_owned(),
            request: request_of(job),
            service: true,
            missed: Some(Missed { status, reason, first, last, count }),
            ..NewRun::default()
        };
        let missed = decision.missed.map(|missed| {
            left_out(RunStatus::Missed, missed.reason.to_string(), (missed.first, missed.last, missed.count))
        });
        let mut missed: Vec<NewRun> = missed.into_iter().collect();
        let (Some(first), Some(last)) = (decision.fire.first(), decision.fire.last()) else {
            return Ok((Vec::new(), missed));
        };
        let dues = (first.due, last.due, decision.fire.len() as u64);
        let open = RunFilter { open: Some(true), requested_by: Some(requester.to_string()), ..RunFilter::default() };
        let open = self.storage.get_runs(&open)?;
        if schedule.overlap == Overlap::Skip && !open.is_empty() {
            missed.push(left_out(RunStatus::Skipped, NOT_OVER.to_owned(), dues));
            return Ok((Vec::new(), missed));
        }
        if schedule.overlap == Overlap::Cancel {
            for run in open.iter().filter(|run| run.cancel.is_none()) {
                self.storage.write(Write::CancelRun(run.id, BY.into()))?;
            }
        }
        let all = schedule.build == BuildScope::All;
        let ask = RunAsk { targets: vec![job], deps: !all, force: all, unattended: true, ..RunAsk::default() };
        let ready = match run_of(catalog, &self.store, &ask, BTreeMap::new()) {
            Ok(ready) => ready,
            Err(refusal) => {
                missed.push(left_out(RunStatus::Missed, in_words(&refusal), dues));
                return Ok((Vec::new(), missed));
            }
        };
        let new = NewRun { service: true, ..new_run(&ready, &requester, self.storage.clock())? };
        // One at a time: each of the others waits until the one before is over.
        let runs = (0..decision.fire.len()).map(|at| NewRun { held: at > 0 || !open.is_empty(), ..new.clone() });
        Ok((runs.collect(), missed))
    }

    /// Forgets the state of jobs that have lost their schedule. A job that gets it back starts from
    /// scratch. While files have mistakes, it is not known which jobs have lost it.
    fn forget(&self, catalog: &Catalog, states: &mut BTreeMap<String, ScheduleState>) -> Result<()> {
        if !catalog.is_sound() {
            return Ok(());
        }
        let has = |job: &String| catalog.graph.jobs.get(job).is_some_and(|checked| checked.job.schedule.is_some());
        let gone: Vec<_> =
            states.values().filter(|state| !has(&state.job) && !state.rule.is_empty()).cloned().collect();
        for state in gone {
            let (job, before) = (state.job.clone(), Some(state.last));
            let state = ScheduleState { rule: String::new(), ..state };
            let (runs, missed) = Default::default();
            let step = StepSchedule { job: job.as_str().into(), before, state: state.clone(), runs, missed };
            self.storage.write(Write::StepSchedule(step))?;
            states.insert(job, state);
        }
        Ok(())
    }

    /// Starts the oldest run of each schedule that waits for the previous run, once that is over.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub(super) fn start_queued(&self) -> Result<bool> {
        let held = RunFilter { open: Some(true), held: Some(true), service: Some(true), ..RunFilter::default() };
        let mut oldest: BTreeMap<String, u64> = BTreeMap::new();
        for run in self.storage.get_runs(&held)? {
            if matches!(run.requester, Requester::Schedule(_)) {
                // They come newest first.
                oldest.insert(run.requester.to_string(), run.id);
            }
        }
        let mut started = false;
        for (by, run) in oldest {
            let before =
                RunFilter { open: Some(true), held: Some(false), requested_by: Some(by), ..RunFilter::default() };
            if self.storage.get_runs(&before)?.is_empty() {
                self.storage.write(Write::StartRun(run))?;
                started = true;
            }
        }
        Ok(started)
    }
}

/// Logs a step of a schedule.
fn tell(job: &str, is_new: bool, left_out: &[Missed], fired: usize) {
    if is_new {
        tracing::debug!(job, "schedule begins");
    }
    for Missed { status, reason, count, .. } in left_out {
        let reason = reason.as_str();
        match status {
            RunStatus::Skipped => tracing::warn!(job, count, reason, "run skipped"),
            _ => tracing::warn!(job, count, reason, "run missed"),
        }
    }
    (0..fired).for_each(|_| tracing::info!(job, "run due"));
}

/// Returns a text that distinguishes a rule in its time zone from every other.
fn rule(schedule: &Schedule) -> String {
    format!("{} {}", schedule.cron, schedule.timezone.name())
}

fn request_of(job: &str) -> Vec<u8> {
    let request = jobcontrol_core::request::RunRequest { targets: vec![job.to_owned()], ..Default::default() };
    // Plain text can always be packed.
    jobcontrol_core::value::pack(&request.to_value()).unwrap_or_default()
}

/// Returns a refusal as a row stores it.
fn in_words(refusal: &Refusal) -> String {
    let problem = refusal.diagnostics.first().map(|problem| problem.message.as_str());
    problem.unwrap_or(&refusal.message).to_owned()
}
