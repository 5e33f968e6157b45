//! How every job stands.

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

/// How a job stands.
pub struct Standing {
    /// Its status.
    pub status: JobStatus,
    /// The build that its dependents would use.
    pub latest: Option<u64>,
    /// Its newest build, without return value and traceback.
    pub newest: Option<Arc<Build>>,
}

/// The status of every job of a catalog that fits, with its newest build.
///
/// # Errors
///
/// The store's.
pub fn standings(catalog: &Catalog, storage: &dyn Storage) -> Result<BTreeMap<String, Standing>> {
    let ids: Vec<&str> = catalog.graph.dependencies.keys().map(String::as_str).collect();
    standings_of(catalog, storage, &ids)
}

/// As [`standings`], of those jobs among `ids`, which has their dependencies too.
///
/// # Errors
///
/// The store's.
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

/// The jobs whose manifests have mistakes, each with its newest build, if it has any: those that
/// cannot be built, and those that the text of a file that cannot be read seems to hold.
///
/// # Errors
///
/// The store's.
pub fn broken(catalog: &Catalog, storage: &dyn Storage) -> Result<BTreeMap<String, Option<Arc<Build>>>> {
    let unread = catalog.unread_ids().into_iter().filter(|id| !catalog.graph.jobs.contains_key(id));
    let ids: BTreeSet<String> = catalog.graph.broken.keys().cloned().chain(unread).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let histories = storage.get_job_histories(&names)?;
    Ok(ids.into_iter().zip(histories.into_iter().map(|history| history.newest)).collect())
}
