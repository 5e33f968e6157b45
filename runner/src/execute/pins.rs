//! Which builds of its dependencies a build may use.

use std::collections::BTreeMap;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::check::bind;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::from_text;
use jobcontrol_core::types::resolve;
use jobcontrol_core::value::Value;

use crate::execute::error::ExecuteError;

/// Returns a build that was chosen to stand for `job`, if it can.
///
/// # Errors
///
/// Returns an error if the build is of another job, has returned nothing, or is being deleted.
pub fn usable(build: Build, job: &str) -> Result<Build, ExecuteError> {
    let id = build.id;
    let wrong = |why: &str| Err(ExecuteError::Arguments(format!("build {id} cannot be used for `{job}`: {why}")));
    if build.job_id != job {
        return wrong(&format!("it is a build of `{}`", build.job_id));
    }
    match build.status() {
        _ if build.deleting => wrong("it is being deleted"),
        BuildStatus::Successful => Ok(build),
        BuildStatus::Failed => wrong("it failed"),
        BuildStatus::Skipped => wrong("it was skipped, so it returned nothing"),
        BuildStatus::Created | BuildStatus::Running => wrong("it has not finished"),
    }
}

/// Checks that a job can be called with what the chosen builds returned, with the types they had
/// then.
///
/// # Errors
///
/// Returns what does not fit, in words.
pub fn fit(graph: &Graph, checked: &CheckedJob, chosen: &BTreeMap<String, Build>) -> Result<(), String> {
    let mut types = BTreeMap::new();
    for (job, build) in chosen {
        let text = build.retval_type.as_deref();
        let ty = text.map(from_text).transpose().map_err(|e| format!("the type of build {}: {e}", build.id))?;
        types.insert(job.as_str(), (ty, build.retval.as_ref()));
    }
    let retvals = Chosen { graph, types };
    let bound = bind(&checked.job, &checked.signature, &mut Vec::new());
    let mut problems = Vec::new();
    for ((name, ty), arg) in checked.signature.params.iter().zip(bound) {
        if let Some(arg) = arg {
            resolve(&arg, name, ty, &retvals, &mut problems);
        }
    }
    match problems.into_iter().next() {
        Some(problem) => Err(format!("{}: {}: {}", checked.job.id, problem.path, problem.reason)),
        None => Ok(()),
    }
}

struct Chosen<'a> {
    graph: &'a Graph,
    types: BTreeMap<&'a str, (Option<Type>, Option<&'a Value>)>,
}

impl Retvals for Chosen<'_> {
    fn retval(&self, job: &str) -> Option<(&Type, Option<&Value>)> {
        match self.types.get(job) {
            Some((ty, value)) => ty.as_ref().map(|ty| (ty, *value)),
            None => self.graph.jobs.get(job)?.signature.retval().map(|ty| (ty, None)),
        }
    }
}
