//! Why there is no build, or none that ended.

use jobcontrol_core::storage::StorageError;
use jobcontrol_sandbox::SandboxError;

/// Why there is no build, or none that ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecuteError {
    /// Dependencies without a successful build.
    #[error("missing dependencies: {} never built successfully", .0.join(", "))]
    MissingDependencies(Vec<String>),
    /// A pinned value, or an override, that does not fit the function.
    #[error("{0}")]
    Arguments(String),
    /// The plugin cannot be made ready.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A build ended, and the store does not have its end.
    #[error("the end of build {build} could not be written: {reason}; {then}")]
    Unrecorded {
        /// The build.
        build: u64,
        /// How it ended, and why that is not in the store.
        reason: String,
        /// What becomes of it.
        then: String,
    },
}
