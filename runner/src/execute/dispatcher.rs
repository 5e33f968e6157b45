//! A plan to builds, in parallel where the graph allows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::event::Ending;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_refused;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::SandboxError;
use tokio::task::JoinSet;

use crate::catalog::load::Catalog;
use crate::execute::error::ExecuteError;
use crate::execute::executor::Executor;
use crate::execute::executor::Waited;
use crate::execute::last_word::write_end_of_run;
use crate::execute::prepared::Prepared;
use crate::execute::sharing::SharedEnd;
use crate::execute::slots::Slots;

/// A plugin that takes longer to compile is told of, so that nobody looks at an empty screen.
const LONG: Duration = Duration::from_secs(1);

/// What became of one job of a plan.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// A build ended; if it failed, with a failure of this kind. All else of it is in the store.
    Built(u64, Option<FailureKind>),
    /// A build ended with nothing to do.
    Skipped(u64),
    /// Another run made the same build at the same time.
    Shared(SharedEnd),
    /// There is no build, for this reason.
    NotBuilt(ExecuteError),
    /// This job, which it needs, did not succeed.
    NeedFailed(String),
    /// The run was cancelled before its turn came.
    Cancelled,
}

impl JobEnd {
    /// Whether what needs the job can be built. What needs one that had nothing to do uses its latest success.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Built(_, None) | Self::Skipped(_) | Self::Shared(SharedEnd { failure: None, .. }))
    }

    /// Whether there was nothing to do.
    fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped(_) | Self::Shared(SharedEnd { skipped: true, .. }))
    }

    /// The build of this run.
    pub fn build(&self) -> Option<u64> {
        match self {
            Self::Built(build, _) | Self::Skipped(build) => Some(*build),
            Self::Shared(_) | Self::NotBuilt(_) | Self::NeedFailed(_) | Self::Cancelled => None,
        }
    }

    /// The kind of the failure of its build, whichever run it belongs to.
    pub fn failure(&self) -> Option<&FailureKind> {
        match self {
            Self::Built(_, failure) => failure.as_ref(),
            Self::Shared(end) => end.failure.as_ref().map(|failure| &failure.kind),
            Self::Skipped(_) | Self::NotBuilt(_) | Self::NeedFailed(_) | Self::Cancelled => None,
        }
    }
}

/// What is built together.
pub struct Batch {
    /// The jobs as they are now.
    pub catalog: Arc<Catalog>,
    /// What to build.
    pub plan: Plan,
    /// What was asked of single builds, by job.
    pub requests: BTreeMap<String, BuildRequest>,
    /// The jobs that are called even if all that they need was skipped.
    pub targets: BTreeSet<String>,
    /// The jobs whose builds may be left to another run, with the latest success of each when it was found to be due, or
    /// 0. They are built because others need them, not because somebody named them.
    pub shared: BTreeMap<String, u64>,
    /// The run as it is to be recorded.
    pub run: NewRun,
}

/// Records a run and builds its plan. One failure stops only what needs it.
///
/// # Errors
///
/// The store's, before anything is built, or at the end of the run.
pub async fn dispatch(
    executor: &Arc<Executor>,
    slots: &Slots,
    batch: Batch,
    cancel: &Cancel,
) -> StorageResult<BTreeMap<String, JobEnd>> {
    let Batch { catalog, plan, requests, targets, shared, run } = batch;
    let (new, work) = (Arc::new(run), Work { catalog, plan, requests, targets, shared });
    if work.plan.order.len() == 1 {
        // A run of one build is recorded with it, and ends with it: that costs no commit.
        let ends = build_all(executor, slots, &work, &RunOf::New(Arc::clone(&new)), cancel).await;
        let is_recorded =
            |end: &JobEnd| end.build().is_some() || matches!(end, JobEnd::NotBuilt(ExecuteError::Unrecorded { .. }));
        if !ends.values().any(is_recorded) {
            let run = executor.recorder().write(Write::CreateRun((*new).clone())).await?;
            end_run(executor, run, &ends, cancel.is_set()).await?;
        }
        return Ok(ends);
    }
    let run = executor.recorder().write(Write::CreateRun((*new).clone())).await?;
    let ticket = executor.canceller().enter_run(run);
    let cancel = cancel.clone().or(ticket.cancel.clone());
    let ends = build_all(executor, slots, &work, &RunOf::Run(run), &cancel).await;
    end_run(executor, run, &ends, cancel.is_set()).await?;
    Ok(ends)
}

