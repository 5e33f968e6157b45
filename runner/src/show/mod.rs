//! Rows to the shapes that every face shows.
//!
//! - `json`: the shapes of builds and diagnostics, which programs rely on
//! - `runs`: the shapes of runs

pub(crate) mod json;
pub(crate) mod runs;
