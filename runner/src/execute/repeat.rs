//! Finds a build's job as the store has it, with its plugin, and with the grants of today.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::config::job_of_config;
use jobcontrol_core::grants;
use jobcontrol_core::grants::Repeated;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::job::Job;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::storage::Storage;
use jobcontrol_sandbox::Granted;

use crate::catalog::grants::grant;
use crate::catalog::load::Catalog;
use crate::catalog::plugins::kept_plugin;
use crate::catalog::today::Today;
use crate::catalog::workspace::Workspace;

/// Returns the job that a build was made of, with the plugin's bytes of that time, as a catalog of
/// this one job. `today` is the job as it is now. It decides what the job may touch, and whether it
/// is protected.
///
/// # Errors
///
/// Returns the reason if the store no longer has what is needed, or if the job may no longer have
/// it.
pub fn repeat(workspace: &Workspace, storage: &dyn Storage, build: &Build, today: &Today) -> Result<Catalog, String> {
    let job = job_of_config(&build.job_id, &build.config, &workspace.context.ceiling)?;
    let (checked, granted) = stored(workspace, storage, build, job, today)?;
    let id = build.job_id.clone();
    let dependencies = checked.job.dependency_ids().iter().map(|(id, _)| (*id).to_owned()).collect();
    let graph = Graph {
        jobs: BTreeMap::from([(id.clone(), checked)]),
        dependencies: BTreeMap::from([(id.clone(), dependencies)]),
        broken: BTreeMap::new(),
    };
    Ok(Catalog { graph, granted: BTreeMap::from([(id, granted)]), ..Catalog::default() })
}

/// Does what [`repeat`] does, but returns only the job and its grants. `job` is the job of the
/// build.
///
/// # Errors
///
/// Returns the same errors as [`repeat`].
pub fn stored(
    workspace: &Workspace,
    storage: &dyn Storage,
    build: &Build,
    mut job: Job,
    today: &Today,
) -> Result<(CheckedJob, Granted), String> {
    job.protected |= match today {
        Today::Job(now) => now.protected,
        Today::Gone => false,
        Today::Unknown(_) => true,
    };
    let plugin = stored_plugin(workspace, storage, build, &job.function)?;
    let signature = plugin.find(job.function.export.as_deref()).map_err(|problem| problem.message)?;
    let signature = Arc::clone(signature);
    let granted = granted(workspace, &mut job, &plugin, today)?;
    Ok((CheckedJob { job: Arc::new(job), plugin: Arc::new(plugin), signature }, granted))
}

pub(super) fn stored_plugin(
    workspace: &Workspace,
    storage: &dyn Storage,
    build: &Build,
    function: &FunctionRef,
) -> Result<Plugin, String> {
    let digest = build.plugin.as_deref().ok_or("it has no plugin")?;
    let bytes = storage.get_plugin(digest).map_err(|error| error.to_string())?;
    let plugin = bytes.map(|bytes| kept_plugin(workspace, bytes, Path::new(&function.plugin), digest)).transpose()?;
    plugin.ok_or_else(|| format!("the store no longer has its plugin sha256:{digest}"))
}

/// Returns what the build was granted, as far as today's manifest and the operator still grant it.
fn granted(workspace: &Workspace, job: &mut Job, plugin: &Plugin, today: &Today) -> Result<Granted, String> {
    let now = match today {
        Today::Job(now) => grants::Today::Grants(&now.grants),
        Today::Gone => grants::Today::Gone,
        Today::Unknown(reason) => grants::Today::Unknown(reason),
    };
    let operator_lists_files = workspace.files.ceiling.is_some();
    let operator_lists_http = workspace.context.http.ceiling.is_some();
    let repeated = Repeated { folder: &job.place.folder, operator_lists_files, operator_lists_http };
    job.grants.still_granted(&repeated, &now).map_err(|withdrawn| withdrawn.to_string())?;
    let named = match today {
        Today::Job(now) => now.argument_secrets(),
        _ => Vec::new(),
    };
    let named = now.map(|_| named.as_slice());
    grants::secrets_still_named(&job.argument_secrets(), &named).map_err(|withdrawn| withdrawn.to_string())?;
    if let Today::Job(now) = today {
        job.place.folder.clone_from(&now.place.folder);
    }
    if job.place.folder.is_empty() && job.grants.files.iter().any(|grant| Path::new(&grant.host).is_relative()) {
        job.place.folder = workspace.jobs.display().to_string();
    }
    let (granted, problems) = grant(workspace, job, Some(plugin));
    match problems.into_iter().next() {
        Some(problem) => Err(problem.message),
        None => Ok(granted),
    }
}
