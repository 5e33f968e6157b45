//! Finds out why a guest aborted from what it last wrote to standard error.
//!
//! A language runtime that aborts prints its reason and then traps, so the trap itself says
//! nothing. Each family of runtimes has a file for the formats that it prints:
//!
//! - `python`: tracebacks of CPython
//! - `javascript`: stacks of QuickJS, SpiderMonkey and V8
//! - `rust`: panics of Rust's standard library, including those of runtimes written in Rust
//! - `go`: panics of Go and TinyGo
//! - `zig`: panics of Zig, and of the sanitizer that comes with Zig
//! - `native`: C and C++ libraries, sanitizers, AssemblyScript
//!
//! `refused` finds out which grant is missing if a plugin does not find a file. `runtime` knows the
//! functions that only pass a failure to the host. `lines` walks over the text, and `read` decides
//! which block is the reason.
//!
//! The text comes from a plugin. Whatever it claims becomes a plugin's kind of failure, and reading
//! takes time linear in its length.

mod go;
mod javascript;
mod lines;
mod native;
mod python;
mod read;
mod refused;
mod runtime;
mod rust;
mod zig;

pub use read::MOST;
pub use read::Reason;
pub use read::read;
pub use refused::Seen;
pub use refused::refused;
pub use runtime::is_runtime;
