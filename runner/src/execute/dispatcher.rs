//! A plan to builds, in parallel where the graph allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::event::Outcome;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::Request;
use jobcontrol_sandbox::Cancel;
use tokio::task::JoinSet;

use crate::catalog::load::Catalog;
use crate::execute::executor::ExecuteError;
use crate::execute::executor::Executor;
use crate::execute::slots::Slot;
use crate::execute::slots::Slots;

/// Builds of one process that run at once; guests share as many threads as there are cores.
pub const SLOTS: usize = 64;

/// What became of one job of a plan.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// A build ended.
    Built(u64, Arc<Outcome>),
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
        matches!(self, Self::Built(_, outcome) if !matches!(**outcome, Outcome::Failed(_)))
    }
}

/// Builds a plan. One failure stops only what needs it.
pub async fn dispatch(
    executor: &Arc<Executor>,
    catalog: &Arc<Catalog>,
    plan: Plan,
    requests: &BTreeMap<String, Request>,
    cancel: &Cancel,
) -> BTreeMap<String, JobEnd> {
    let slots = Slots::new(SLOTS);
    let mut ends: BTreeMap<String, JobEnd> = BTreeMap::new();
    let mut running = JoinSet::new();
    let (mut waiting, mut ready) = Waiting::new(&plan);
    loop {
        for id in ready {
            let (executor, catalog) = (Arc::clone(executor), Arc::clone(catalog));
            let request = requests.get(&id).cloned().unwrap_or_default();
            let (slots, cancel) = (slots.clone(), cancel.clone());
            running.spawn(async move {
                let slot = slots.take().await;
                let end = build(&executor, &catalog, &id, request, slot, cancel).await;
                (id, end)
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
        let ready = waiting.left.iter().filter(|(_, left)| **left == 0).map(|(id, _)| id.clone()).collect();
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

async fn build(
    executor: &Arc<Executor>,
    catalog: &Arc<Catalog>,
    id: &str,
    request: Request,
    slot: Slot,
    cancel: Cancel,
) -> JobEnd {
    if cancel.is_set() {
        return JobEnd::Cancelled;
    }
    let prepared = {
        let (executor, catalog, id) = (Arc::clone(executor), Arc::clone(catalog), id.to_owned());
        // Compiling takes seconds for a large plugin, and must not hold up guests that run.
        tokio::task::spawn_blocking(move || {
            let granted = catalog.granted.get(&id).cloned().unwrap_or_default();
            executor.prepare(&catalog.graph.jobs[&id], granted)
        })
        .await
    };
    let prepared = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(error)) => return JobEnd::NotBuilt(error),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    let created = match executor.create(&prepared, &request, true).await {
        Ok(created) => created,
        Err(error) => return JobEnd::NotBuilt(error),
    };
    let build_id = created.id;
    match executor.execute(&prepared, created, slot, cancel).await {
        Ok(outcome) => JobEnd::Built(build_id, outcome),
        Err(error) => JobEnd::NotBuilt(error),
    }
}
