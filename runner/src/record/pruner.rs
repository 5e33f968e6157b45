//! What is older than the operator wants it, deleted in small steps so that nobody who writes waits long.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::retention::Retention;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;

/// Log records that one change looks at: a few milliseconds.
const STEP: u64 = 20_000;

/// Builds read at once.
const PAGE: u64 = 1_000;

/// What was deleted, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Builds, newest first.
    pub builds: Vec<u64>,
    /// Log records of each level, by its name; those of the builds above come on top.
    pub log_records: Vec<(&'static str, u64)>,
    /// Digests of plugins that no build was made with.
    pub plugins: Vec<String>,
    /// Builds that stay although their time has come, each with the reason.
    pub kept: Vec<(u64, String)>,
}

/// Deletes what `retention` does not keep; `delete` deletes one build, or says why it stays. Without it nothing is
/// deleted, and what would be is counted. Of the plugins that no build was made with those of `pinned` stay, which jobs
/// name; all of them where it is not known.
///
/// # Errors
///
/// The store's.
pub fn prune(
    storage: &dyn Storage,
    retention: &Retention,
    pinned: Option<&BTreeSet<String>>,
    mut delete: Option<&mut dyn FnMut(u64) -> std::result::Result<(), String>>,
) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    for id in due_builds(storage, retention)? {
        match delete.as_mut().map_or(Ok(()), |delete| delete(id)) {
            Ok(()) => pruned.builds.push(id),
            Err(reason) => pruned.kept.push((id, reason)),
        }
    }
    let now = storage.clock().now();
    let last = storage.get_last_log_id()?;
    for (name, (above, level), age) in retention.classes() {
        let all = PruneLog { before: Some(now.minus_seconds(age)), above, level, ..PruneLog::default() };
        let mut records = 0;
        if delete.is_some() {
            for first in (0..last).step_by(usize::try_from(STEP).unwrap_or(usize::MAX)) {
                let step = PruneLog { ids: Some((first, first.saturating_add(STEP))), ..all.clone() };
                records += storage.write(Write::PruneLog(step))?;
            }
        } else {
            records = storage.count_prunable(&all)?;
        }
        pruned.log_records.push((name, records));
    }
    if let Some(pinned) = pinned {
        let gone: &[u64] = if delete.is_some() { &[] } else { &pruned.builds };
        let (mut orphans, last) = storage.get_orphaned_plugins(gone)?;
        orphans.retain(|digest| !pinned.contains(digest));
        for digest in orphans {
            // In the meantime it may have become the plugin of a build.
            if delete.is_none() || storage.write(Write::PrunePlugin(digest.as_str().into(), last))? == 1 {
                pruned.plugins.push(digest);
            }
        }
    }
    Ok(pruned)
}

/// Finished builds beyond the count or the age, newest first; never a job's latest successful one, and never one that
/// an unfinished build is pinned to.
fn due_builds(storage: &dyn Storage, retention: &Retention) -> Result<Vec<u64>> {
    if retention.builds.is_none() && retention.build_age.is_none() {
        return Ok(Vec::new());
    }
    let oldest = retention.build_age.map(|age| storage.clock().now().minus_seconds(age));
    let unfinished = BuildFilter { finished: Some(false), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
    let unfinished = storage.get_job_builds(&unfinished)?;
    let pinned: HashSet<u64> = unfinished.iter().flat_map(Build::pins).map(|pin| pin.build).collect();
    /// How many were seen of a job, and whether a successful one was.
    type Seen = (u64, bool);
    let mut jobs: HashMap<String, Seen> = HashMap::new();
    let mut due = Vec::new();
    let mut before = None;
    loop {
        let page = BuildFilter {
            finished: Some(true),
            order: Order::Desc,
            limit: PAGE,
            before,
            brief: true,
            ..BuildFilter::default()
        };
        let builds = storage.get_job_builds(&page)?;
        let Some(last) = builds.last() else {
            return Ok(due);
        };
        before = Some(last.id);
        for build in builds {
            let successful = build.started && build.status() == BuildStatus::Successful;
            let ended = build.end_time.unwrap_or(build.created);
            let (count, succeeded) = jobs.entry(build.job_id).or_default();
            *count += 1;
            let is_latest = successful && !std::mem::replace(succeeded, *succeeded || successful);
            let too_many = retention.builds.is_some_and(|keep| *count > keep);
            let too_old = oldest.is_some_and(|oldest| ended < oldest);
            if (too_many || too_old) && !is_latest && !pinned.contains(&build.id) {
                due.push(build.id);
            }
        }
    }
}
