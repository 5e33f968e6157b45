//! Interprets a plugin's bytes. This code runs only in a child process, whose limits bound what a
//! plugin can cost.
//!
//! - `task`: the tasks of a child, and its answers
//! - `serve`: the child, from its limits to its answer
//! - `guard`: decoders over untrusted bytes
//! - `componentize`, `wat_lines`, `core_module`, `numeric`, `preview1`: a plugin's bytes to what
//!   the engine compiles
//! - `exports`: a component without the exports that are not functions
//! - `lookalike`, `toolchains`: what a file is if it is not a plugin, or is one for another host
//! - `describe`: describes a plugin without compiling it; `producers`: the language that it was
//!   written in
//! - `script`: scripts, which are read and never run
//! - `sound`, `features`, `link`: whether the engine compiles and links it
//! - `trace`: names and lines of the calls of a trap

#[cfg(test)]
mod accepted;
mod componentize;
mod core_module;
mod describe;
mod exports;
mod features;
#[cfg(test)]
mod growth;
mod guard;
mod library;
mod link;
mod lookalike;
mod numeric;
mod preview1;
mod producers;
mod script;
mod serve;
mod sound;
pub(crate) mod task;
mod toolchains;
mod trace;
mod wat_lines;

pub(crate) use componentize::VERSION;
pub(crate) use componentize::is_wat;
pub(crate) use core_module::START;
pub(crate) use numeric::kebab;
pub use serve::answer;
pub use serve::serve;
pub use task::Task;
