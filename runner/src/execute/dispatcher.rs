//! Turns a plan into builds, in parallel where the graph allows it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_refused;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Granted;
use tokio::task::JoinSet;

use crate::catalog::load::Catalog;
use crate::execute::error::ExecuteError;
use crate::execute::executor::Executor;
use crate::execute::job_end::JobEnd;
use crate::execute::last_word::write_end_of_run;
use crate::execute::one::One;
pub use crate::execute::one::Told;
use crate::execute::order::Waiting;
use crate::execute::sharing::SharedEnd;
use crate::execute::slots::Slots;

/// The jobs that are built together.
pub struct Batch {
    /// The jobs as they are now.
    pub catalog: Arc<Catalog>,
    /// What to build.
    pub plan: Plan,
    /// What was asked of single builds, by job.
    pub requests: BTreeMap<String, BuildRequest>,
    /// The jobs that are called even if everything that they need was skipped.
    pub targets: BTreeSet<String>,
    /// The jobs whose builds may be left to another run. The value is the latest success at the
    /// moment when the job was found to be due, or 0. They are built because other jobs need them,
    /// not because somebody named them.
    pub shared: BTreeMap<String, u64>,
    /// The run, which is new or already open.
    pub run: RunIs,
    /// The jobs that the run has already begun or ended.
    pub begun: BTreeMap<String, Begun>,
    /// Why the run does not build jobs that are not in its plan, by job.
    pub left_out: BTreeMap<String, String>,
    /// Called with the run once it is recorded.
    pub told: Option<Told>,
    /// Called with each job when it ends.
    pub over: Option<Over>,
}

/// Called with the id of a job; must not wait.
pub type Over = Arc<dyn Fn(&str) + Send + Sync>;

/// The run of a batch.
pub enum RunIs {
    /// The run is not recorded yet.
    New(NewRun),
    /// The run is open, and this process owns it.
    Open(u64),
}

/// What a run already has of a job.
#[derive(Clone)]
pub enum Begun {
    /// The job has ended.
    Ended(JobEnd),
    /// A build that has not ended, with its own job and the grants that the job has today.
    Unfinished(Box<(Build, CheckedJob, Granted)>),
}

/// Records a run and builds its plan. A failure stops only the jobs that need the failed one.
///
/// # Errors
///
/// Returns an error if the store fails before anything is built, or at the end of the run.
pub async fn dispatch(
    executor: &Arc<Executor>,
    slots: &Slots,
    batch: Batch,
    cancel: &Cancel,
) -> StorageResult<BTreeMap<String, JobEnd>> {
    let Batch { catalog, plan, requests, targets, shared, run, begun, left_out, told, over } = batch;
    let work = Work { catalog, plan, requests, targets, shared, begun, over };
    let is_whole = left_out.is_empty();
    let context = Context { executor, slots, cancel };
    match run {
        // A run of one build is recorded with the build and ends with it, so it needs no commit.
        RunIs::New(new) if work.plan.order.len() == 1 && is_whole => {
            let new = Arc::new(new);
            let ends = build_all(&context, &work, &RunOf::New(Arc::clone(&new)), true, told.clone()).await;
            if !ends.values().any(is_recorded) {
                let run = executor.recorder().write(Write::CreateRun((*new).clone())).await?;
                told.iter().for_each(|told| told(run));
                end_run(executor, run, &ends, left_out, cancel.is_set()).await?;
            }
            Ok(ends)
        }
        run => {
            let run = match run {
                RunIs::New(new) => executor.recorder().write(Write::CreateRun(new)).await?,
                RunIs::Open(run) => run,
            };
            if let Some(told) = told {
                told(run);
            }
            let ticket = executor.canceller().enter_run(run);
            let cancel = cancel.clone().or(ticket.cancel.clone());
            let context = Context { cancel: &cancel, ..context };
            let ends = build_all(&context, &work, &RunOf::Run(run), is_whole, None).await;
            if !(work.is_alone() && is_whole && ends.values().any(is_recorded)) {
                end_run(executor, run, &ends, left_out, cancel.is_set()).await?;
            }
            Ok(ends)
        }
    }
}

/// Returns whether the only build of a run has also ended the run.
fn is_recorded(end: &JobEnd) -> bool {
    end.build().is_some() || matches!(end, JobEnd::NotBuilt(ExecuteError::Unrecorded { .. }))
}

/// The handles that every build needs.
struct Context<'a> {
    executor: &'a Arc<Executor>,
    slots: &'a Slots,
    cancel: &'a Cancel,
}

