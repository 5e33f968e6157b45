//! Bounds the texts that the host writes about a guest after the guest has ended. A text stays
//! short enough for a person to read.

use std::fmt;

/// Takes text up to a length and cuts it between two characters. It returns an error for the rest,
/// so that the formatting code stops early.
pub(crate) struct Bounded {
    text: String,
    most: usize,
    cut: bool,
}

impl Bounded {
    /// Creates a buffer for at most `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { text: String::new(), most, cut: false }
    }

    /// Returns the text that was taken; `.. (cut)` at its end marks a text that was cut.
    pub(crate) fn text(mut self) -> String {
        if self.cut {
            self.text.push_str(".. (cut)");
        }
        self.text
    }

    /// Returns whether there was more text than room for it.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Err(fmt::Error);
        }
        let room = self.most - self.text.len();
        self.cut = text.len() > room;
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        if self.cut { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_refused() {
        let mut bounded = Bounded::new(4);
        assert!(bounded.write_str("aü").is_ok());
        assert!(bounded.write_str("üb").is_err());
        assert!(bounded.write_str("c").is_err());
        assert_eq!(bounded.text(), "aü.. (cut)");
        let mut bounded = Bounded::new(4);
        assert!(bounded.write_str("aüb").is_ok());
        assert_eq!(bounded.text(), "aüb");
    }
}
