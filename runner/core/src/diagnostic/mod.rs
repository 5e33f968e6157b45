//! Mistakes in a user's file: where, why, and how to fix them. Plain data, which an interface
//! renders.
//!
//! - `source`: a file, and a place in it
//! - `mistake`: one mistake with its places
//! - `code`: a stable code for each kind of mistake
//! - `explain`: what a code means, with a wrong and a right example
//! - `names`: names in messages

mod code;
mod explain;
mod mistake;
mod names;
mod source;

pub use code::Code;
pub use code::Severity;
pub use explain::Example;
pub use explain::Explanation;
pub use mistake::Diagnostic;
pub use mistake::Label;
pub use mistake::MAX_DIAGNOSTIC;
pub use mistake::collected;
pub(crate) use names::listed;
pub use names::nearest;
pub use names::some_of;
pub(crate) use names::without_space;
pub use source::Source;
pub use source::Span;
