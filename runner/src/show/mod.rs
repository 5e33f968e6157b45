//! Turns rows into the shapes that every interface shows.
//!
//! - `aftermath`: what a person looks at to understand a failed build
//! - `difference`: the shape of what differs between builds
//! - `drawing`: a graph of jobs as a picture
//! - `escape`: characters that hide what a text says
//! - `events`: the shapes of what happens while somebody watches
//! - `form`: the shape of what a person fills in to run a job
//! - `json`: the shapes of builds and diagnostics, which programs rely on
//! - `jobs`: the shapes of jobs and of their graph
//! - `moment`: when builds were looked at
//! - `pages`: the shapes of lists that come in pages
//! - `plugins`: the shapes of plugins
//! - `runs`: the shapes of runs
//! - `tokens`: the shapes of tokens
//! - `schema`: shapes that are written by hand, for the description of the API

pub(crate) mod aftermath;
pub(crate) mod difference;
pub(crate) mod drawing;
pub(crate) mod escape;
pub(crate) mod events;
pub(crate) mod form;
pub(crate) mod jobs;
pub(crate) mod json;
pub(crate) mod moment;
pub(crate) mod pages;
pub(crate) mod plugins;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod tokens;
