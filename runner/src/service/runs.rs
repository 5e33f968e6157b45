//! The runs that a service works on: runs that it starts, runs that waited for it, and runs that
//! others left.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::storage::ClaimRun;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_sandbox::Cancel;
use tokio::sync::oneshot;

use crate::execute::dispatcher::Batch;
use crate::execute::dispatcher::Begun;
use crate::execute::dispatcher::Over;
use crate::execute::dispatcher::RunIs;
use crate::execute::dispatcher::Told;
use crate::execute::dispatcher::dispatch;
use crate::execute::executor::Executor;
use crate::execute::hold::hold;
use crate::execute::job_end::JobEnd;
use crate::lock::lock;
use crate::request::ready::Ready;
use crate::request::resume::Resume;
use crate::service::engine::Engine;
use crate::service::notify::Notifier;
use crate::service::run::new_run;
#[cfg(feature = "otel")]
use crate::service::traces::Traces;
use crate::service::wake::Wake;

/// A service takes runs that wait in the store while it works on fewer than this many. That is
/// enough to keep every slot busy although many runs wait for a pool. It is few enough that a
/// second service finds some.
pub(super) const TAKEN_AT_ONCE: usize = 2_048;

/// The runs that a service works on.
pub struct Runs {
    engine: Arc<Engine>,
    executor: Arc<Executor>,
    storage: Arc<dyn Storage>,
    /// The jobs of each run that still have a build to come, by a number of this process.
    active: Mutex<BTreeMap<u64, Active>>,
    next: AtomicUsize,
    /// The callers that wait for the end of a run.
    waiting: Mutex<HashMap<u64, Vec<oneshot::Sender<()>>>>,
    wake: Sender<Wake>,
    notifier: Notifier,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
}

/// A run that is worked on.
struct Active {
    /// `None` until the store has it.
    run: Option<u64>,
    /// The jobs of its plan that have not ended.
    pending: Vec<String>,
}

impl Runs {
    pub(super) fn new(
        engine: Arc<Engine>,
        executor: Arc<Executor>,
        storage: Arc<dyn Storage>,
        wake: Sender<Wake>,
        notifier: Notifier,
    ) -> Self {
        Self {
            engine,
            executor,
            storage,
            active: Mutex::default(),
            next: AtomicUsize::new(0),
            waiting: Mutex::default(),
            wake,
            notifier,
            #[cfg(feature = "otel")]
            traces: None,
        }
    }

    /// Sends spans of runs to a collector.
    ///
    /// # Errors
    ///
    /// Returns the reason if this cannot be done.
    #[cfg(feature = "otel")]
    pub(super) fn trace(&mut self, url: &str, http: &HttpRules) -> std::result::Result<(), String> {
        let traces = Traces::to_collector(url, http, Arc::clone(&self.storage))?;
        let calls = traces.calls();
        self.engine.publisher().observe_calls(Box::new(move |call| calls.made(call)));
        self.traces = Some(traces);
        Ok(())
    }

    /// Returns an error: without the feature `otel`, this program has no spans.
    #[cfg(not(feature = "otel"))]
    pub(super) fn trace(&mut self, url: &str, _: &HttpRules) -> std::result::Result<(), String> {
        Err(format!("spans cannot be sent to `{url}`: this program was built without the feature `otel`"))
    }

    /// Returns the process that works on the runs.
    pub(super) fn owner(&self) -> &Arc<str> {
        self.executor.owner()
    }

    /// Starts a run in the background. If `priority` is given, it replaces the priority of the
    /// run's jobs. The receiver gets the run's id once the store has it, or why the store refuses
    /// it.
    ///
    /// # Errors
    ///
    /// Returns an error if the plan cannot be packed.
    pub fn start(
        self: &Arc<Self>,
        ready: Ready,
        requester: &Requester,
        priority: Option<i64>,
    ) -> Result<oneshot::Receiver<Result<u64>>> {
        let new = self.new_run(&ready, requester, priority)?;
        let (told, tell) = oneshot::channel();
        self.work(ready, RunIs::New(new), BTreeMap::new(), requester, Some(told));
        Ok(tell)
    }

