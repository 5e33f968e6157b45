//! Takes a ready run to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::run::Requester;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::pack_plan;
use jobcontrol_core::value::pack;
use jobcontrol_sandbox::Cancel;
use tokio::sync::watch;

use crate::execute::dispatcher::Batch;
use crate::execute::dispatcher::RunIs;
use crate::execute::dispatcher::dispatch;
use crate::execute::job_end::JobEnd;
use crate::execute::rescuer::Rescued;
use crate::execute::rescuer::rescue;
use crate::request::ready::Ready;
use crate::say::Say;
use crate::service::bus::Watcher;
use crate::service::engine::Engine;
use crate::service::engine::EngineError;

/// Takes a ready run to its end, and returns what became of each job. Calls `watch` with what
/// happens meanwhile. Blocks.
///
/// # Errors
///
/// Returns an error if the store or the machine fails.
pub fn run(
    engine: &Arc<Engine>,
    storage: &Arc<dyn Storage>,
    ready: Ready,
    requester: &Requester,
    cancel: Cancel,
    warn: &Say,
    watch: impl FnOnce(Watcher),
) -> Result<BTreeMap<String, JobEnd>, EngineError> {
    let rescued = rescue(&**storage)?;
    tell(&rescued, &ready, warn);
    let executor = engine.executor(storage)?;
    executor.expect(rescued.left);
    let batch = batch(ready, requester, executor.owner(), storage.clock())?;
    let (ended, end) = watch::channel(false);
    let jobs = batch.plan.order.iter().cloned().collect();
    let watcher = Watcher::start(engine, Arc::clone(storage), &executor, jobs, end);
    let tracer = executor.tracer().clone();
    let slots = engine.slots().clone();
    let task = engine.guests().spawn(async move {
        let ends = dispatch(&executor, &slots, batch, &cancel).await;
        drop(ended);
        ends
    });
    watch(watcher);
    let ended = engine.guests().block_on(task);
    // Otherwise the process may end before the calls of its last failures have names.
    engine.guests().block_on(tracer.settle());
    match ended {
        Ok(ends) => Ok(ends?),
        Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
        Err(stopped) => Err(EngineError::Machine(stopped.to_string())),
    }
}

/// Returns a run as it is recorded, with everything that is needed to build it.
fn batch(ready: Ready, requester: &Requester, owner: &Arc<str>, clock: &dyn Clock) -> Result<Batch, StorageError> {
    let run = NewRun { owner: Some(Arc::clone(owner)), ..new_run(&ready, requester, clock)? };
    let (targets, left_out) = (ready.called(), ready.guarded_because());
    let Ready { catalog, plan, requests, shared, .. } = ready;
    let (begun, told) = Default::default();
    Ok(Batch { catalog, plan, requests, targets, shared, run: RunIs::New(run), begun, left_out, told, over: None })
}

/// Returns a run as it is recorded, without an owner.
///
/// # Errors
///
/// Returns an error if the plan cannot be packed.
pub(crate) fn new_run(ready: &Ready, requester: &Requester, clock: &dyn Clock) -> Result<NewRun, StorageError> {
    let refused = |e| StorageError::Refused(format!("the plan of the run: {e}"));
    Ok(NewRun {
        created: clock.now(),
        requested_by: requester.to_string(),
        priority: ready.priority(),
        targets: ready.request.targets.join(" "),
        request: pack(&ready.request.to_value()).map_err(refused)?,
        plan: pack_plan(&ready.plan, &ready.requests).map_err(refused)?,
        ..NewRun::default()
    })
}

/// Warns about what dead processes have left, as far as it matters for this run.
fn tell(rescued: &Rescued, ready: &Ready, warn: &Say) {
    for id in &rescued.ended {
        warn(&format!("build {id} was interrupted: the process that ran it is gone"));
    }
    for id in &rescued.cancelled {
        warn(&format!("build {id} was cancelled: its process ended before it started"));
    }
    for left in rescued.left.iter().filter(|left| ready.plan.order.contains(&left.build.job_id)) {
        let (id, next, of) = (left.build.id, left.build.attempt + 1, left.retry.attempts);
        warn(&format!("build {id} was interrupted: its attempt {next} of {of} can follow"));
    }
}
