//! One job as it is in the folder now, and the plugins that the jobs of the folder pin.

use std::collections::BTreeSet;

use jobcontrol_core::job::Job;

use crate::catalog::folder::read_folder;
use crate::catalog::workspace::Workspace;

/// A job as it is in its manifest now, whether its plugin fits or not.
pub enum Today {
    /// The job.
    Job(Box<Job>),
    /// The job does not exist any more.
    Gone,
    /// It is unknown, for this reason: its manifest or the folder cannot be read.
    Unknown(String),
}

/// Returns a job as it is in the folder now.
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
        // It may be in a file that cannot be read.
        folder.problems.first().filter(|_| !folder.jobs.iter().any(|job| job.id == id))
    });
    match (problem, folder.jobs.iter().find(|job| job.id == id)) {
        (Some(problem), _) => Today::Unknown(problem.message.clone()),
        (None, Some(job)) => Today::Job(Box::new(job.clone())),
        (None, None) => Today::Gone,
    }
}

/// Returns the digests of the plugins that jobs pin.
///
/// # Errors
///
/// Returns a message about the first file that cannot be read, because it may pin a plugin.
pub fn pinned_plugins(workspace: &Workspace) -> Result<BTreeSet<String>, String> {
    let folder = read_folder(workspace)?;
    if let Some(problem) = folder.problems.iter().chain(folder.broken.values().flatten()).next() {
        return Err(format!("the manifests have mistakes: {}", problem.message));
    }
    Ok(folder.jobs.into_iter().filter_map(|job| job.function.digest).collect())
}
