//! Shortens long texts, and says how to show the rest.

use jobcontrol_core::limits::show_bytes;

/// The most lines of a return value on a terminal, unless the full value is requested.
pub(crate) const RETVAL_LINES: usize = 40;
/// The most bytes per line on average, so that one endless line is shortened, too.
const LINE: usize = 200;
/// How to show all of a return value.
pub(crate) const FULL: &str = "`--full` shows all";
/// Cuts a text to at most `lines` lines, and says how many more there are and how to show them.
pub(crate) fn shortened(text: &str, lines: usize, full: &str) -> String {
    let (end, mut left) = match text.match_indices('\n').nth(lines - 1) {
        Some((at, _)) if at + 1 < text.len() => (at, text[at + 1..].lines().count()),
        _ => (text.len(), 0),
    };
    let most = text.floor_char_boundary(lines * LINE);
    if end <= most && left == 0 {
        return text.to_owned();
    }
    let kept = &text[..end.min(most)];
    if left == 0 || most < end {
        left = text[kept.len()..].lines().count();
    }
    let more = if left == 1 { "1 more line".to_owned() } else { format!("{left} more lines") };
    format!("{kept}\n.. {more} ({}); {full}", show_bytes((text.len() - kept.len()) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let lines = |n: usize| (0..n).map(|line| format!("line {line}\n")).collect::<String>();
        assert_eq!(shortened("", 3, FULL), "");
        assert_eq!(shortened(&lines(3), 3, FULL), lines(3));
        assert_eq!(shortened(lines(3).trim_end(), 3, FULL), lines(3).trim_end());
        let expected = "line 0\nline 1\nline 2\n.. 1 more line (8 bytes); `--full` shows all";
        assert_eq!(shortened(&lines(4), 3, FULL), expected);
        let cut = shortened(&lines(1_000), 3, FULL);
        assert!(cut.contains("\n.. 997 more lines ("), "{cut}");
        // One line without an end is cut too, between two characters.
        let endless = shortened(&"ä".repeat(1_000_000), 3, FULL);
        assert!(endless.len() < 3 * LINE + 100 && endless.contains(".. 1 more line ("), "{}", endless.len());
    }
}
