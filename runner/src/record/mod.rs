//! Events to rows.
//!
//! - `recorder`: what a build does, handed to the store without holding up other builds
//! - `backend`: which store a URL names, and opening it
//! - `sqlite`: the store in one SQLite file, with the locks of its owners; the only place that
//!   speaks SQL
//! - `pruner`: what is older than the operator wants it
//! - `process`: the name of a process that runs builds
//! - `url`: where builds are kept, and the one real name of a store's file

pub mod backend;
pub(crate) mod process;
pub mod pruner;
pub mod recorder;
pub mod sqlite;
pub mod url;
