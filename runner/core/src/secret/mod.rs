//! Secrets: values that a plugin may use and that nothing else keeps.
//!
//! - `name`, `source`: what a secret is called, and where the operator says that its value is
//! - `secrets`: the values that one attempt has
//! - `forms`: the texts in which a value can come back
//! - `redactor`: takes all of them out of what a plugin says
//! - `stream`: the same across log records

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
