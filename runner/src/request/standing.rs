//! How every job stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::status::job_status;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;

/// How a job stands.
pub struct Standing {
    /// Its status.
    pub status: JobStatus,
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
    let histories = storage.get_job_histories(&ids)?;
    let histories: BTreeMap<&str, _> = ids.into_iter().zip(histories).collect();
    let latest = |id: &str| histories.get(id)?.latest.as_deref();
    let status = |(id, checked): (&String, &CheckedJob)| {
        let history = &histories[id.as_str()];
        let status = job_status(&checked.job, &checked.plugin.digest, history, latest);
        (id.clone(), Standing { status, newest: history.newest.clone() })
    };
    Ok(catalog.graph.jobs.iter().map(status).collect())
}
