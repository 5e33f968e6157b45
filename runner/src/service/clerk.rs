//! Handles what is due: runs that wait, runs that other services left, and jobs with `on: change`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use jobcontrol_core::due::DueJob;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::storage::NewReload;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Tried;
use jobcontrol_core::storage::Write;
use tokio::sync::watch;

use crate::execute::executor::Executor;
use crate::execute::rescuer::rescue;
use crate::record::backend::Store;
use crate::request::cancel::end_dead;
use crate::request::changes::changed;
use crate::request::resume::resume;
use crate::request::run::RunAsk;
use crate::request::run::run_of;
use crate::service::engine::Engine;
use crate::service::metrics::Metrics;
use crate::service::retention::Sweeper;
use crate::service::runs::Runs;
use crate::service::runs::TAKEN_AT_ONCE;
use crate::service::runs::is_known;
use crate::service::scheduler::Scheduler;
use crate::service::snapshot::Snapshot;
use crate::service::systemd::Signs;
use crate::service::wake::Wake;

/// How often to check the store for what others have left there. A check costs one read of a
/// counter.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often to check once nothing has happened for a while. An idle service then costs next to
/// nothing.
const IDLE_LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long nothing must happen before that.
const IDLE_AFTER: Duration = Duration::from_secs(10);
/// The time between two looks while things happen all the time.
const PACE: Duration = Duration::from_millis(5);
/// The shortest time between two looks.
const BREATHER: Duration = Duration::from_millis(1);
/// How often to check for services that died, and for a leader.
const SEE_TO_OTHERS: Duration = Duration::from_secs(1);
/// How often to check for what other processes have left.
const RESCUE_EVERY: Duration = Duration::from_secs(10);
/// How long a run waits for its jobs. It may have arrived before their files were read.
const PATIENCE: Duration = Duration::from_secs(2);

/// Handles what is due, on a separate thread.
pub(super) struct Clerk {
    pub(super) engine: Arc<Engine>,
    pub(super) runs: Arc<Runs>,
    pub(super) executor: Arc<Executor>,
    pub(super) store: Arc<Store>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) current: watch::Receiver<Arc<Snapshot>>,
    pub(super) leads: Arc<AtomicBool>,
    /// Whether jobs that name no trigger have `on: change`.
    pub(super) on_change: bool,
    pub(super) wakes: Receiver<Wake>,
    pub(super) metrics: Arc<Metrics>,
}

/// What the clerk has to look at.
struct Desk {
    scheduler: Scheduler,
    sweeper: Sweeper,
    /// Notified once the first jobs are in force.
    ready: Option<Sender<()>>,
    /// Runs of this process to resume, each with whether it may have builds already.
    claimed: Vec<(Run, bool)>,
    /// New jobs that were not handled yet.
    reloads: Vec<Arc<Snapshot>>,
    /// The last known `data_version`.
    version: Option<u64>,
    /// Whether that has changed since the last check for other services.
    altered: bool,
    /// When something last happened.
    stirred: Instant,
    /// When the last look was over.
    looked: Instant,
    /// Whether runs may wait.
    runs: bool,
    /// Whether runs of schedules that are held back may start.
    queued: bool,
    /// Whether jobs with `on: change` may be due.
    changes: bool,
    /// Whether services may have died before they reported runs that ended.
    untold: bool,
    others: Option<Instant>,
    /// Whether there may be other services with runs, which may die.
    has_others: bool,
    rescued: Option<Instant>,
    signs: Signs,
    /// The last error, so that it is logged once.
    trouble: Option<String>,
}