/// Records how a run ended, and why jobs have no build where their builds do not tell.
async fn end_run(executor: &Executor, id: u64, ends: &BTreeMap<String, JobEnd>, cancelled: bool) -> StorageResult<()> {
    let refused = ends.iter().filter_map(|(job, end)| match end {
        JobEnd::NotBuilt(error) => Some((job.clone(), error.to_string())),
        JobEnd::Shared(SharedEnd { build, failure: Some(_), .. }) => {
            Some((job.clone(), format!("build {build}, which another run made at the same time, failed")))
        }
        _ => None,
    });
    let shared = ends.iter().filter_map(|(job, end)| match end {
        JobEnd::Shared(SharedEnd { build, failure: None, .. }) => Some((job.clone(), *build)),
        _ => None,
    });
    let was_cancelled = |end: &JobEnd| end.failure() == Some(&FailureKind::Cancelled);
    let status = match ends.values().all(JobEnd::is_success) {
        true => RunStatus::Successful,
        false if cancelled || ends.values().any(was_cancelled) => RunStatus::Cancelled,
        false => RunStatus::Failed,
    };
    let time = executor.recorder().storage().clock().now();
    let end = EndRun { id, time, status, refused: pack_refused(&refused.collect(), &shared.collect()) };
    write_end_of_run(executor.recorder(), executor.owner(), end).await
}

/// What is built, whatever run it is recorded as.
struct Work {
    catalog: Arc<Catalog>,
    plan: Plan,
    requests: BTreeMap<String, BuildRequest>,
    targets: BTreeSet<String>,
    shared: BTreeMap<String, u64>,
}

impl Work {
    /// What a job needs of the plan, if all of that was skipped, and nobody asked for anything of the job itself.
    fn skipped_needs(&self, id: &str, ends: &BTreeMap<String, JobEnd>) -> Vec<String> {
        let needs = self.plan.waits_for.get(id).map(Vec::as_slice).unwrap_or_default();
        let all_skipped = needs.iter().all(|need| ends.get(need).is_some_and(JobEnd::is_skipped));
        let is_asked = self.targets.contains(id) || self.requests.contains_key(id);
        if all_skipped && !is_asked { needs.to_vec() } else { Vec::new() }
    }
}

async fn build_all(
    executor: &Arc<Executor>,
    slots: &Slots,
    work: &Work,
    run: &RunOf,
    cancel: &Cancel,
) -> BTreeMap<String, JobEnd> {
    let mut ends: BTreeMap<String, JobEnd> = BTreeMap::new();
    let mut running = JoinSet::new();
    let (mut waiting, mut ready) = Waiting::new(&work.plan);
    loop {
        for id in ready {
            let one = One {
                executor: Arc::clone(executor),
                catalog: Arc::clone(&work.catalog),
                request: work.requests.get(&id).cloned().unwrap_or_default(),
                skipped_needs: work.skipped_needs(&id, &ends),
                shared_after: work.shared.get(&id).copied(),
                run: run.clone(),
                slots: slots.clone(),
                cancel: cancel.clone(),
                id,
            };
            running.spawn(async move {
                let end = one.build().await;
                (one.id, end)
            });
        }
        match running.join_next().await {
            Some(Ok((id, end))) => ready = waiting.ended(id, end, &mut ends),
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => return ends,
        }
    }
}

/// What waits for what: each end is looked at once by each job that waits for it.
struct Waiting {
    /// How many of its needs have not succeeded yet.
    left: BTreeMap<String, usize>,
    dependents: BTreeMap<String, Vec<String>>,
}

impl Waiting {
    /// With the jobs that wait for nothing.
    fn new(plan: &Plan) -> (Self, Vec<String>) {
        let mut waiting = Self { left: BTreeMap::new(), dependents: BTreeMap::new() };
        for id in &plan.order {
            let needs = plan.waits_for.get(id).map(Vec::as_slice).unwrap_or_default();
            waiting.left.insert(id.clone(), needs.len());
            for need in needs {
                waiting.dependents.entry(need.clone()).or_default().push(id.clone());
            }
        }
        let is_ready = |id: &&String| waiting.left.get(*id).is_some_and(|left| *left == 0);
        let ready = plan.order.iter().filter(is_ready).cloned().collect();
        (waiting, ready)
    }

    /// Records an end; gives what can start now, and ends what cannot start any more.
    fn ended(&mut self, id: String, end: JobEnd, ends: &mut BTreeMap<String, JobEnd>) -> Vec<String> {
        let mut ready = Vec::new();
        if end.is_success() {
            for dependent in self.dependents.remove(&id).unwrap_or_default() {
                if let Some(left) = self.left.get_mut(&dependent) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(dependent);
                    }
                }
            }
        } else {
            let mut failed = vec![id.clone()];
            while let Some(need) = failed.pop() {
                for dependent in self.dependents.remove(&need).unwrap_or_default() {
                    if !ends.contains_key(&dependent) {
                        ends.insert(dependent.clone(), JobEnd::NeedFailed(need.clone()));
                        failed.push(dependent);
                    }
                }
            }
        }
        ends.insert(id, end);
        ready
    }
}

