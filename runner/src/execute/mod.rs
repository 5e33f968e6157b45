//! Builds to attempts to events.
//!
//! - `dispatcher`: a plan to builds, in parallel where the graph allows
//! - `executor`: one build: created, started, and given to `attempts`
//! - `attempts`: from the first start of a build to its end; `slots`: how many run at once
//! - `canceller`: cancels builds, in this process and in others
//! - `hooks`: `cleanup_function` and `repr_function` of a build
//! - `pins`: which builds of its dependencies a build may use
//! - `repeat`: a build's job as the store has it, plugin and all
//! - `sink`: what a running build says, to the store and to who watches
//! - `rescuer`: what dead processes left running; `takeover`: which of it a run goes on with

mod attempts;
pub mod canceller;
pub mod dispatcher;
pub mod executor;
pub mod hooks;
pub mod pins;
pub mod repeat;
pub mod rescuer;
pub mod sink;
pub mod slots;
pub mod takeover;
