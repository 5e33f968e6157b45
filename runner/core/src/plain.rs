//! Removes terminal control sequences from text.

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';

/// Returns a text without terminal control sequences. It removes control sequences (CSI: colours,
/// cursor movements), control strings (OSC: titles, links; DCS and the like), and character set
/// selections (`ESC ( B`, as `tput sgr0` writes it). Other escapes and incomplete sequences stay as
/// they are. Takes time linear in the length of the text.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains([ESCAPE, '\u{9b}']) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    // If no end of a control string was found once, there is none further on either.
    let mut commands_end = true;
    while let Some(at) = rest.find([ESCAPE, '\u{9b}']) {
        out.push_str(&rest[..at]);
        let found = &rest[at..];
        let length = if let Some(csi) = found.strip_prefix("\u{1b}[").or_else(|| found.strip_prefix('\u{9b}')) {
            control(csi).map(|length| found.len() - csi.len() + length)
        } else if let Some(string) = found.strip_prefix(ESCAPE).and_then(|rest| rest.strip_prefix(STRINGS)) {
            let end = if commands_end { command(string) } else { None };
            commands_end = end.is_some();
            end.map(|length| found.len() - string.len() + length)
        } else {
            found.strip_prefix(ESCAPE).and_then(character_set).map(|length| ESCAPE.len_utf8() + length)
        };
        let keep = found.chars().next().map_or(0, char::len_utf8);
        if length.is_none() {
            out.push_str(&found[..keep]);
        }
        rest = &found[length.unwrap_or(keep)..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Characters that begin a control string: OSC, DCS, SOS, PM, APC.
const STRINGS: &[char] = &[']', 'P', 'X', '^', '_'];

/// Maximum bytes of parameters in a control sequence, so that no text is read many times.
const PARAMETERS: usize = 100;

/// Returns the length of a control sequence in bytes, from its parameters to its last character.
fn control(text: &str) -> Option<usize> {
    let end = text.bytes().take(PARAMETERS).position(|byte| !(0x20..0x40).contains(&byte))?;
    (0x40..0x7f).contains(&text.as_bytes()[end]).then_some(end + 1)
}

/// Returns the length of a character set selection in bytes: what is set, and the set, which may
/// have two characters.
fn character_set(text: &str) -> Option<usize> {
    let set = text.strip_prefix(['(', ')', '*', '+', '-', '.', '/', '%', '#'])?;
    let set = set.strip_prefix(['"', '%', '&', '!']).unwrap_or(set);
    let is_end = set.bytes().next().is_some_and(|byte| (0x30..0x7f).contains(&byte));
    is_end.then_some(text.len() - set.len() + 1)
}

/// Returns the length of a control string in bytes, including its terminator.
fn command(text: &str) -> Option<usize> {
    let end = text.find(['\u{7}', ESCAPE])?;
    match &text[end..] {
        rest if rest.starts_with('\u{7}') => Some(end + 1),
        rest if rest.starts_with("\u{1b}\\") => Some(end + 2),
        // Another sequence has begun, so this one is incomplete. Later ones may still have an end.
        _ => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_movements_titles_and_links_go_and_all_else_stays() {
        for (with, without) in [
            ("\u{1b}[1;31mKeyError\u{1b}[0m: 'x'", "KeyError: 'x'"),
            ("\u{1b}[2K50%\u{9b}0m", "50%"),
            ("\u{1b}[1mbold\u{1b}(B\u{1b}[m all", "bold all"),
            ("\u{1b})0\u{1b}(%5\u{1b}%Gsets", "sets"),
            ("a\u{1b}P+q544e\u{1b}\\b\u{1b}_c\u{1b}\\\u{1b}^d\u{1b}\\e", "abe"),
            ("\u{1b}(é \u{1b}(", "\u{1b}(é \u{1b}("),
            ("\u{1b}Pcut", "\u{1b}Pcut"),
            ("\u{1b}]0;title\u{7}a \u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "a link"),
            ("\u{1b}c plain \u{1b}", "\u{1b}c plain \u{1b}"),
            ("\u{1b}[31", "\u{1b}[31"),
            ("\u{1b}[3é1m", "\u{1b}[3é1m"),
            ("\u{1b}]0;cut", "\u{1b}]0;cut"),
        ] {
            assert_eq!(text(with), without, "{with:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_escapes_is_itself_and_none_grows(
            plain in "[ -~é\n]{0,50}",
            wild in "[\u{1b}\u{9b}\\[\\]();mP%0-9a\u{7}\\\\é]{0,200}",
        ) {
            prop_assert_eq!(text(&plain), &*plain);
            prop_assert!(text(&wild).len() <= wild.len());
        }
    }
}
