//! Deletes what is older than the operator wants to keep, in small steps, so that no writer waits
//! long.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::mpsc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::retention::Retention;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;

/// How many log records one change looks at. This takes a few milliseconds.
const STEP: u64 = 20_000;

/// How many deletions are submitted before their results are awaited, so that they share commits.
/// This takes a few milliseconds.
const TOGETHER: usize = 256;

/// How many builds are read at once.
const PAGE: u64 = 1_000;

/// What was deleted, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Builds, newest first.
    pub builds: Vec<u64>,
    /// Log records of each level, by its name, not counting those of the builds above.
    pub log_records: Vec<(&'static str, u64)>,
    /// Digests of plugins that no build was made with.
    pub plugins: Vec<String>,
    /// Runs without builds.
    pub runs: u64,
    /// Builds that stay although their time has come, each with the reason.
    pub refused: Vec<(u64, String)>,
}

/// Cleans up after a build and deletes it, or returns why it stays.
pub type Delete<'a> = dyn FnMut(u64) -> Result<Option<String>> + 'a;

/// Deletes what `retention` does not keep, and builds whose deletion was begun but not finished.
/// `delete` cleans up after one build and deletes it. It is called for builds that have something
/// to clean up. Without `delete`, nothing is deleted, and what would be deleted is counted.
///
/// Plugins that no build was made with stay if jobs name them, which means they are in `pinned`. If
/// `pinned` is `None`, all of them stay.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written.
pub fn prune(
    storage: &dyn Storage,
    retention: &Retention,
    pinned: Option<&BTreeSet<String>>,
    mut delete: Option<&mut Delete<'_>>,
) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    let due = due_builds(storage, retention)?;
    match &mut delete {
        Some(delete) => delete_builds(storage, &due, delete, &mut pruned)?,
        None => pruned.builds = due.iter().map(|due| due.id).collect(),
    }
    let now = storage.clock().now();
    if delete.is_some() {
        // A run that had no builds shows why, for as long as a log record would.
        let before = now.minus_seconds(retention.all_logs);
        loop {
            match storage.write(Write::PruneRuns(before))? {
                0 => break,
                more => pruned.runs += more,
            }
        }
    }
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
            // It may have become the plugin of a build in the meantime.
            if delete.is_none() || storage.write(Write::PrunePlugin(digest.as_str().into(), last))? == 1 {
                pruned.plugins.push(digest);
            }
        }
    }
    Ok(pruned)
}

/// A build to delete.
struct Due {
    id: u64,
    has_cleanup: bool,
}

/// Deletes builds: those with something to clean up one by one, the others many in one commit.
fn delete_builds(storage: &dyn Storage, due: &[Due], delete: &mut Delete<'_>, pruned: &mut Pruned) -> Result<()> {
    let (alone, together): (Vec<_>, Vec<_>) = due.iter().partition(|due| due.has_cleanup);
    let answers = together.chunks(TOGETHER).flat_map(|chunk| {
        let (sender, receiver) = mpsc::channel();
        for Due { id, .. } in chunk {
            let (id, sender) = (*id, sender.clone());
            storage.submit(Write::DeleteBuild(id), Box::new(move |answer| drop(sender.send((id, answer)))));
        }
        receiver
    });
    let together = answers.map(|(id, answer)| (id, answer.map(|_| None)));
    for (id, answer) in together.chain(alone.into_iter().map(|due| (due.id, delete(due.id)))) {
        match answer {
            Ok(None) => pruned.builds.push(id),
            Ok(Some(reason)) | Err(StorageError::Refused(reason)) => pruned.refused.push((id, reason)),
            // Another process was faster.
            Err(StorageError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    pruned.builds.sort_unstable_by_key(|id| Reverse(*id));
    pruned.refused.sort_unstable_by_key(|(id, _)| Reverse(*id));
    Ok(())
}

/// What was seen of a job, starting with its newest build.
#[derive(Default)]
struct Seen {
    count: u64,
    successful: bool,
    /// Successful or skipped.
    good: bool,
}

impl Seen {
    /// Counts a build. Returns whether it is one of the builds that decide the job's status.
    fn is_latest(&mut self, status: BuildStatus, started: bool, edited: bool) -> bool {
        self.count += 1;
        if edited {
            return false;
        }
        let successful = started && status == BuildStatus::Successful;
        let good = successful || status == BuildStatus::Skipped;
        let is_first = |now: bool, seen: &mut bool| now && !std::mem::replace(seen, *seen || now);
        let (first_success, first_good) = (is_first(successful, &mut self.successful), is_first(good, &mut self.good));
        first_success || first_good
    }
}

/// Returns finished builds beyond the count or the age, newest first. Never returns a job's latest
/// successful build, or its latest build that succeeded or was skipped: that one shows whether the
/// job is outdated. Never returns a build that an unfinished build is pinned to. Builds whose
/// deletion has begun are always due.
fn due_builds(storage: &dyn Storage, retention: &Retention) -> Result<Vec<Due>> {
    let due_of = |build: &Build| Due { id: build.id, has_cleanup: build.has_cleanup() };
    if retention.builds.is_none() && retention.build_age.is_none() {
        let begun = BuildFilter {
            deleting: Some(true),
            order: Order::Desc,
            limit: u64::MAX,
            brief: true,
            ..BuildFilter::default()
        };
        return Ok(storage.get_job_builds(&begun)?.iter().map(due_of).collect());
    }
    let oldest = retention.build_age.map(|age| storage.clock().now().minus_seconds(age));
    let unfinished = BuildFilter { finished: Some(false), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
    let unfinished = storage.get_job_builds(&unfinished)?;
    let pinned: HashSet<u64> = unfinished.iter().flat_map(|build| &build.pins).map(|pin| pin.build).collect();
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
            let entry = due_of(&build);
            if build.deleting {
                due.push(entry);
                continue;
            }
            let ended = build.end_time.unwrap_or(build.created);
            let (status, started, edited) = (build.status(), build.started, build.edited);
            let seen = jobs.entry(build.job_id).or_default();
            let is_latest = seen.is_latest(status, started, edited);
            let too_many = retention.builds.is_some_and(|keep| seen.count > keep);
            let too_old = oldest.is_some_and(|oldest| ended < oldest);
            if (too_many || too_old) && !is_latest && !pinned.contains(&build.id) {
                due.push(entry);
            }
        }
    }
}
