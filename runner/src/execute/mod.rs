//! Turns builds into attempts, and attempts into events.
//!
//! - `dispatcher`: turns a plan into builds, in parallel where the graph allows it; `order`: which
//!   jobs can start; `one`: one job whose turn has come; `job_end`: how a job ended
//! - `executor`: creates a build with its pins, and hands it over to `attempts`
//! - `prepared`: a job ready to be built; `resolver`: turns pins into the arguments of its function
//! - `attempts`: from the first start of a build to its end; `ending`: what the store keeps of the
//!   end; `last_word`: how the end gets into the store
//! - `starting`: what an attempt waits for: `pools`, `slots`, memory; `queue`: which build comes
//!   first
//! - `turns`: which builds wait until a plugin is compiled; `large`: work that does not belong on a
//!   thread of guests
//! - `sink`: the log and progress of a running build; `publisher`: publishes events; `tracer`:
//!   finds names and lines of the calls of failures
//! - `canceller`: cancels builds and runs, in this process and in others
//! - `interrupted`, `rescuer`, `takeover`: what dead processes left, and which of it a run resumes
//! - `hold`: the first builds of a run that waits until somebody starts it
//! - `hooks`: `cleanup_function` and `repr_function` of a build
//! - `sharing`: builds that another run makes at the same time; `unchanged`: builds that would find
//!   nothing new
//! - `pins`: which builds of its dependencies a build may use
//! - `secrets`: the values of the secrets that a build names; `command`: a program of the operator
//! - `remote`: attempts that workers run; `roster`: the workers that are there; `alone`: builds
//!   that none of them can run; `windows`: how many attempts they are offered at once; `uploads`:
//!   the plugins that the broker has
//! - `deadline`: waits for a moment
//! - `repeat`: a build's job as the store has it, with its plugin

mod alone;
mod attempts;
pub mod canceller;
pub mod command;
mod deadline;
pub mod dispatcher;
mod ending;
pub mod error;
pub mod executor;
pub mod hold;
pub mod hooks;
pub mod interrupted;
pub mod job_end;
pub(crate) mod large;
mod last_word;
mod one;
mod order;
pub mod pins;
mod pools;
pub mod prepared;
pub mod publisher;
mod queue;
mod random;
pub mod remote;
pub mod repeat;
pub mod rescuer;
mod resolver;
mod roster;
pub mod secrets;
pub mod sharing;
mod sink;
pub mod slots;
mod starting;
mod takeover;
pub mod tracer;
mod turns;
mod unchanged;
mod uploads;
pub mod windows;
