//! Builds to attempts to events.
//!
//! - `dispatcher`: a plan to builds, in parallel where the graph allows; `order`: what can start;
//!   `one`: one job whose turn has come; `job_end`: what became of it
//! - `executor`: one build: created with its pins, and handed over to `attempts`
//! - `prepared`: a job ready to be built; `resolver`: from pins to the arguments of its function
//! - `attempts`: from the first start of a build to its end; `ending`: what the store keeps of
//!   that; `last_word`: how it gets there
//! - `starting`: what an attempt waits for: `pools`, `slots`, memory; `queue`: who comes first
//! - `turns`: who waits until a plugin is compiled; `large`: work that does not belong on a thread
//!   of guests
//! - `sink`: what a running build says; `publisher`: where events go; `tracer`: names and lines of
//!   the calls of failures
//! - `canceller`: cancels builds and runs, in this process and in others
//! - `interrupted`, `rescuer`, `takeover`: what dead processes left, and what a run goes on with
//! - `hold`: the first builds of a run that waits until somebody starts it
//! - `hooks`: `cleanup_function` and `repr_function` of a build
//! - `sharing`: builds that another run makes at the same time; `unchanged`: builds that would find
//!   nothing new
//! - `pins`: which builds of its dependencies a build may use
//! - `secrets`: the values of those that a build names; `command`: a program of the operator's
//! - `repeat`: a build's job as the store has it, plugin and all

mod attempts;
pub mod canceller;
pub mod command;
pub mod dispatcher;
mod ending;
pub mod error;
pub mod executor;
pub mod hold;
pub mod hooks;
pub mod interrupted;
pub mod job_end;
mod large;
mod last_word;
mod one;
mod order;
pub mod pins;
mod pools;
pub mod prepared;
pub mod publisher;
mod queue;
mod random;
pub mod repeat;
pub mod rescuer;
mod resolver;
pub mod secrets;
pub mod sharing;
mod sink;
pub mod slots;
mod starting;
mod takeover;
pub mod tracer;
mod turns;
mod unchanged;
