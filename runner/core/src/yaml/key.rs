//! A name from a file, with its place.

use crate::diagnostic::Span;

/// A name in a manifest, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name as written.
    pub name: String,
    /// The place of the name.
    pub span: Span,
}

impl Key {
    /// Creates a name that is not from a file, such as one from a stored build.
    pub fn nowhere(name: impl Into<String>) -> Self {
        Self { name: name.into(), span: Span::default() }
    }
}
