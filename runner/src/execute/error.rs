//! The error of a job that has no build, or whose build has no recorded end.

use std::fmt;

use jobcontrol_core::storage::StorageError;
use jobcontrol_sandbox::SandboxError;

/// The reason why a job has no build, or no build with a recorded end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecuteError {
    /// Dependencies without a successful build.
    #[error("missing dependencies: {0}")]
    MissingDependencies(Missing),
    /// A pinned value, or an override, that does not fit the function.
    #[error("{0}")]
    Arguments(String),
    /// The job does not exist any more.
    #[error("it is gone from the jobs folder, or its manifest has mistakes now")]
    Gone,
    /// The plugin cannot be made ready.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A build ended, but the store does not have its end.
    #[error("the end of build {build} could not be written: {reason}; {then}")]
    Unrecorded {
        /// The build.
        build: u64,
        /// How it ended, and why that is not in the store.
        reason: String,
        /// What will happen to the build.
        then: String,
    },
}

/// Dependencies that have no successful build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The jobs that were never built, or whose builds all failed.
    pub never_built: Vec<String>,
    /// The jobs whose builds were all skipped. Building them again may not help.
    pub only_skipped: Vec<String>,
}

impl Missing {
    pub(super) fn is_empty(&self) -> bool {
        self.never_built.is_empty() && self.only_skipped.is_empty()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |jobs: &[String]| jobs.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", ");
        if !self.never_built.is_empty() {
            let have = if self.never_built.len() == 1 { "has" } else { "have" };
            write!(f, "{} {have} no successful build", names(&self.never_built))?;
        }
        if !self.only_skipped.is_empty() {
            let between = if self.never_built.is_empty() { "" } else { "; " };
            let have = if self.only_skipped.len() == 1 { "has" } else { "have" };
            let skipped = names(&self.only_skipped);
            write!(f, "{between}{skipped} {have} only ever been skipped, so there is no build to use")?;
        }
        Ok(())
    }
}