/// Records how a run ended. Also records why jobs have no build, if no build of the run shows it.
async fn end_run(
    executor: &Executor,
    id: u64,
    ends: &BTreeMap<String, JobEnd>,
    left_out: BTreeMap<String, String>,
    cancelled: bool,
) -> StorageResult<()> {
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
    let end = EndRun { id, time, status, refused: pack_refused(&refused.chain(left_out).collect(), &shared.collect()) };
    write_end_of_run(executor.recorder(), executor.owner(), end).await
}

/// The work of a batch, independent of the run that it is recorded as.
struct Work {
    catalog: Arc<Catalog>,
    plan: Plan,
    requests: BTreeMap<String, BuildRequest>,
    targets: BTreeSet<String>,
    shared: BTreeMap<String, u64>,
    begun: BTreeMap<String, Begun>,
    over: Option<Over>,
}

impl Work {
    /// Returns whether the run is a single build that nobody has begun before.
    fn is_alone(&self) -> bool {
        self.plan.order.len() == 1 && self.begun.is_empty()
    }

    /// Returns the jobs that wait, the jobs that can start now, and the jobs that have ended.
    fn at_start(&self) -> (Waiting, Vec<String>, BTreeMap<String, JobEnd>) {
        let (mut waiting, mut ready) = Waiting::new(&self.plan);
        let mut ends = BTreeMap::new();
        for (id, begun) in &self.begun {
            if matches!(begun, Begun::Unfinished(_)) {
                waiting.begin(id);
                ready.push(id.clone());
            }
        }
        for id in &self.plan.order {
            if let Some(Begun::Ended(end)) = self.begun.get(id) {
                ready.extend(waiting.ended(id.clone(), end.clone(), &mut ends));
            }
        }
        let is_ready: BTreeSet<String> = ready.into_iter().collect();
        let starts = |id: &&String| is_ready.contains(*id) && !ends.contains_key(*id);
        let ready = self.plan.order.iter().filter(starts).cloned().collect();
        (waiting, ready, ends)
    }

    /// Returns the job with its grants, and its build if one was begun.
    fn job(&self, id: &str) -> (Option<(CheckedJob, Granted)>, Option<Build>) {
        if let Some(Begun::Unfinished(begun)) = self.begun.get(id) {
            let (build, checked, granted) = (**begun).clone();
            return (Some((checked, granted)), Some(build));
        }
        (self.catalog.job(id), None)
    }

    /// Returns what was asked of the build of a job. Adds pins to builds of this run whose
    /// arguments were given by hand, because these never count as a latest success.
    fn request(&self, id: &str, ends: &BTreeMap<String, JobEnd>) -> BuildRequest {
        let mut request = self.requests.get(id).cloned().unwrap_or_default();
        let is_edited = |need: &&String| self.requests.get(*need).is_some_and(|of| !of.overrides.is_empty());
        for need in self.plan.waits_for.get(id).into_iter().flatten().filter(is_edited) {
            if let Some(JobEnd::Built(build, None)) = ends.get(need) {
                request.pins.entry(need.clone()).or_insert(*build);
            }
        }
        request
    }

    /// Returns the jobs that a job needs, if all of them were skipped and nobody asked for the job
    /// itself. Otherwise returns an empty list.
    fn skipped_needs(&self, id: &str, ends: &BTreeMap<String, JobEnd>) -> Vec<String> {
        let needs = self.plan.waits_for.get(id).map(Vec::as_slice).unwrap_or_default();
        let all_skipped = needs.iter().all(|need| ends.get(need).is_some_and(JobEnd::is_skipped));
        let is_asked = self.targets.contains(id) || self.requests.contains_key(id);
        if all_skipped && !is_asked { needs.to_vec() } else { Vec::new() }
    }
}

async fn build_all(
    context: &Context<'_>,
    work: &Work,
    run: &RunOf,
    is_whole: bool,
    mut told: Option<Told>,
) -> BTreeMap<String, JobEnd> {
    let mut running = JoinSet::new();
    let (mut waiting, mut ready, mut ends) = work.at_start();
    let alone = work.is_alone() && is_whole;
    loop {
        for id in ready {
            let (job, begun) = work.job(&id);
            let mut one = One {
                executor: Arc::clone(context.executor),
                job,
                begun,
                request: work.request(&id, &ends),
                skipped_needs: work.skipped_needs(&id, &ends),
                shared_after: work.shared.get(&id).copied(),
                run: run.clone(),
                alone,
                told: told.take(),
                slots: context.slots.clone(),
                cancel: context.cancel.clone(),
                id,
            };
            running.spawn(async move {
                let end = one.build().await;
                (one.id, end)
            });
        }
        match running.join_next().await {
            Some(Ok((id, end))) => {
                work.over.iter().for_each(|over| over(&id));
                ready = waiting.ended(id, end, &mut ends);
            }
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => return ends,
        }
    }
}
