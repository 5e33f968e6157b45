//! A name that was written, with its place.

use crate::diagnostic::Span;

/// A name in a manifest and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name as written.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Key {
    /// A name that stands in no file, such as one of a stored build.
    pub fn nowhere(name: impl Into<String>) -> Self {
        Self { name: name.into(), span: Span::default() }
    }
}
