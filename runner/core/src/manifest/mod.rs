//! Manifests: YAML text in, jobs or diagnostics on the text's own lines out.
//!
//! - `context`, `ceiling`: what a manifest is read with
//! - `parse`: a tree to jobs
//! - `timing`: `timeout` and `retry`
//! - `rights`: what a job may use and touch
//! - `pool`: `pool`, and `pools` of the operator
//! - `hooks`: `cleanup_function` and `repr_function`
//! - `entry`: a job as a person would begin it
//! - `settings`, with `retention`: `jobcontrol.yaml`, the operator's file

mod ceiling;
mod context;
mod entry;
mod hooks;
mod parse;
mod pool;
mod retention;
mod rights;
mod settings;
mod timing;

pub use ceiling::Ceiling;
pub use ceiling::Timeouts;
pub use context::Context;
pub use entry::entry;
pub(crate) use parse::JOB_KEYS;
pub use parse::Parsed;
pub use parse::parse;
pub use parse::valid_id;
pub use settings::CeilingFiles;
pub use settings::Settings;
pub use settings::parse_settings;

pub use crate::yaml::decode::decode;
pub use crate::yaml::environment::Environment;
pub use crate::yaml::node::parse_value;
pub use crate::yaml::units::duration as parse_duration;
