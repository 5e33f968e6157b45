//! The WebAssembly sandbox of jobcontrol. No other crate depends on the engine.
//!
//! In the order in which a call passes through them:
//!
//! - `interpreter`: inspects a plugin's bytes in a separate process; `child`: the parent's side of
//!   that process
//! - `plugins`, `imports`: what a plugin declares, and whether the host offers what it imports
//! - `runtimes`: the interpreters of scripts
//! - `loader`, `cache`, `once`: compiled code, from the cache or from a child process, made once
//!   for all callers that need it
//! - `engine`: the engine's configuration, and the clock that interrupts guests
//! - `sandbox`, `function`: from a plugin to a function, and from a function to an outcome
//! - `command`, `numbers`, `script`: WASI commands, functions of core modules, and of scripts;
//!   `archive`: a script's files; `imported`: scripts that need not be imported again
//! - `call`, `build_info`, `sink`, `cancel`: the input and the output of a call
//! - `transfer`: moves values into and out of a guest's memory
//! - `host`, `guest`, `limits`, `quota`: the state of a running build, and what it may still log,
//!   use and write
//! - `ledger`: the memory that all running builds hold together; `current`: the build that a thread
//!   polls
//! - `apart`: long work that other guests do not wait for
//! - `places`: how many calls run at once
//! - `meter`: the time that a call spends on a guest thread
//! - `deadline`, `interrupt`, `signal`, `stop`: when and how the host ends a call
//! - `bindings`, `grant`: what a plugin can ask of the host, one file for each capability
//! - `http`: HTTP requests of guests, on dedicated threads
//! - `outcome`, `traceback`, `traced`: the outcome of a call, and the call stack of a trap
//! - `bounded`: bounded texts of the host about a guest
//! - `error`: why a plugin cannot be called

mod apart;
mod archive;
mod bindings;
mod bounded;
mod build_info;
mod cache;
mod call;
mod cancel;
mod child;
mod command;
mod current;
mod deadline;
mod engine;
mod error;
mod function;
mod grant;
mod guest;
mod host;
mod http;
mod imported;
mod imports;
mod interpreter;
mod interrupt;
mod ledger;
mod limits;
mod loader;
mod meter;
mod numbers;
mod once;
mod outcome;
mod places;
mod plugins;
mod quota;
mod runtimes;
mod sandbox;
mod script;
mod signal;
mod sink;
mod stop;
mod traceback;
mod traced;
mod transfer;

pub use archive::Language;
pub use archive::is_script;
pub use build_info::BuildInfo;
pub use cache::PruneCache;
pub use cache::Pruned;
pub use call::Call;
pub use call::Called;
pub use cancel::Cancel;
pub use error::SandboxError;
pub use function::Function;
pub use grant::FilePolicy;
pub use grant::Followed;
pub use grant::Granted;
pub use grant::GrantedFolder;
pub use grant::follow;
pub use http::Names;
pub use imports::missing_imports;
pub use interpreter::Task;
pub use interpreter::answer;
pub use interpreter::serve;
pub use ledger::Account;
pub use ledger::Full;
pub use ledger::Ledger;
pub use plugins::Plugins;
pub use plugins::TRACING;
pub use runtimes::Code;
pub use runtimes::Runtimes;
pub use sandbox::Sandbox;
pub use sink::HttpExchange;
pub use sink::Sink;