    fn new_run(&self, ready: &Ready, requester: &Requester, priority: Option<i64>) -> Result<NewRun> {
        let new = new_run(ready, requester, self.storage.clock())?;
        let priority = priority.unwrap_or(new.priority);
        Ok(NewRun { service: true, owner: Some(Arc::clone(self.owner())), priority, ..new })
    }

    /// Records a run that waits until somebody starts it, and returns its id. Creates a build of
    /// each job that waits for nothing; these builds have no owner. A job whose build cannot be
    /// created has none before the run is started. Blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub fn hold(&self, ready: Ready, requester: &Requester, priority: Option<i64>) -> Result<u64> {
        let new = NewRun { held: true, ..self.new_run(&ready, requester, priority)? };
        let run = self.storage.write(Write::CreateRun(new))?;
        let Ready { catalog, plan, requests, .. } = ready;
        let executor = Arc::clone(&self.executor);
        let created = self.engine.guests().block_on(hold(&executor, &catalog, &plan, &requests, run));
        self.storage.write(Write::ReleaseRun(run, Arc::clone(self.owner())))?;
        created.map(|()| run)
    }

    /// Returns how many more of the runs that wait can be taken.
    pub(super) fn room(&self) -> usize {
        TAKEN_AT_ONCE.saturating_sub(lock(&self.active).len())
    }

    /// Returns how many runs are worked on.
    pub fn count(&self) -> usize {
        lock(&self.active).len()
    }

    /// Returns whether a run is worked on in this process.
    pub(super) fn has(&self, run: u64) -> bool {
        lock(&self.active).values().any(|active| active.run == Some(run))
    }

    /// Returns a receiver that is notified once a run is over, or is given away. Returns `None` if
    /// the run is not worked on in this process.
    pub(crate) fn over(&self, run: u64) -> Option<oneshot::Receiver<()>> {
        let (over, told) = oneshot::channel();
        lock(&self.waiting).entry(run).or_default().push(over);
        // Checked after that: a run that ends now has notified the receivers, or is not in the list
        // any more.
        if self.has(run) {
            return Some(told);
        }
        lock(&self.waiting).remove(&run);
        None
    }

    /// Returns the jobs that still have a build to come.
    pub(super) fn pending(&self) -> Vec<String> {
        lock(&self.active).values().flat_map(|active| active.pending.iter().cloned()).collect()
    }

    /// Starts a run in the background. The store has the run when this returns.
    ///
    /// # Errors
    ///
    /// Returns an error if the plan cannot be packed, or if the store cannot be written.
    pub(super) fn start_recorded(self: &Arc<Self>, ready: Ready, requester: &Requester) -> Result<u64> {
        let run = self.storage.write(Write::CreateRun(self.new_run(&ready, requester, None)?))?;
        self.work(ready, RunIs::Open(run), BTreeMap::new(), requester, None);
        Ok(run)
    }

    /// Takes over open runs. Returns the runs that this process has now, each with whether it may
    /// have builds already. Also returns the first error; other runs may have been taken all the
    /// same.
    pub(super) fn claim(&self, runs: &[(u64, Option<Arc<str>>)]) -> (BTreeMap<u64, bool>, Result<()>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        for (id, from) in runs {
            let (id, sender) = (*id, sender.clone());
            let claim = ClaimRun { id, from: from.clone(), owner: Arc::clone(self.owner()) };
            self.storage.submit(Write::ClaimRun(claim), Box::new(move |answer| drop(sender.send((id, answer)))));
        }
        drop(sender);
        let (mut taken, mut failed) = (BTreeMap::new(), Ok(()));
        for (id, answer) in receiver {
            match answer {
                Ok(0) | Err(StorageError::NoRun(_)) => {}
                Ok(how) => drop(taken.insert(id, how > 1)),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        (taken, failed)
    }

    /// Resumes an open run of this process.
    pub(super) fn resume(self: &Arc<Self>, run: u64, requester: &Requester, resume: Resume) {
        self.work(resume.ready, RunIs::Open(run), resume.begun, requester, None);
    }

    fn work(
        self: &Arc<Self>,
        ready: Ready,
        run: RunIs,
        begun: BTreeMap<String, Begun>,
        requester: &Requester,
        told: Option<oneshot::Sender<Result<u64>>>,
    ) {
        let is_scheduled = matches!(requester, Requester::Schedule(_));
        let number = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        // A run is cancelled by a request in the store.
        let (_, cancel) = Cancel::pair();
        let known = if let RunIs::Open(run) = run { Some(run) } else { None };
        let is_over = |id: &&String| matches!(begun.get(*id), Some(Begun::Ended(_)));
        let pending = ready.plan.order.iter().filter(|id| !is_over(id)).cloned().collect();
        lock(&self.active).insert(number, Active { run: known, pending });
        let (targets, left_out) = (ready.called(), ready.guarded_because());
        let Ready { catalog, plan, requests, shared, .. } = ready;
        let (here, asked) = (Arc::clone(self), Arc::new(Mutex::new(told)));
        let waits = Arc::clone(&asked);
        let told: Told = Arc::new(move |run| {
            if let Some(active) = lock(&here.active).get_mut(&number) {
                active.run = Some(run);
            }
            answer(&asked, Ok(run));
        });
        let here = Arc::clone(self);
        let over: Over = Arc::new(move |job| {
            if let Some(active) = lock(&here.active).get_mut(&number) {
                active.pending.retain(|other| other != job);
            }
            let _ = here.wake.send(Wake::Ended);
        });
        let (told, over) = (Some(told), Some(over));
        let batch = Batch { catalog, plan, requests, targets, shared, run, begun, left_out, told, over };
        let (executor, slots, runs) = (Arc::clone(&self.executor), self.engine.slots().clone(), Arc::clone(self));
        self.engine.guests().spawn(async move {
            let ends = dispatch(&executor, &slots, batch, &cancel).await;
            if let Err(error) = &ends {
                answer(&waits, Err(error.clone()));
            }
            let active = lock(&runs.active).remove(&number);
            let run = active.and_then(|active| active.run);
            if let Some(waiting) = run.and_then(|run| lock(&runs.waiting).remove(&run)) {
                waiting.into_iter().for_each(|over| {
                    let _ = over.send(());
                });
            }
            let is_good = ends.as_ref().is_ok_and(|ends| ends.values().all(JobEnd::is_success));
            if let Some(run) = run.filter(|_| !is_good) {
                runs.notifier.run_failed(run);
            }
            #[cfg(feature = "otel")]
            if let (Some(run), Some(traces)) = (run, &runs.traces) {
                traces.run_ended(run);
            }
            let _ = runs.wake.send(Wake::RunEnded { run, is_scheduled, ends: Box::new(ends) });
        });
    }

    /// Returns whether a run has no more builds to come, and is about to end.
    pub(super) fn are_ending(&self) -> bool {
        lock(&self.active).values().any(|active| active.pending.is_empty())
    }

    /// Leaves all open runs of this process to the other services. Returns how many there are.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
    pub(super) fn leave(&self) -> Result<usize> {
        let runs: Vec<u64> = lock(&self.active).values().filter_map(|active| active.run).collect();
        for run in &runs {
            match self.storage.write(Write::ReleaseRun(*run, Arc::clone(self.owner()))) {
                Ok(_) | Err(StorageError::NoRun(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(runs.len())
    }

    /// Reports runs that ended badly before their services, which are gone, had reported them.
    /// Returns false if there was no room for all of them.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub(super) fn tell_of_left(&self) -> Result<bool> {
        for id in self.storage.get_untold_runs()? {
            let owner = self.storage.get_run(id)?.owner;
            let tells = |owner: &str| owner == &**self.owner() || self.storage.is_alive(owner).unwrap_or(true);
            if !owner.as_deref().is_some_and(tells) && !self.notifier.run_left(id) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits a moment until the receivers of ended runs are notified. Blocks.
    pub(super) fn stop_telling(&self) {
        self.notifier.stop();
        #[cfg(feature = "otel")]
        if let Some(traces) = &self.traces {
            traces.stop();
        }
    }
}

/// Sends the result to the caller that asked for a run, once. The caller may be gone.
fn answer(asked: &Mutex<Option<oneshot::Sender<Result<u64>>>>, run: Result<u64>) {
    if let Some(asked) = lock(asked).take() {
        let _ = asked.send(run);
    }
}

/// Returns whether every job of a run's plan is in a catalog.
pub(super) fn is_known(run: &Run, knows: impl Fn(&str) -> bool) -> bool {
    run.plan.iter().flat_map(|plan| &plan.order).all(|id| knows(id))
}
