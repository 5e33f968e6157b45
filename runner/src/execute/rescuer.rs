//! Ends what dead processes left running, or takes it over.

use std::collections::HashMap;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::Failure;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::retry::Retry;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;

use crate::execute::attempts::random;
use crate::execute::executor::Interrupted;
use crate::record::StoreUrl;
use crate::record::owner::bury;
use crate::record::owner::is_alive;

/// The running builds whose owners are alive.
///
/// # Errors
///
/// The store's.
pub fn alive(storage: &dyn Storage, url: &StoreUrl) -> Result<Vec<u64>> {
    let running = storage.get_running_builds()?.into_iter();
    let owned = running.filter(|build| build.owner.as_ref().is_some_and(|owner| is_alive(url, owner)));
    Ok(owned.map(|build| build.id).collect())
}

/// What became of the builds of owners that are gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rescued {
    /// Ended as failed, kind `interrupted`.
    pub ended: Vec<u64>,
    /// Taken over: they have attempts left, and are of a job that is wanted.
    pub taken: Vec<Interrupted>,
}

/// Sees to the running builds of owners that are gone. Those of jobs that are `wanted` and that have attempts left
/// become `owner`'s, to be tried again; the others end as failed, kind `interrupted`.
///
/// # Errors
///
/// The store's.
pub fn rescue(storage: &dyn Storage, url: &StoreUrl, owner: &Arc<str>, wanted: &[String]) -> Result<Rescued> {
    let mut alive: HashMap<String, bool> = HashMap::new();
    let mut rescued = Rescued::default();
    for build in storage.get_running_builds()? {
        let Some(of) = build.owner.clone() else { continue };
        if *alive.entry(of.clone()).or_insert_with(|| is_alive(url, &of)) {
            continue;
        }
        let id = build.id;
        let taken = if wanted.contains(&build.job_id) { take(storage, &build, owner)? } else { None };
        match taken {
            Some(interrupted) => rescued.taken.push(interrupted),
            None if end(storage, id, Some(Arc::from(of)), build.attempt)? => rescued.ended.push(id),
            None => {}
        }
    }
    alive.iter().filter(|(_, alive)| !**alive).for_each(|(owner, _)| bury(url, owner));
    Ok(rescued)
}

fn interrupted() -> Failure {
    Failure::new("interrupted", "the process that ran the build is gone")
}

/// Takes a build over if it is to be tried again.
fn take(storage: &dyn Storage, build: &Build, owner: &Arc<str>) -> Result<Option<Interrupted>> {
    let retry = build.config.get("retry").map_or_else(Retry::never, Retry::from_config);
    let now = storage.clock().now();
    let due = match build.retry_time {
        // Somebody wanted it to end, and nobody was there to do so.
        _ if build.cancel.is_some() => return Ok(None),
        Some(due) => due,
        None if retry.is_due(build.attempt, &interrupted()) => {
            let delay = retry.delay(build.attempt, random());
            Timestamp(now.0.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)))
        }
        None => return Ok(None),
    };
    let Some(started) = build.start_time else {
        return Ok(None);
    };
    let (exception, exception_tb) = storage.pack_exception(interrupted());
    let guard = Guard { owner: build.owner.as_deref().map(Arc::from), attempt: build.attempt };
    let (id, owner) = (build.id, Arc::clone(owner));
    let over = RetryBuild { id, guard, time: now, exception, exception_tb, due, owner };
    match storage.write(Write::RetryBuild(over)) {
        Ok(_) => {}
        // Another process was faster, which is as good.
        Err(StorageError::Stale(_) | StorageError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    let (job_id, attempts, plugin) = (build.job_id.clone(), retry.attempts, build.plugin.clone());
    let config = build.config.clone();
    Ok(Some(Interrupted { id, job_id, attempt: build.attempt, attempts, started, due, config, plugin }))
}

/// Ends a build as interrupted; false if another process was faster.
pub(super) fn end(storage: &dyn Storage, id: u64, owner: Option<Arc<str>>, attempt: u32) -> Result<bool> {
    let finish = Finish { success: Some(false), exception: Some(interrupted()), ..Finish::default() };
    let packed = pack_finish(id, Some(Guard { owner, attempt }), storage.clock().now(), finish);
    match storage.write(Write::FinishBuild(packed)) {
        Ok(_) => Ok(true),
        Err(StorageError::Stale(_) | StorageError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
