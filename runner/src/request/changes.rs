//! Jobs with `on: change` that are due.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::due::DueJob;
use jobcontrol_core::due::fingerprint;
use jobcontrol_core::due::is_changed;
use jobcontrol_core::status::JobHistory;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;

/// Finds the jobs with `on: change` that are due. A job waits as long as it or one of its
/// dependencies has a build in progress or is in `pending`. `by_default` is the operator's choice
/// for jobs without a trigger.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn changed(
    catalog: &Catalog,
    storage: &dyn Storage,
    by_default: bool,
    pending: &BTreeSet<String>,
) -> Result<Vec<DueJob>> {
    let graph = &catalog.graph;
    let is_sound = |id: &str| {
        graph
            .closure([id])
            .iter()
            .all(|id| graph.jobs.contains_key(*id) && graph.broken.get(*id).is_none_or(Vec::is_empty))
    };
    let triggered = graph.jobs.iter().filter(|(_, checked)| checked.job.builds_on_change(by_default));
    let candidates: Vec<&str> = triggered.map(|(id, _)| id.as_str()).filter(|id| is_sound(id)).collect();
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let needed: Vec<&str> = graph.closure(candidates.iter().copied()).into_iter().collect();
    let histories: BTreeMap<&str, JobHistory> =
        needed.iter().copied().zip(storage.get_job_histories(&needed)?).collect();
    let mut is_busy: BTreeMap<&str, bool> = BTreeMap::new();
    for id in &needed {
        is_busy.insert(id, pending.contains(*id) || has_open_build(storage, &histories[id])?);
    }
    let latest = |id: &str| histories.get(id)?.latest.as_deref();
    let is_due = |id: &&str| {
        let waits = || graph.closure([*id]).iter().any(|need| is_busy.get(need).is_some_and(|busy| *busy));
        is_changed(&graph.jobs[*id], &histories[*id], latest) && !waits()
    };
    let due: Vec<&str> = candidates.into_iter().filter(is_due).collect();
    let tried = storage.get_tried(&due)?;
    let now = due.into_iter().map(|id| DueJob { job: id.into(), fingerprint: fingerprint(graph, id, latest) });
    Ok(now.zip(tried).filter(|(now, tried)| tried.as_ref() != Some(&now.fingerprint)).map(|(now, _)| now).collect())
}

/// Returns whether the newest build of a job has not ended, and its process is alive.
fn has_open_build(storage: &dyn Storage, history: &JobHistory) -> Result<bool> {
    match &history.newest {
        Some(build) if !build.finished => build.owner.as_deref().map_or(Ok(true), |owner| storage.is_alive(owner)),
        _ => Ok(false),
    }
}