/// One job of a plan whose turn has come.
struct One {
    executor: Arc<Executor>,
    catalog: Arc<Catalog>,
    id: String,
    request: BuildRequest,
    /// What it needs, if all of that was skipped.
    skipped_needs: Vec<String>,
    /// The latest success that was known, after which a build of another run will do; none where none will.
    shared_after: Option<u64>,
    run: RunOf,
    slots: Slots,
    cancel: Cancel,
}

impl One {
    async fn build(&self) -> JobEnd {
        if self.cancel.is_set() {
            return JobEnd::Cancelled;
        }
        if !self.skipped_needs.is_empty() {
            let checked = &self.catalog.graph.jobs[&self.id];
            match self.executor.skip_unchanged(checked, &self.run, &self.skipped_needs).await {
                Ok(Some(build)) => return JobEnd::Skipped(build),
                Ok(None) => {}
                Err(error) => return JobEnd::NotBuilt(error),
            }
        }
        match self.prepare().await {
            Ok(Some(prepared)) => self.run(prepared).await,
            Ok(None) => JobEnd::Cancelled,
            Err(error) => JobEnd::NotBuilt(error),
        }
    }

    /// Makes the job ready; none if the run is cancelled before.
    async fn prepare(&self) -> Result<Option<Prepared>, ExecuteError> {
        let mut cancel = self.cancel.clone();
        let digest = &self.catalog.graph.jobs[&self.id].plugin.digest;
        let turn = tokio::select! {
            biased;
            () = cancel.wait() => return Ok(None),
            turn = self.executor.turns().take(digest) => turn?,
        };
        let preparing = {
            let (executor, catalog, id) = (Arc::clone(&self.executor), Arc::clone(&self.catalog), self.id.clone());
            let cancel = cancel.clone();
            // Compiling takes seconds for a large plugin, and must not hold up guests that run.
            tokio::task::spawn_blocking(move || {
                let granted = catalog.granted.get(&id).cloned().unwrap_or_default();
                executor.prepare(&catalog.graph.jobs[&id], granted, &cancel)
            })
        };
        let mut told = turn.is_none();
        let mut preparing = std::pin::pin!(preparing);
        let prepared = loop {
            tokio::select! {
                biased;
                () = cancel.wait() => return Ok(None),
                prepared = &mut preparing => {
                    break prepared.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                }
                () = tokio::time::sleep(LONG), if !told => {
                    told = true;
                    let plugin = &self.catalog.graph.jobs[&self.id].plugin;
                    self.executor.tell_compiling(&self.id, plugin);
                }
            }
        };
        if let Some(turn) = turn {
            // What is wrong with this job's arguments alone is nothing to others.
            match &prepared {
                // It was cancelled, and others that wait may not be.
                Err(ExecuteError::Sandbox(SandboxError::Interrupted(_))) => drop(turn),
                Err(error @ ExecuteError::Sandbox(_)) => turn.end(Err(error.clone())),
                _ => turn.end(Ok(())),
            }
        }
        prepared.map(Some)
    }

    async fn run(&self, prepared: Prepared) -> JobEnd {
        let (created, slot) = loop {
            // Without a free slot the build is created, and waits in the store.
            let slot = self.slots.try_take();
            let (run, start) = (self.run.clone(), slot.is_held());
            let created =
                self.executor.create_unless_shared(&prepared, &self.request, run, start, self.shared_after).await;
            match created {
                Ok(created) => break (created, slot),
                Err(ExecuteError::Storage(StorageError::Same(build))) => {
                    // Who waits for another run holds no slot.
                    drop(slot);
                    match self.executor.wait_for(build, &prepared.job_id, &self.cancel).await {
                        Ok(Waited::Ended(end)) => return JobEnd::Shared(end),
                        Ok(Waited::Cancelled) => return JobEnd::Cancelled,
                        Ok(Waited::Again) => {}
                        Err(error) => return JobEnd::NotBuilt(error.into()),
                    }
                }
                Err(error) => return JobEnd::NotBuilt(error),
            }
        };
        let build_id = created.id;
        match self.executor.execute(&prepared, created, slot, self.cancel.clone()).await {
            Ok(Ending::Failed(failure)) => JobEnd::Built(build_id, Some(failure.kind)),
            Ok(Ending::Returned) => JobEnd::Built(build_id, None),
            Ok(Ending::Skipped(_)) => JobEnd::Skipped(build_id),
            Err(error) => JobEnd::NotBuilt(error),
        }
    }
}
