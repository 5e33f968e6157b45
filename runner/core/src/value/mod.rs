//! A value of any WIT type, independent of language and engine; stored as MessagePack, shown as
//! JSON or YAML.
//!
//! - `data`: the value
//! - `name`: the key of an entry in a map
//! - `pack`: its encoding in the store
//! - `show`: its display for people

pub(crate) mod data;
mod name;
mod pack;
mod show;

pub use data::RETVAL_KEY;
pub use data::SECRET_KEY;
pub use data::Value;
pub use data::as_tag;
pub use data::shortest;
pub use name::Name;
pub use pack::MAX_DEPTH;
pub use pack::PackError;
pub use pack::digest;
pub use pack::pack;
pub use pack::unpack;
pub(crate) use show::JSON_EXACT;
pub use show::Json;
pub use show::Yaml;
