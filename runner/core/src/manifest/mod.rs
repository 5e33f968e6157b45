//! Manifests: turns YAML text into jobs, or into diagnostics that point to the lines of the text.
//!
//! - `context`, `ceiling`: the operator's settings that reading a manifest needs
//! - `parse`: turns a YAML tree into jobs
//! - `keys`: the keys of a job, one file for each key or group of related keys
//! - `unread`: a guess at the contents of a file that cannot be read
//! - `entry`: a template for a new job
//! - `settings`, with `http`, `pools`, `secrets`, `retention`, `notify`, `server` and
//!   `bus`: `jobcontrol.yaml`, the operator's file

mod bus;
pub(crate) mod ceiling;
pub(crate) mod context;
mod entry;
mod http;
pub(crate) mod keys;
mod notify;
mod parse;
mod pools;
mod retention;
mod secrets;
mod server;
mod settings;
mod unread;

pub use bus::Bus;
pub use bus::BusAddress;
pub use ceiling::Ceiling;
pub use ceiling::Timeouts;
pub use context::Context;
pub use entry::entry;
pub use keys::id::valid_id;
pub use notify::Notify;
pub use parse::Parsed;
pub use parse::parse;
pub use server::Server;
pub use settings::CeilingFiles;
pub use settings::Settings;
pub use settings::parse_settings;
pub use unread::ids_of_text;

pub use crate::yaml::decode::decode;
pub use crate::yaml::environment::Environment;
pub use crate::yaml::node::parse_value;
pub use crate::yaml::units::duration as parse_duration;
