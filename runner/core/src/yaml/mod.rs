//! YAML as a person writes it: text to values that keep their places, and the keys of one mapping.
//! It knows nothing of jobs.
//!
//! - `decode`: the bytes of a file to its text
//! - `node`: YAML as a tree in which every value keeps its place and its tag
//! - `syntax`: what is wrong with a text that is not YAML
//! - `mend`: what its author may have meant, each guess tried
//! - `flow`: brackets that are not closed, or not by their own
//! - `lint`: what is YAML and yet cannot have been meant
//! - `parser`, `line`: what the parser says of a text beside its values, and one line of it
//! - `environment`: `${NAME}` in scalars
//! - `key`: a name with its place
//! - `fields`: the keys of one mapping, each read once; unknown keys and values of the wrong kind
//!   are reported
//! - `units`: sizes and durations
//! - `secret`: the tag that names one
//! - `quantity`: a key whose value is a size, a number or a duration

pub(crate) mod decode;
pub(crate) mod environment;
pub(crate) mod fields;
mod flow;
pub(crate) mod key;
mod line;
mod lint;
mod mend;
pub(crate) mod node;
mod parser;
pub(crate) mod quantity;
pub(crate) mod secret;
mod syntax;
pub(crate) mod units;
