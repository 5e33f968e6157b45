//! The status of every job.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::status::JobHistory;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::status::job_status;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;

/// The state of a job.
pub struct Standing {
    /// Its status.
    pub status: JobStatus,
    /// The build that its dependents would use.
    pub latest: Option<u64>,
    /// Its newest build, without return value and traceback.
    pub newest: Option<Arc<Build>>,
}

/// Returns the status of every checked job of a catalog, with its newest build.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn standings(catalog: &Catalog, storage: &dyn Storage) -> Result<BTreeMap<String, Standing>> {
    let ids: Vec<&str> = catalog.graph.dependencies.keys().map(String::as_str).collect();
    standings_of(catalog, storage, &ids)
}

/// Does the same as [`standings`] for the jobs in `ids`, which must include their dependencies.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn standings_of(catalog: &Catalog, storage: &dyn Storage, ids: &[&str]) -> Result<BTreeMap<String, Standing>> {
    let histories = storage.get_job_histories(ids)?;
    let histories: BTreeMap<&str, _> = ids.iter().copied().zip(histories).collect();
    let latest = |id: &str| histories.get(id)?.latest.as_deref();
    let standing = |(id, history): (&&str, &JobHistory)| {
        let checked = catalog.graph.jobs.get(*id)?;
        let status = job_status(&checked.job, &checked.plugin.digest, history, latest);
        let latest = history.latest.as_ref().map(|build| build.id);
        Some(((*id).to_owned(), Standing { status, latest, newest: history.newest.clone() }))
    };
    Ok(histories.iter().filter_map(standing).collect())
}

/// Returns the jobs whose manifests have mistakes, each with its newest build, if it has any. These
/// are the jobs that cannot be built, and those that unreadable files seem to define.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn broken(catalog: &Catalog, storage: &dyn Storage) -> Result<BTreeMap<String, Option<Arc<Build>>>> {
    let unread = catalog.unread_ids().into_iter().filter(|id| !catalog.graph.jobs.contains_key(id));
    let ids: BTreeSet<String> = catalog.graph.broken.keys().cloned().chain(unread).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let histories = storage.get_job_histories(&names)?;
    Ok(ids.into_iter().zip(histories.into_iter().map(|history| history.newest)).collect())
}
