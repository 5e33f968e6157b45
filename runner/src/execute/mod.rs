//! Builds to attempts to events.
//!
//! - `catalog`: a folder to checked jobs, with what each was granted
//! - `dispatcher`: a plan to builds, in parallel where the graph allows
//! - `executor`: one build: created, started, and given to `attempts`
//! - `attempts`: from the first start of a build to its end; `slots`: how many run at once
//! - `canceller`: cancels builds, in this process and in others
//! - `hooks`: `cleanup_function` and `repr_function` of a build
//! - `plugins`: from the function that a job names to its plugin
//! - `pins`: which builds of its dependencies a build may use
//! - `at_hand`: the plugins at hand, and how manifests name them
//! - `repeat`: a build's job as the store has it, plugin and all
//! - `watch`: a new catalog for each change of the files, with the last good version of what is broken
//! - `survey`: which files a catalog is made of, and their state
//! - `sink`: what a running build says, to the store and to who watches
//! - `rescuer`: what dead processes left running; `takeover`: which of it a run goes on with

pub mod at_hand;
mod attempts;
pub mod canceller;
pub mod catalog;
pub mod dispatcher;
pub mod executor;
pub mod hooks;
pub mod pins;
pub mod plugins;
pub mod repeat;
pub mod rescuer;
pub mod sink;
pub mod slots;
mod survey;
pub mod takeover;
pub mod watch;
