//! JSON Schema of a manifest, for editors: what may be written where, with the functions of the
//! plugins at hand.
//!
//! - `manifest`: the whole, out of what the keys of a job say of themselves
//! - `functions`: what `args` and `kwargs` take, by function
//! - `form`: the arguments of one function
//! - `types`: WIT types
//! - `parts`: what the keys share
//!
//! Draft-07, since that is what the YAML support of editors knows whole. A schema sees no tags:
//! `!retval JOB` is a text to it, so it lets pass what only `check` can tell from one. What `check`
//! accepts, it accepts.

mod form;
pub(crate) mod functions;
mod manifest;
pub(crate) mod parts;
mod types;

pub use form::form;
pub use functions::Callable;
pub use manifest::manifest;