impl Clerk {
    /// Works until it is asked to stop.
    pub(super) fn work(self, ready: Sender<()>) {
        let mut desk = Desk {
            scheduler: Scheduler::new(Arc::clone(&self.store), Arc::clone(&self.storage), Arc::clone(&self.metrics)),
            sweeper: Sweeper::new(Arc::clone(&self.engine), Arc::clone(&self.storage)),
            ready: Some(ready),
            claimed: Vec::new(),
            reloads: Vec::new(),
            version: None,
            altered: true,
            stirred: Instant::now(),
            looked: Instant::now(),
            runs: true,
            queued: true,
            changes: true,
            untold: false,
            others: None,
            has_others: true,
            rescued: None,
            signs: Signs::of_environment(),
            trouble: None,
        };
        loop {
            match self.wakes.recv_timeout(self.patience(&desk)) {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(wake) => {
                    // In a burst, one look serves many.
                    thread::sleep(PACE.saturating_sub(desk.looked.elapsed()));
                    self.note(wake, &mut desk);
                    while let Ok(wake) = self.wakes.try_recv() {
                        if matches!(wake, Wake::Stop) {
                            return;
                        }
                        self.note(wake, &mut desk);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            match self.step(&mut desk) {
                Ok(()) => desk.trouble = None,
                Err(error) => {
                    let message = error.to_string();
                    if desk.trouble.as_ref() != Some(&message) {
                        tracing::error!(reason = message.as_str(), "the store cannot be used");
                        desk.trouble = Some(message);
                    }
                }
            }
            desk.signs.give(|| self.standing());
            desk.looked = Instant::now();
        }
    }

    /// Returns how long to wait for something to happen.
    fn patience(&self, desk: &Desk) -> Duration {
        let every = if desk.stirred.elapsed() < IDLE_AFTER { LOOK_EVERY } else { IDLE_LOOK_EVERY };
        // Work that is due but fails is not tried without end.
        let leads = self.leads.load(Ordering::Relaxed) && desk.trouble.is_none();
        if leads { every.min(desk.scheduler.quiet()).max(BREATHER) } else { every }
    }

    /// Returns the state of the service in one line.
    fn standing(&self) -> String {
        let now = self.current.borrow().reload.catalog.graph.jobs.len();
        let (running, waiting) = self.engine.slots().counts();
        let runs = self.runs.count();
        format!("jobs: {now}; runs: {runs}; builds: {running} running, {waiting} waiting")
    }

    fn note(&self, wake: Wake, desk: &mut Desk) {
        desk.stirred = Instant::now();
        match wake {
            Wake::Files(now) => desk.reloads.push(now),
            Wake::Ended => desk.changes = true,
            Wake::RunEnded { run, is_scheduled, ends } => {
                if let (Some(run), Ok(ends)) = (run, &*ends) {
                    let failed = ends.values().filter(|end| !end.is_success()).count();
                    tracing::info!(run, jobs = ends.len(), failed, "run ended");
                }
                if let Err(error) = &*ends {
                    tracing::error!(reason = error.to_string().as_str(), "the end of a run could not be written");
                }
                (desk.runs, desk.changes) = (true, true);
                // The next run of its schedule may wait for its end.
                desk.queued |= is_scheduled;
            }
            Wake::Look => desk.runs = true,
            Wake::Stop => {}
        }
    }

    fn step(&self, desk: &mut Desk) -> Result<()> {
        let version = self.storage.data_version()?;
        if desk.version.replace(version) != Some(version) {
            (desk.runs, desk.changes) = (true, true);
            // Another service may have started.
            (desk.has_others, desk.altered) = (true, true);
            desk.stirred = Instant::now();
        }
        let is_due = |last: &Option<Instant>, every| last.is_none_or(|at| at.elapsed() >= every);
        if is_due(&desk.others, SEE_TO_OTHERS) {
            desk.others = Some(Instant::now());
            let led = self.leads.load(Ordering::Relaxed);
            if self.see_to_others(desk)? && !led {
                tracing::info!("this service leads: it handles schedules and `on: change`");
                desk.scheduler.look_again();
                desk.sweeper.look_again();
                (desk.changes, desk.untold) = (true, true);
            }
            // Somebody else may have ended the previous run.
            desk.queued |= std::mem::take(&mut desk.altered);
        }
        if is_due(&desk.rescued, RESCUE_EVERY) {
            desk.rescued = Some(Instant::now());
            let rescued = rescue(&*self.storage)?;
            self.executor.expect(rescued.left);
        }
        let now = Arc::clone(&self.current.borrow());
        while let Some(reload) = desk.reloads.first() {
            self.reloaded(reload)?;
            let now = desk.reloads.remove(0);
            if let Some(ready) = desk.ready.take() {
                let jobs = now.workspace.jobs.display().to_string();
                tracing::info!(jobs = jobs.as_str(), "serving");
                // The caller that started the service waits for this.
                let _ = ready.send(());
            }
            (desk.runs, desk.changes) = (true, true);
            desk.scheduler.look_again();
            desk.sweeper.look_again();
        }
        if self.leads.load(Ordering::Relaxed) {
            desk.runs |= desk.scheduler.step(&now.reload.catalog)?;
            if desk.queued {
                desk.runs |= desk.scheduler.start_queued()?;
                desk.queued = false;
            }
        }
        self.go_on(desk, &now)?;
        // Work that fails here is tried again at the next step.
        if desk.runs {
            desk.runs = self.take_waiting(desk, &now)?;
        }
        if self.leads.load(Ordering::Relaxed) && desk.changes {
            self.build_changed(&now)?;
            desk.changes = false;
        }
        if self.leads.load(Ordering::Relaxed) {
            desk.sweeper.step(&now)?;
            if desk.untold {
                desk.untold = !self.runs.tell_of_left()?;
            }
        }
        Ok(())
    }

    /// Keeps the lease, looks for a leader, and resumes what services that died have left.
    fn see_to_others(&self, desk: &mut Desk) -> Result<bool> {
        let owner = self.runs.owner();
        self.storage.renew(owner)?;
        let leads = self.storage.lead(owner)?;
        self.leads.store(leads, Ordering::Relaxed);
        if !desk.has_others {
            return Ok(leads);
        }
        let now = Arc::clone(&self.current.borrow());
        let mut others = self.storage.get_open_owners()?;
        others.retain(|other| *other != **owner);
        desk.has_others = !others.is_empty();
        for other in others {
            if self.storage.is_alive(&other)? {
                continue;
            }
            let of_other = RunFilter {
                open: Some(true),
                service: Some(true),
                held: Some(false),
                owner: Some(other.clone()),
                ..RunFilter::default()
            };
            desk.untold = true;
            let from: Arc<str> = other.as_str().into();
            let runs = self.storage.get_runs(&of_other)?;
            if runs.is_empty() {
                // It died while it made a held run, which is taken once that run is started.
                self.storage.release(&other);
                continue;
            }
            tracing::info!(
                service = other.as_str(),
                runs = runs.len(),
                "another service is gone, and its runs continue here"
            );
            // The oldest first.
            let (cancelled, left): (Vec<_>, Vec<_>) = runs.into_iter().rev().partition(|run| run.cancel.is_some());
            for run in &cancelled {
                self.end_cancelled(run)?;
            }
            self.take(desk, &now, left.into_iter().map(|run| (run, Some(Arc::clone(&from)))).collect())?;
            self.storage.release(&other);
        }
        Ok(leads)
    }

    /// Ends a cancelled run whose service died before it could end it.
    fn end_cancelled(&self, run: &Run) -> Result<()> {
        match end_dead(&*self.storage, run.id, run.cancel.as_deref().unwrap_or_default()) {
            Ok(()) => Ok(()),
            Err(refusal) => {
                tracing::warn!(run = run.id, reason = refusal.message.as_str(), "a cancelled run cannot be ended");
                Ok(())
            }
        }
    }

    /// Takes runs that wait. Returns whether some are left that need another look.
    fn take_waiting(&self, desk: &mut Desk, now: &Snapshot) -> Result<bool> {
        let room = self.runs.room();
        // Taking few at a time would cost a look at the store for each.
        if room < TAKEN_AT_ONCE / 2 {
            return Ok(false);
        }
        let waiting = self.storage.get_waiting_runs(room as u64)?;
        let (mut ready, mut again) = (Vec::new(), false);
        for id in waiting {
            let run = self.storage.get_run(id)?;
            if run.cancel.is_some() {
                // Whoever cancelled it may have died before it ended.
                self.end_cancelled(&run)?;
                continue;
            }
            let age = Duration::from_micros(self.storage.clock().now().since(run.created));
            if age < PATIENCE && !is_known(&run, |job| now.reload.catalog.graph.jobs.contains_key(job)) {
                again = true;
            } else {
                ready.push((run, None));
            }
        }
        let all = ready.len() == room;
        self.take(desk, now, ready)?;
        Ok(again || all)
    }

    /// Takes over runs, each from the process that has it now, if there is one.
    fn take(&self, desk: &mut Desk, now: &Snapshot, runs: Vec<(Run, Option<Arc<str>>)>) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = runs.iter().map(|(run, from)| (run.id, from.clone())).collect();
        let (taken, claimed) = self.runs.claim(&wanted);
        let ours = runs.into_iter().filter_map(|(run, _)| Some((taken.get(&run.id).copied()?, run)));
        desk.claimed.extend(ours.map(|(has_builds, run)| (run, has_builds)));
        self.go_on(desk, now)?;
        claimed
    }

    /// Resumes the runs of this process. A run that cannot be read now is tried again at the next
    /// step.
    fn go_on(&self, desk: &mut Desk, now: &Snapshot) -> Result<()> {
        while let Some((run, has_builds)) = desk.claimed.last() {
            let resume = resume(&now.workspace, &now.reload.catalog, &*self.storage, run.clone(), *has_builds)?;
            self.runs.resume(run.id, &run.requester, resume);
            desk.claimed.pop();
        }
        Ok(())
    }

    /// Records a reload, and passes its pools and jobs to the engine.
    fn reloaded(&self, now: &Snapshot) -> Result<()> {
        self.executor.pools().resize(now.workspace.context.pools.clone());
        self.executor.forget_plugins(&now.reload.catalog);
        let changes = &now.changes;
        self.metrics.reloaded();
        tell(now);
        if self.leads.load(Ordering::Relaxed) {
            let created = self.storage.clock().now();
            self.storage.write(Write::Reload(NewReload { created, reload: changes.clone() }))?;
        }
        Ok(())
    }

    /// Builds the jobs with `on: change` that are due.
    fn build_changed(&self, now: &Snapshot) -> Result<()> {
        let by_default = self.on_change || now.workspace.on_change;
        if !now.reload.catalog.graph.jobs.values().any(|checked| checked.job.builds_on_change(by_default)) {
            return Ok(());
        }
        let mut pending: BTreeSet<String> = self.runs.pending().into_iter().collect();
        pending.extend(self.pending_elsewhere()?);
        let due = changed(&now.reload.catalog, &*self.storage, by_default, &pending)?;
        tracing::debug!(due = due.len(), "changes were looked at");
        if due.is_empty() {
            return Ok(());
        }
        let targets: Vec<&str> = due.iter().map(|due| &*due.job).collect();
        let ask = RunAsk { targets, deps: true, unattended: true, ..RunAsk::default() };
        match run_of(&now.reload.catalog, &self.store, &ask, BTreeMap::new()) {
            Ok(ready) => {
                self.runs.start_recorded(ready, &Requester::Change)?;
            }
            Err(refusal) => {
                let (jobs, reason) = (ask.targets.join(" "), refusal.message.as_str());
                tracing::warn!(jobs = jobs.as_str(), reason, "jobs that have changed cannot be built");
            }
        }
        // Written after the run is recorded, so that what the store refuses is tried again.
        let tried = due
            .iter()
            .map(|DueJob { job, fingerprint }| Tried { job: Arc::clone(job), fingerprint: fingerprint.clone() });
        self.storage.write(Write::Tried(tried.collect())).map(drop)
    }

    /// Returns the jobs of open runs that changes have started in other services.
    fn pending_elsewhere(&self) -> Result<Vec<String>> {
        let by = Some(Requester::Change.to_string());
        let open = RunFilter { open: Some(true), service: Some(true), requested_by: by, ..RunFilter::default() };
        let elsewhere = self.storage.get_runs(&open)?.into_iter().filter(|run| !self.runs.has(run.id));
        Ok(elsewhere.filter_map(|run| run.plan).flat_map(|plan| plan.order).collect())
    }
}

/// Logs what a reload changed.
fn tell(now: &Snapshot) {
    let changes = &now.changes;
    let (added, changed, removed) = (changes.added.len(), changes.altered.len(), changes.removed.len());
    let (jobs, mistakes) = (changes.jobs, changes.errors);
    if mistakes == 0 {
        tracing::info!(jobs, added, changed, removed, "the jobs folder was read");
    } else {
        tracing::warn!(jobs, added, changed, removed, mistakes, "the jobs folder was read, and has mistakes");
    }
    for problem in &changes.problems {
        let (file, line) = (problem.file.as_deref().unwrap_or_default(), problem.line.unwrap_or_default());
        tracing::warn!(code = problem.code.as_str(), file, line, reason = problem.message.as_str(), "a mistake");
    }
}
