//! Manifests: YAML text in, jobs or diagnostics on the text's own lines out.
//!
//! - `context`, `ceiling`: what a manifest is read with
//! - `parse`: a tree to jobs
//! - `keys`: the keys of a job, a file for each or for those that belong together
//! - `unread`: what the text of a file seems to hold that cannot be read
//! - `entry`: a job as a person would begin it
//! - `settings`, with `http`, `pools`, `secrets`, `retention`, `notify` and `server`:
//!   `jobcontrol.yaml`, the operator's file

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
