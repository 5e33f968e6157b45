//! One job as the folder has it now, and which plugins its jobs pin.

use std::collections::BTreeSet;

use jobcontrol_core::job::Job;

use crate::catalog::folder::read_folder;
use crate::catalog::workspace::Workspace;

/// A job as its manifest has it now, whether its plugin fits or not.
pub enum Today {
    /// This.
    Job(Box<Job>),
    /// There is none any more.
    Gone,
    /// Nobody knows, for this reason: its manifest, or the folder, cannot be read.
    Unknown(String),
}

/// How a job stands in the folder.
pub fn today(workspace: &Workspace, id: &str) -> Today {
    if !workspace.jobs.exists() {
        return Today::Gone;
    }
    let folder = match read_folder(workspace) {
        Ok(folder) => folder,
        Err(reason) => return Today::Unknown(reason),
    };
    let mistake = || folder.broken.get(id).and_then(|problems| problems.first());
    let problem = mistake().or_else(|| {
        // It may stand in a file that cannot be read.
        folder.problems.first().filter(|_| !folder.jobs.iter().any(|job| job.id == id))
    });
    match (problem, folder.jobs.iter().find(|job| job.id == id)) {
        (Some(problem), _) => Today::Unknown(problem.message.clone()),
        (None, Some(job)) => Today::Job(Box::new(job.clone())),
        (None, None) => Today::Gone,
    }
}

/// The digests of plugins that jobs pin.
///
/// # Errors
///
/// What cannot be read, and may pin one, in words.
pub fn pinned_plugins(workspace: &Workspace) -> Result<BTreeSet<String>, String> {
    let folder = read_folder(workspace)?;
    if let Some(problem) = folder.problems.iter().chain(folder.broken.values().flatten()).next() {
        return Err(format!("the manifests do not check: {}", problem.message));
    }
    Ok(folder.jobs.into_iter().filter_map(|job| job.function.digest).collect())
}
