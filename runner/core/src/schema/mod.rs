//! JSON Schema of a manifest, for editors: what may be written where, including the functions of
//! the available plugins.
//!
//! - `manifest`: the whole manifest, assembled from the schemas of a job's keys
//! - `functions`: `args` and `kwargs` of each function
//! - `form`: a form with the arguments of one function
//! - `types`: WIT types
//! - `parts`: parts that several keys share
//!
//! The schema is draft-07, the version that the YAML support of editors fully knows. A schema does
//! not see tags: it treats `!retval JOB` as a string, and leaves it to `check` to tell them apart.
//! It accepts everything that `check` accepts.

mod form;
pub(crate) mod functions;
mod manifest;
pub(crate) mod parts;
mod types;

pub use form::form;
pub use functions::Callable;
pub use manifest::manifest;
