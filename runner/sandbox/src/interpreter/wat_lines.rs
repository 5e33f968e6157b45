//! Checks whether the lines of a WAT text can be found quickly. At each instruction, the encoder
//! searches for the end of the line, and goes back over everything inside a bracketed instruction.
//! One long line would therefore take far too long.

use wast::lexer::Lexer;
use wast::lexer::TokenKind;

/// The most bytes that the encoder may scan to find lines. This takes under a second, and is enough
/// for a text of 20 MB.
const BYTES: usize = 200_000_000;

/// Returns whether the encoder can find the line of each instruction fast enough.
pub(crate) fn in_good_time(text: &str) -> bool {
    let (mut looked_at, mut brackets, mut line) = (0_usize, Vec::new(), 0..0);
    for token in Lexer::new(text).iter(0) {
        let Ok(token) = token else {
            // The parser reports the error.
            return true;
        };
        if token.offset >= line.end {
            let rest = text.as_bytes().get(token.offset..).unwrap_or_default();
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            line = token.offset..token.offset + length.max(1);
        }
        looked_at = looked_at.saturating_add(line.len());
        match token.kind {
            TokenKind::LParen => brackets.push(token.offset),
            TokenKind::RParen => {
                let opened = brackets.pop().unwrap_or(token.offset);
                looked_at = looked_at.saturating_add(token.offset - opened);
            }
            _ => {}
        }
        if looked_at > BYTES {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_have_their_lines_and_hostile_ones_have_not() {
        let module = |code: &str| format!("(module (func (result i32)\n{code}))");
        assert!(in_good_time(&module(&"  (i32.add\n (i32.const 1)\n (i32.const 2))\n drop\n".repeat(100_000))));
        assert!(in_good_time(&format!("(module (data \"{}\"))", "(".repeat(1_000_000))));
        assert!(!in_good_time(&module(&"nop ".repeat(100_000))), "one long line");
        let deep = 20_000;
        let nested = format!("{}(i32.const 0){}", "(i32.add\n".repeat(deep), "\n(i32.const 1))".repeat(deep));
        assert!(!in_good_time(&module(&nested)), "back and forth");
        assert!(
            !in_good_time(&module(&nested.replace("(i32.const 1)", ";; )))\n(; )) ;) (i32.const 1)"))),
            "with comments"
        );
    }
}
