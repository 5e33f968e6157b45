//! Starts, cancels and deletes in the name of a caller, after a check of the caller's rights. The
//! API and the pages both call these functions.

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::run::Run;
use jobcontrol_core::storage::BuildFilter;

use super::access::Caller;
use super::problem::Problem;
use super::problem::Sort;
use super::state::Look;
use crate::execute::canceller;
use crate::execute::canceller::Cancelling;
use crate::execute::hooks::Which;
use crate::request::cancel;
use crate::request::delete::Deleted;
use crate::request::delete::clean_up_and_delete;
use crate::request::delete::deletable;
use crate::request::ready::Ready;
use crate::request::refusal::Refusal;

/// The place in a body that lists the protected jobs that may run.
const ARMED: &str = "/armed";

/// Returns an error if the caller may not run one of these jobs.
pub(super) fn may_run<'a>(caller: &Caller, jobs: impl IntoIterator<Item = &'a str>) -> Result<(), Problem> {
    match jobs.into_iter().find(|job| !caller.scopes.may_run(job)) {
        None => Ok(()),
        Some(job) => {
            let problem = Problem::new(Sort::Forbidden, format!("the token may not run or cancel `{job}`"));
            Err(problem.hint(format!("it needs the scope `run:{job}`, or one that covers it")))
        }
    }
}

/// Returns a run if the caller may run and cancel all of its jobs.
pub(super) fn run_of_caller(look: &Look<'_>, caller: &Caller, id: u64) -> Result<Run, Problem> {
    let run = look.storage.get_run(id)?;
    let planned = run.plan.iter().flat_map(|plan| &plan.order);
    may_run(caller, run.request.targets.iter().chain(planned).map(String::as_str))?;
    Ok(run)
}

/// Returns an error if the caller may not start this run. `armed` lists the protected jobs that may
/// be part of it.
pub(super) fn may_start(caller: &Caller, ready: &Ready, armed: &[String]) -> Result<(), Problem> {
    may_run(caller, ready.plan.order.iter().map(String::as_str))?;
    match ready.protected().find(|job| !armed.iter().any(|id| id == job)) {
        None => Ok(()),
        Some(job) => {
            let detail = format!("`{job}` is protected");
            let problem = Problem::new(Sort::Failed, detail.clone()).at(ARMED, detail);
            Err(problem.hint(format!("add `{job}` to `armed` to run it anyway")))
        }
    }
}

/// Starts a run that the caller may start. Returns its number once the run is in the store.
pub(super) fn begin(look: &Look<'_>, caller: &Caller, ready: Ready, priority: Option<i64>) -> Result<u64, Problem> {
    let started = look.service.start_run(ready, &caller.requester, priority)?;
    let gone = |_| Problem::new(Sort::Internal, "a bug in the service stopped this request");
    Ok(started.blocking_recv().map_err(gone)??)
}

/// Returns the first build of a run, if it has one yet.
pub(super) fn only_build(look: &Look<'_>, run: u64) -> Result<Option<u64>, Problem> {
    let of_run = BuildFilter { run: Some(run), limit: 1, brief: true, ..BuildFilter::default() };
    Ok(look.storage.get_job_builds(&of_run)?.pop().map(|build| build.id))
}

/// Cancels a run, no matter which process works on it.
pub(super) fn cancel_run(look: &Look<'_>, caller: &Caller, id: u64) -> Result<(), Problem> {
    run_of_caller(look, caller, id)?;
    cancel::cancel_run(look.storage, id, &caller.requester.to_string()).map_err(Problem::conflict)?;
    Ok(())
}

/// Cancels a build, no matter which process runs it. Returns whether the build has already ended.
pub(super) fn cancel_build(look: &Look<'_>, caller: &Caller, id: u64) -> Result<bool, Problem> {
    let build = look.storage.get_build(id)?;
    may_run(caller, [build.job_id.as_str()])?;
    let too_late = |status: BuildStatus| {
        Refusal::failed(format!("build {id} has already ended: {status}")).hint("nothing was cancelled")
    };
    if build.finished {
        return Err(too_late(build.status()).into());
    }
    match canceller::cancel(look.storage, id, &caller.requester.to_string())? {
        Cancelling::TooLate(status) => Err(too_late(status).into()),
        ended => Ok(matches!(ended, Cancelling::Ended)),
    }
}

/// Deletes a build after running its `cleanup_function`. Returns how that function failed if the
/// build was deleted anyway.
pub(super) fn delete_build(look: &Look<'_>, caller: &Caller, id: u64, force: bool) -> Result<Option<String>, Problem> {
    if !caller.scopes.is_admin() {
        return Err(Problem::new(Sort::Forbidden, "the token may not delete builds").hint("it needs the scope `admin`"));
    }
    deletable(look.storage, &[id]).map_err(Problem::conflict)?;
    let (service, workspace) = (look.service, look.workspace);
    let clean_up = |build: &_| service.engine().hook(workspace, service.storage(), build, Which::Cleanup);
    match clean_up_and_delete(look.storage, id, force, &clean_up)? {
        Deleted::Gone => Ok(None),
        Deleted::Forced(reason) => Ok(Some(reason)),
        Deleted::Stays(reason) => {
            let message = format!("build {id} was not deleted: its cleanup_function {reason}");
            Err(Refusal::failed(message).hint("`force=true` deletes it anyway").into())
        }
    }
}
