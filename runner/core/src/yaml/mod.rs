//! YAML as a person writes it: text to values that keep their places, and the keys of one mapping. It knows nothing of
//! jobs.
//!
//! - `decode`: the bytes of a file to its text
//! - `node`: YAML as a tree in which every value keeps its place and its tag
//! - `syntax`: what is wrong with a text that is not YAML
//! - `environment`: `${NAME}` in scalars
//! - `key`: a name with its place
//! - `fields`: the keys of one mapping, each read once; unknown keys and values of the wrong kind are reported
//! - `units`: sizes and durations
//! - `quantity`: a key whose value is a size, a number or a duration

pub(crate) mod decode;
pub(crate) mod environment;
pub(crate) mod fields;
pub(crate) mod key;
pub(crate) mod node;
pub(crate) mod quantity;
mod syntax;
pub(crate) mod units;
