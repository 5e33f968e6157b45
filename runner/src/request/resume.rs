//! An open run that another process left: what it has, and what still has to be built.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::config::job_of_config;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::run::Run;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;
use crate::catalog::today::Today;
use crate::catalog::workspace::Workspace;
use crate::execute::dispatcher::Begun;
use crate::execute::interrupted::end_with;
use crate::execute::interrupted::unless_faster;
use crate::execute::job_end::JobEnd;
use crate::execute::repeat::stored;
use crate::execute::sharing::SharedEnd;
use crate::request::ready::Ready;

/// An open run that can be continued.
pub struct Resume {
    /// What to build. Jobs without a build are taken as they are now.
    pub ready: Ready,
    /// The jobs that have a build already.
    pub begun: BTreeMap<String, Begun>,
}

/// Prepares to continue an open run. `has_builds` is false for a run that no process has worked on
/// yet.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written to.
pub fn resume(
    workspace: &Workspace,
    catalog: &Arc<Catalog>,
    storage: &dyn Storage,
    run: Run,
    has_builds: bool,
) -> Result<Resume> {
    let mut begun = BTreeMap::new();
    if has_builds {
        let of_run = BuildFilter { run: Some(run.id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
        for build in storage.get_job_builds(&of_run)? {
            for pin in &build.pins {
                // A used build that is not in this run belongs to another run.
                begun.entry(pin.job.clone()).or_insert_with(|| shared(pin.build));
            }
            // If a job has several builds, the newest counts, which comes last.
            let job = build.job_id.clone();
            begun.insert(job, so_far(workspace, catalog, storage, build)?);
        }
    }
    let plan = run.plan.unwrap_or_else(|| Plan { order: Vec::new(), waits_for: BTreeMap::new() });
    // Jobs that are built only as dependencies may be left to another run.
    let is_named = |id: &String| run.request.targets.contains(id) || run.requests.contains_key(id) || run.request.force;
    let may_share = |id: &&String| !is_named(id) && !run.request.revdeps;
    let shared = plan.order.iter().filter(may_share).map(|id| (id.clone(), u64::MAX >> 1)).collect();
    let ready = Ready::of_plan(Arc::clone(catalog), plan, run.requests, run.request);
    Ok(Resume { ready: Ready { shared, ..ready }, begun })
}

fn shared(build: u64) -> Begun {
    Begun::Ended(JobEnd::Shared(SharedEnd { build, skipped: false, failure: None }))
}

fn so_far(workspace: &Workspace, catalog: &Catalog, storage: &dyn Storage, build: Build) -> Result<Begun> {
    if build.finished {
        return Ok(Begun::Ended(match build.success {
            true if build.skipped => JobEnd::Skipped(build.id),
            true => JobEnd::Built(build.id, None),
            false => JobEnd::Built(build.id, Some(build.exception.unwrap_or_default().kind)),
        }));
    }
    let today = match (catalog.graph.jobs.get(&build.job_id), catalog.graph.broken.get(&build.job_id)) {
        (_, Some(problems)) if !problems.is_empty() => Today::Unknown(problems[0].message.clone()),
        (Some(checked), _) => Today::Job(Box::new((*checked.job).clone())),
        (None, _) => Today::Gone,
    };
    let job = job_of_config(&build.job_id, &build.config, &workspace.context.ceiling);
    match job.and_then(|job| stored(workspace, storage, &build, job, &today)) {
        Ok((checked, granted)) => Ok(Begun::Unfinished(Box::new((build, checked, granted)))),
        Err(reason) => {
            let failure = Failure::new(FailureKind::Interrupted, format!("it cannot go on: {reason}"));
            unless_faster(storage.write(end_with(&build, failure, storage.clock().now())))?;
            Ok(Begun::Ended(JobEnd::Built(build.id, Some(FailureKind::Interrupted))))
        }
    }
}
