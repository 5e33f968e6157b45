//! Secrets: values that a plugin may use, and that are not kept anywhere else.
//!
//! - `name`, `source`: the name of a secret, and where the operator stores its value
//! - `secrets`: the values that one attempt has
//! - `forms`: the forms in which a value can appear in output
//! - `redactor`: removes all these forms from a plugin's output
//! - `stream`: does the same across log records

mod forms;
mod name;
mod redactor;
mod secrets;
mod source;
mod stream;

pub use name::valid_name;
pub use redactor::Redactor;
pub use secrets::Secrets;
pub use source::MOST;
pub use source::SHORTEST;
pub use source::SecretSource;
pub use stream::Stream;
