//! What a plugin can ask of the host, one file for each capability: the functions, then how they
//! are linked.
//!
//! - `log`, `progress`, `build`: the contract of `sdk/wit/plugin.wit`, given to every job; `said`:
//!   records and failures, read out of the guest within limits
//! - `stdio`: standard output and error, as log records
//! - `files` (with `links`, `listing`, `entries` and `answer`), `env`: given by a job's `grants`
//! - `fixed`: also by `grants`: clocks and random numbers that are the same each time; `written`,
//!   `written_preview1`: writing, counted against quotas
//! - `http`, `http_plain`: also by `grants`; `crate::http` makes the requests
//! - `preview1`, `folders`: what only preview1 modules ask for, and how they read folders
//! - `opened`: the file or folder behind a preview1 descriptor
//! - `granted`: what one job was granted
//! - `linker`: all capabilities together, the same for every job
//! - `context`: the rights of one build

mod answer;
mod build;
mod context;
mod entries;
mod env;
mod files;
mod fixed;
mod folders;
mod granted;
mod http;
mod http_plain;
mod linker;
mod links;
mod listing;
mod log;
mod opened;
mod preview1;
mod progress;
mod said;
mod stdio;
mod written;
mod written_preview1;

pub(crate) use context::context;
pub(crate) use entries::Folders;
pub use files::FilePolicy;
pub use files::GrantedFolder;
pub use granted::Granted;
pub(crate) use linker::core_linker;
pub(crate) use linker::linker;
pub use links::Followed;
pub use links::follow;
pub(crate) use stdio::Lines;
