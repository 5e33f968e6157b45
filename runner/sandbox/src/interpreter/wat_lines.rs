//! Whether the lines of a text are worth their time: its encoder looks for the end of the line at
//! each instruction, and goes back over all that an instruction in brackets holds, so one long line
//! would keep it for longer than anybody waits.

use wast::lexer::Lexer;
use wast::lexer::TokenKind;

/// Bytes that the encoder may look at for lines alone: under a second, and what a text of 20 MB
/// takes.
const BYTES: usize = 200_000_000;

/// Whether the encoder can tell the line of each instruction in good time.
pub(crate) fn in_good_time(text: &str) -> bool {
    let (mut looked_at, mut brackets, mut line) = (0_usize, Vec::new(), 0..0);
    for token in Lexer::new(text).iter(0) {
        let Ok(token) = token else {
            // The parser says what is wrong.
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
