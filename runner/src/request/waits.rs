//! What builds wait for, before they start or before their next attempt.

use std::collections::BTreeMap;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::config;
use jobcontrol_core::pool::PoolUse;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::PoolFull;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::execute::slots::SLOTS;

/// Returns in words what each waiting build waits for. `sizes` has the size of each pool.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub(crate) fn waits_for<'a>(
    storage: &dyn Storage,
    builds: impl IntoIterator<Item = &'a Build>,
    sizes: &BTreeMap<String, u32>,
) -> Result<BTreeMap<u64, String>> {
    let (mut told, mut running) = (BTreeMap::new(), None);
    for build in builds {
        let reason = match (build.status(), build.retry_time) {
            (BuildStatus::Running, Some(due)) => format!("its next attempt, which is due at {due}"),
            (BuildStatus::Created, _) if build.owner.is_none() => "a service, or a person to start its run".to_owned(),
            (BuildStatus::Created, _) => {
                let running = match &mut running {
                    Some(running) => running,
                    none => none.insert(with_slots(storage)?),
                };
                let full = build.pool.as_ref().and_then(|pool| full(pool, running, sizes));
                full.map_or_else(|| slot(build, running), |full| full.to_string())
            }
            _ => continue,
        };
        told.insert(build.id, reason);
    }
    Ok(told)
}

/// Returns the builds that hold slots: those of live processes, except between two attempts.
fn with_slots(storage: &dyn Storage) -> Result<Vec<Build>> {
    let running = BuildFilter {
        started: Some(true),
        finished: Some(false),
        limit: u64::MAX >> 1,
        brief: true,
        ..BuildFilter::default()
    };
    let mut holders = Vec::new();
    for build in storage.get_job_builds(&running)? {
        let owner = build.owner.as_deref().filter(|_| build.retry_time.is_none());
        if owner.map_or(Ok(false), |owner| storage.is_alive(owner))? {
            holders.push(build);
        }
    }
    Ok(holders)
}

/// Returns what a build waits for if no pool delays it.
fn slot(build: &Build, running: &[Build]) -> String {
    let used = running.iter().filter(|other| other.owner == build.owner).count();
    let labels = config::labels(&build.config);
    // Only its process knows what the build needs. On workers there may be more slots.
    let what = match (used >= SLOTS, labels.is_empty()) {
        (true, true) => "a slot".to_owned(),
        (false, true) => "memory, or its turn".to_owned(),
        (_, false) => format!("memory, its turn, or (on a bus) a worker with the labels `{labels}`"),
    };
    format!("{what}: {used} builds of its process are running")
}

/// Returns why a pool has no room, or `None` if it has room.
fn full(wanted: &PoolUse, holders: &[Build], sizes: &BTreeMap<String, u32>) -> Option<PoolFull> {
    let of_pool = || holders.iter().filter_map(|build| Some((build.id, build.pool.as_ref()?)));
    let of_pool = || of_pool().filter(|(_, pool)| pool.name == wanted.name);
    let used: u64 = of_pool().map(|(_, pool)| u64::from(pool.slots)).sum();
    let size = *sizes.get(&wanted.name)?;
    let is_full = used > 0 && used + u64::from(wanted.slots) > size.into();
    let builds = of_pool().map(|(id, _)| id).collect();
    is_full.then(|| PoolFull { name: wanted.name.clone(), used, size, builds })
}
