//! Why a guest aborted, read from what it last wrote on standard error.
//!
//! A language runtime that aborts prints its reason and then traps, so the trap itself tells
//! nothing. Each family of runtimes has a file with the forms in which it prints:
//!
//! - `python`: tracebacks of CPython
//! - `javascript`: stacks of QuickJS, SpiderMonkey and V8
//! - `rust`: panics of Rust's standard library, those of runtimes that are written in Rust among
//!   them
//! - `go`: panics of Go and TinyGo
//! - `zig`: panics of Zig, and of the sanitizer that comes with it
//! - `native`: C and C++ libraries, sanitizers, AssemblyScript
//!
//! `refused` tells which grant a plugin misses that finds no file. `runtime` knows the functions
//! that only carry a failure to the host. `lines` walks over the text, and `read` decides which of
//! the blocks is the reason. The text is a plugin's: whatever it claims is a plugin's own kind, and
//! reading takes time linear in its length.

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
