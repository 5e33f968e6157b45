//! Escapes characters by which a text could control a terminal, look like another text, or hide
//! what it says.

use std::borrow::Cow;
use std::fmt::Write;

/// Replaces each character that a terminal obeys or reorders, or that nobody sees, by its number.
/// Line ends and tabs stay.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    replaced(text, |out, c| {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    })
}

/// Does what [`clean`] does, and puts the text on one line.
pub(crate) fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// Does the same for a JSON document, whose texts stay the same. Only texts can have such
/// characters, because the rest is ASCII.
pub(crate) fn clean_json(document: &str) -> Cow<'_, str> {
    replaced(document, |out, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn replaced(text: &str, mut replace: impl FnMut(&mut String, char)) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            replace(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_unsafe(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => false,
        c if c.is_control() => true,
        // Bidirectional: marks, embeddings, overrides, isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Ends of lines and paragraphs.
        '\u{2028}' | '\u{2029}' => true,
        // Emoji need these two variation selectors. All others are just as invisible, and can carry
        // a hidden text.
        '\u{fe0e}' | '\u{fe0f}' => false,
        c => is_invisible(c),
    }
}

/// Returns whether a character has no picture. These are the characters that Unicode says to ignore
/// if they are not known, and its format characters. The few format characters that are seen are
/// left out (the number signs of Arabic, Syriac and Kaithi).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_escaped() {
        assert_eq!(clean("plain é\n\t"), "plain é\n\t");
        assert_eq!(clean("\x1b[2J\r\u{9b}\u{202e}x"), "\\u{1b}[2J\\u{d}\\u{9b}\\u{202e}x");
    }

    #[test]
    fn what_nobody_sees_is_escaped() {
        for c in "\u{ad}\u{34f}\u{115f}\u{1160}\u{180e}\u{200b}\u{200c}\u{200d}\u{2028}\u{2029}\u{2060}\u{2064}\u{3164}\
                  \u{fe00}\u{feff}\u{ffa0}\u{fff9}\u{fffb}\u{e0001}\u{e0041}\u{e007f}\u{e01ef}"
            .chars()
        {
            assert_eq!(clean(&c.to_string()), format!("\\u{{{:x}}}", u32::from(c)));
        }
        for seen in ["❤\u{fe0f}", "日本語", "नमस्ते", "مرحبا", "\u{600}", "a\u{301}", "🏴"] {
            assert_eq!(clean(seen), seen);
        }
    }

    #[test]
    fn a_json_document_says_the_same() {
        let text = "\u{7f}\u{9b}31m\u{200b}\u{e0041}\u{2028}é\n\x1b";
        let document = serde_json::to_string(text).unwrap();
        let cleaned = clean_json(&document);
        assert!(!cleaned.chars().any(is_unsafe), "{cleaned}");
        assert_eq!(serde_json::from_str::<String>(&cleaned).unwrap(), text);
    }
}
