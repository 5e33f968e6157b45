//! Why a plugin cannot be called.

/// Why a plugin could not be made ready for calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The plugin itself is at fault.
    #[error("{0}")]
    Plugin(String),
    /// Nobody waits for the plugin any more.
    #[error("{0}")]
    Interrupted(String),
    /// The cache folder, its disk, or the program that compiles failed.
    #[error("{0}")]
    Cache(String),
    /// The engine cannot run on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
}
