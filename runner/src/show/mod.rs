//! Rows to the shapes that every face shows.
//!
//! - `aftermath`: what a person looks at to understand a failed build
//! - `json`: the shapes of builds and diagnostics, which programs rely on
//! - `jobs`: the shapes of jobs and of their graph
//! - `moment`: when builds were looked at
//! - `runs`: the shapes of runs

pub(crate) mod aftermath;
pub(crate) mod jobs;
pub(crate) mod json;
pub(crate) mod moment;
pub(crate) mod runs;
