//! Writes events to the store as rows.
//!
//! - `recorder`: hands what a build does to the store, without delaying other builds
//! - `backend`: opens the store that a URL names
//! - `sqlite`: the store in one SQLite file, with the locks of its owners; the only module that
//!   uses SQL
//! - `pruner`: deletes what is older than the operator wants to keep
//! - `process`: the name of a process that runs builds
//! - `url`: where builds are kept, and the one real name of a store's file

pub mod backend;
pub(crate) mod process;
pub mod pruner;
pub mod recorder;
pub mod sqlite;
pub mod url;
