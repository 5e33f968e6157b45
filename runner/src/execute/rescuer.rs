//! Ends what dead processes left running, unless it may be tried again.

use std::collections::HashMap;

use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;

use crate::execute::takeover::Interrupted;
use crate::execute::takeover::unless_faster;
use crate::record::sqlite::owner::bury;
use crate::record::sqlite::owner::is_alive;
use crate::record::url::StoreUrl;

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
    /// Left as they are: they have attempts left, and are of a job that is wanted.
    pub left: Vec<Interrupted>,
}

/// Sees to the running builds of owners that are gone. Those of jobs that are `wanted` and that have attempts left are
/// answered; the others end as failed, kind `interrupted`.
///
/// # Errors
///
/// The store's.
pub fn rescue(storage: &dyn Storage, url: &StoreUrl, wanted: &[String]) -> Result<Rescued> {
    let mut alive: HashMap<String, bool> = HashMap::new();
    let mut rescued = Rescued::default();
    for build in storage.get_running_builds()? {
        let Some(owner) = build.owner.clone() else { continue };
        if *alive.entry(owner.clone()).or_insert_with(|| is_alive(url, &owner)) {
            continue;
        }
        let left = if wanted.contains(&build.job_id) { Interrupted::of(build) } else { Err(Box::new(build)) };
        match left {
            Ok(interrupted) => rescued.left.push(interrupted),
            Err(build) => {
                let (id, attempt) = (build.id, build.attempt);
                let guard = Guard { owner: Some(owner.into()), attempt };
                if unless_faster(storage.write(ended(storage, id, guard)))? {
                    rescued.ended.push(id);
                }
            }
        }
    }
    alive.iter().filter(|(_, alive)| !**alive).for_each(|(owner, _)| bury(url, owner));
    Ok(rescued)
}

pub(super) fn interrupted() -> Failure {
    Failure::new(FailureKind::Interrupted, "the process that ran the build is gone")
}

/// The end of an interrupted build.
pub(super) fn ended(storage: &dyn Storage, id: u64, guard: Guard) -> Write {
    let finish = Finish { success: Some(false), exception: Some(interrupted()), ..Finish::default() };
    Write::FinishBuild(pack_finish(id, Some(guard), storage.clock().now(), finish))
}
