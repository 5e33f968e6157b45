//! Ends what dead processes left running.

use std::collections::HashMap;
use std::sync::Arc;

use jobcontrol_core::build::Failure;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;

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

/// Ends the running builds of owners that are gone as failed, kind `interrupted`; answers their ids.
///
/// # Errors
///
/// The store's.
pub fn rescue(storage: &dyn Storage, url: &StoreUrl) -> Result<Vec<u64>> {
    let mut alive: HashMap<String, bool> = HashMap::new();
    let mut ended = Vec::new();
    for build in storage.get_running_builds()? {
        let Some(owner) = build.owner else { continue };
        if *alive.entry(owner.clone()).or_insert_with(|| is_alive(url, &owner)) {
            continue;
        }
        let failure = Failure::new("interrupted", "the process that ran the build is gone");
        let finish = Finish { success: Some(false), exception: Some(failure), ..Finish::default() };
        let guard = Guard { owner: Some(Arc::from(owner)), attempt: build.attempt };
        let packed = pack_finish(build.id, Some(guard), storage.clock().now(), finish);
        match storage.write(Write::FinishBuild(packed)) {
            Ok(_) => ended.push(build.id),
            // Another process was faster, which is as good.
            Err(StorageError::Stale(_) | StorageError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    alive.iter().filter(|(_, alive)| !**alive).for_each(|(owner, _)| bury(url, owner));
    Ok(ended)
}
