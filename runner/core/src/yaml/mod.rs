//! YAML as people write it: turns text into values that keep their places, and reads the keys of a
//! mapping. It knows nothing about jobs.
//!
//! - `decode`: converts the bytes of a file to text
//! - `node`: YAML as a tree in which every value has its place and its tag
//! - `syntax`: explains why a text is not YAML
//! - `mend`: guesses what its author meant, and tries each guess
//! - `flow`: finds brackets that are not closed, or closed by the wrong bracket
//! - `lint`: warns of valid YAML that is probably not what the author meant
//! - `parser`, `line`: what the parser reports about a text besides its values, and one line of it
//! - `environment`: `${NAME}` in scalars
//! - `key`: a name with its place
//! - `fields`: reads each key of a mapping once, and reports unknown keys and values of the wrong
//!   kind
//! - `units`: sizes and durations
//! - `secret`: the tag that names a secret
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
