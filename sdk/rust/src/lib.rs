//! Jobs for jobcontrol in Rust: a plain function is a job.
//!
//! ```
//! use jobcontrol_plugin::Data;
//! use jobcontrol_plugin::ProgressIterator;
//! use jobcontrol_plugin::job;
//!
//! /// An order.
//! #[derive(Data)]
//! struct Order {
//!     id: String,
//!     cents: u64,
//! }
//!
//! /// Adds up what the orders cost.
//! #[job]
//! fn total(orders: Vec<Order>, least: Option<u64>) -> u64 {
//!     log::info!(count = orders.len(); "adding up");
//!     let cents = orders.iter().progress(["total"]).map(|order| order.cents);
//!     cents.filter(|cents| Some(*cents) >= least).sum()
//! }
//! # fn main() { total(vec![], None); }
//! ```
//!
//! The signature is the interface: there is no WIT to write, and no build step beside cargo.
//! Compile it as a `cdylib` for `wasm32-wasip2`, `wasm32-wasip1` or `wasm32-unknown-unknown`, and
//! the file is a plugin.
//!
//! In reading order: [`macro@job`] and [`derive@Data`], [`progress`], [`build`], [`failure`],
//! [`http`], [`testing`].
//!
//! If you describe your interface in WIT, use `wit-bindgen` as usual, and this crate for the
//! rest: call [`init`], or write [`init_on_load!`] once.

mod bindings;
pub mod build;
#[cfg(not(target_family = "wasm"))]
mod collected;
mod data;
pub mod failure;
mod host;
pub mod http;
mod init;
mod logger;
mod panic;
pub mod progress;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

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

/// The functions that the macros' code calls. They change with the macros.
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
    pub use crate::data::outcome::FallibleSend;
    pub use crate::data::outcome::Outcome;
}
