//! Text without what only a terminal understands.

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';

/// A text without its control sequences (CSI: colours, movements of the cursor) and operating system commands (OSC: titles,
/// links). Other escapes, and sequences that are cut short, stay as they are. Takes time linear in the text.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains([ESCAPE, '\u{9b}']) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    // Once no end of a command was found, there is none further on either.
    let mut commands_end = true;
    while let Some(at) = rest.find([ESCAPE, '\u{9b}']) {
        out.push_str(&rest[..at]);
        let found = &rest[at..];
        let length = if let Some(csi) = found.strip_prefix("\u{1b}[").or_else(|| found.strip_prefix('\u{9b}')) {
            control(csi).map(|length| found.len() - csi.len() + length)
        } else if let Some(osc) = found.strip_prefix("\u{1b}]").filter(|_| commands_end) {
            let end = command(osc);
            commands_end = end.is_some();
            end.map(|length| found.len() - osc.len() + length)
        } else {
            None
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

/// Bytes of parameters that a control sequence has at most, so that no text is read many times.
const PARAMETERS: usize = 100;

/// The bytes of a control sequence from its parameters to its last character.
fn control(text: &str) -> Option<usize> {
    let end = text.bytes().take(PARAMETERS).position(|byte| !(0x20..0x40).contains(&byte))?;
    (0x40..0x7f).contains(&text.as_bytes()[end]).then_some(end + 1)
}

/// The bytes of an operating system command up to the end of what ends it.
fn command(text: &str) -> Option<usize> {
    let end = text.find(['\u{7}', ESCAPE])?;
    match &text[end..] {
        rest if rest.starts_with('\u{7}') => Some(end + 1),
        rest if rest.starts_with("\u{1b}\\") => Some(end + 2),
        // Another sequence has begun: this one is cut short, and others may still have an end.
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
            wild in "[\u{1b}\u{9b}\\[\\];m0-9a\u{7}\\\\é]{0,200}",
        ) {
            prop_assert_eq!(text(&plain), &*plain);
            prop_assert!(text(&wild).len() <= wild.len());
        }
    }
}
