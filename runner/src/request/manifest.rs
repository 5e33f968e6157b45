//! The file of a job as it is now, with what is wrong with it.

use std::sync::Arc;

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Source;

use crate::catalog::watch::Reload;
use crate::request::refusal::Refusal;
use crate::request::targets::known_in;

/// The file of a job.
pub(crate) struct Manifest<'a> {
    /// The file as it is now.
    pub(crate) source: Arc<Source>,
    /// Whether its last good version is used in its place.
    pub(crate) last_good: bool,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<&'a Diagnostic>,
}

/// Returns the file that defines a job.
///
/// # Errors
///
/// Returns a refusal if the job does not exist, or if its file cannot be read.
pub(crate) fn manifest_of<'a>(current: &'a Reload, id: &str) -> Result<Manifest<'a>, Refusal> {
    let catalog = &current.catalog;
    known_in(catalog, id)?;
    let job = catalog.graph.jobs.get(id).map(|checked| &checked.job.place.source);
    let broken = || catalog.graph.broken.get(id)?.iter().find_map(|problem| Some(&problem.label.as_ref()?.source));
    let in_force = job.or_else(broken);
    let in_force = in_force.ok_or_else(|| Refusal::not_found(format!("the file of `{id}` cannot be read")))?;
    let of_file: Vec<_> = current.remarks.iter().filter(|problem| problem.path() == Some(&in_force.path)).collect();
    // The diagnostics are about the file as it is now, which may not be the version in use.
    let now = of_file.iter().find_map(|problem| problem.label.as_ref()).map_or(in_force, |label| &label.source);
    Ok(Manifest {
        source: Arc::clone(now),
        last_good: current.last_good.contains(&in_force.path),
        diagnostics: of_file,
    })
}
