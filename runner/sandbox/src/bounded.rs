//! Texts that are made for a guest after its time: as long as a person reads, however much there is
//! to say.

use std::fmt;

/// Takes a text up to a length, cut between two characters, and refuses the rest, so that its maker
/// stops.
pub(crate) struct Bounded {
    text: String,
    most: usize,
    cut: bool,
}

impl Bounded {
    /// Room for so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { text: String::new(), most, cut: false }
    }

    /// What was taken, and whether it was cut.
    pub(crate) fn text(mut self) -> String {
        if self.cut {
            self.text.push_str(".. (cut)");
        }
        self.text
    }

    /// Whether there was more than there is room for.
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
