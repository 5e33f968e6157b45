//! The host's side of a jobcontrol plugin: logging, progress, failures and the running build.
//!
//! A plugin writes its own WIT with its own exports and generates bindings for it as usual. This
//! crate brings the imports of `jobcontrol:plugin`; the two are merged when the component is made.
//!
//! ```no_run
//! use jobcontrol_plugin::ProgressIterator;
//!
//! // Once in the crate: `log` and panics go to the host from then on.
//! jobcontrol_plugin::init_on_load!();
//!
//! fn total(amounts: Vec<u64>) -> u64 {
//!     log::info!(count = amounts.len(); "adding up");
//!     amounts.iter().progress(["total"]).sum()
//! }
//! # fn main() { total(vec![1]); }
//! ```
//!
//! In reading order: [`init`] and [`init_on_load!`], [`progress`], [`build`], [`failure`].
//!
//! Outside WebAssembly there is no host, so that a plugin's functions can be tested with
//! `cargo test`: log records and progress go nowhere, [`current`] gives a made-up build, and
//! [`skip`] and [`fail`] panic.

pub mod build;
mod data;
pub mod failure;
mod host;
mod init;
mod logger;
mod panic;
pub mod progress;

pub use jobcontrol_plugin_macros::Data;
pub use jobcontrol_plugin_macros::job;

pub use build::BuildInfo;
pub use build::current;
pub use build::skip;
pub use data::Data;
pub use failure::fail;
pub use failure::fail_with;
pub use init::init;
pub use progress::Progress;
pub use progress::ProgressIterator;

/// What the macros write. It changes with them.
#[doc(hidden)]
pub mod __private {
    pub use crate::data::Data;
    pub use crate::data::encode::Bytes;
    pub use crate::data::encode::bound;
    pub use crate::data::encode::said_bound;
    pub use crate::data::encode::said_of_job;
    pub use crate::data::encode::said_of_type;
    pub use crate::data::encode::section;
    pub use crate::data::export::Bits;
    pub use crate::data::export::Kind;
    pub use crate::data::export::Slot;
    pub use crate::data::export::Slots;
    pub use crate::data::export::begin;
    pub use crate::data::export::give;
    pub use crate::data::export::gives;
    pub use crate::data::export::load_flags;
    pub use crate::data::export::no_such_case;
    pub use crate::data::export::param;
    pub use crate::data::export::result;
    pub use crate::data::export::store_flags;
    pub use crate::data::export::take;
    pub use crate::data::export::takes;
    pub use crate::data::layout::Shape;
    pub use crate::data::layout::Ty;
    pub use crate::data::outcome::Fallible;
    pub use crate::data::outcome::Outcome;
}
