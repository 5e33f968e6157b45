//! The text of a file, and a place in it.

/// A range of bytes in a source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Creates the range from `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user would type it.
    pub path: String,
    /// The whole text; empty if the file could not be read as text.
    pub text: String,
}

impl Source {
    /// Returns the 1-based line and column, in characters, of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let source = Source { path: "x".into(), text: "a\nbé: c".into() };
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(source.text.find('c').unwrap()), (2, 5));
        assert_eq!(source.position(1000), (2, 6));
    }
}
