//! Turns a folder of files into a checked catalog, and keeps it in step with the files.
//!
//! - `workspace`: where jobs and plugins are, and what jobs may be given
//! - `manifest_files`: which files are manifests by their names, and which only look like manifests
//! - `folder`: the manifests of the jobs folder
//! - `plugins`: from the function that a job names to its plugin
//! - `grants`: what a job asks for, compared with what the operator allows
//! - `load`: all of it checked together
//! - `today`: one job as it is in the folder now
//! - `at_hand`: the available plugins, and how manifests name them
//! - `asked`: whether a file that the person asks for is among those that are read
//! - `near`: a suggestion for a path that does not exist
//! - `survey`: which files a catalog is made of, and their state
//! - `trail`: the names that a path leads through
//! - `watch`: a new catalog for each change of the files, with the last good version of broken
//!   files

pub(crate) mod asked;
pub mod at_hand;
mod folder;
pub(crate) mod grants;
pub mod load;
mod manifest_files;
pub(crate) mod near;
pub(crate) mod plugins;
mod survey;
pub mod today;
mod trail;
pub mod watch;
pub mod workspace;
