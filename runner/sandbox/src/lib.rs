//! The WebAssembly sandbox of jobcontrol, and the only crate that knows the engine.
//!
//! In the order in which a call goes through:
//!
//! - `componentize`, `wat_lines`, `core_module`, `numeric`: a plugin's bytes to what the engine compiles
//! - `signature`: what a plugin's binary says of itself, without compiling
//! - `lookalike`: what a file is that is no plugin
//! - `dwarf`: whether debugging information can be read after a trap
//! - `guard`: decoders over bytes that nobody vouches for
//! - `loader`, `cache`, `once`: compiled code, from the cache or from a child process, once for all who need it
//! - `engine`: the engine's configuration, and the clock that interrupts guests
//! - `call`, `command`: a function and its arguments to an outcome
//! - `transfer`: values of the house into and out of a guest's memory
//! - `host`, `limits`: the state of a running build and what it may use
//! - `deadline`: when a call has to end for its time
//! - `bindings`, `grant`: what a plugin can ask of the host, one capability a file
//! - `traceback`: a trap's call stack
//! - `bounded`: texts of the host about a guest, as long as a person reads

mod bindings;
mod bounded;
mod cache;
mod call;
mod command;
mod componentize;
mod core_module;
mod deadline;
mod dwarf;
mod engine;
mod grant;
mod guard;
mod host;
mod limits;
mod loader;
mod lookalike;
mod numeric;
mod once;
mod signature;
mod traceback;
mod transfer;
mod wat_lines;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jobcontrol_core::event::NewRecord;
use jobcontrol_core::progress::Progress;

pub use cache::PruneCache;
pub use cache::Pruned;
pub use call::Call;
pub use call::Cancel;
pub use call::Function;
pub use call::Sandbox;
pub use grant::FilePolicy;
pub use grant::Followed;
pub use grant::Granted;
pub use grant::GrantedFolder;
pub use grant::follow;
pub use loader::Compiler;
pub use loader::compile_stdin;
pub use signature::missing_imports;
pub use signature::read_plugin;
pub use signature::read_plugin_bytes;
pub use signature::wit_text;

/// Why a plugin could not be made ready to be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The plugin itself.
    #[error("{0}")]
    Plugin(String),
    /// The cache folder, its disk, or the program that compiles.
    #[error("{0}")]
    Cache(String),
    /// The engine cannot run on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
}

/// What a plugin can learn of the build it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The build.
    pub build_id: u64,
    /// Its job.
    pub job_id: Arc<str>,
    /// 1 for the first try.
    pub attempt: u32,
    /// Tells this store from every other, so that two stores' builds do not share a key.
    pub store_id: Arc<str>,
}

impl BuildInfo {
    /// The same for all tries of one build, and for no other build of any store.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}", self.store_id, self.build_id)
    }
}

/// Where the log and the progress of a running build go.
pub trait Sink: Send + Sync {
    /// Takes a record, or gives it back where that would mean to wait.
    ///
    /// # Errors
    ///
    /// The record, if there is no room.
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord>;

    /// Takes a record, waiting for room. An error ends the build.
    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Takes the newest report of a group. Called as often as the guest likes, so it must be cheap.
    fn progress(&self, report: Progress);
}
