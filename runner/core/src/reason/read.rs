//! Decides which block on standard error is the reason why a guest aborted.

use crate::failure::Cause;
use crate::failure::Failure;
use crate::failure::FailureKind;
use crate::failure::Frame;
use crate::failure::cut_failure;
use crate::plain;

use super::go;
use super::javascript;
use super::lines::Block;
use super::lines::Lines;
use super::native;
use super::python;
use super::rust;
use super::zig;

/// Bytes of standard error that are read, from its end: room for a deep traceback.
pub const MOST: usize = 16 << 10;

/// The functions that recognise a block at its first line.
const FORMS: &[fn(Lines<'_>) -> Option<Block>] =
    &[python::block, rust::block, go::block, zig::block, javascript::block, native::block];

/// Prefixes of lines that follow a reason and add nothing to it.
const NOTES: &[&str] = &[
    "note: run with `RUST_BACKTRACE",
    "note: Some details are omitted, run with `RUST_BACKTRACE",
    "exit status ",
    "Aborted",
    "fatal runtime error: failed to initiate panic",
    "SUMMARY: UndefinedBehaviorSanitizer",
    "Cannot print stack trace:",
    "Unable to dump stack trace:",
    "Redirecting call to abort()",
];

/// Why a guest aborted, as reported by its runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The runtime's name for it.
    pub kind: String,
    /// In words.
    pub message: String,
    /// The calls that led to it, outermost first. Some runtimes only report where it happened, or
    /// nothing.
    pub frames: Vec<Frame>,
    /// The chain of causes, nearest first.
    pub causes: Vec<Cause>,
    exits: &'static [i32],
}

impl Reason {
    /// Returns whether a guest with this reason exits with this code if it does not trap.
    pub fn exits_with(&self, code: i32) -> bool {
        self.exits.contains(&code)
    }

    /// Returns whether the calls are named, which makes them more useful than those of the engine.
    pub fn names_calls(&self) -> bool {
        self.frames.iter().any(|frame| !frame.function.is_empty())
    }
}

impl From<Block> for Reason {
    fn from(block: Block) -> Self {
        let Block { kind, message, frames, causes, exits, .. } = block;
        // The kind becomes a plugin's kind, so that it cannot be one of the runner's.
        let cause = |(kind, message, frames)| Cause { kind: FailureKind::Plugin(kind).to_string(), message, frames };
        let causes = causes.into_iter().map(cause).collect();
        let mut failure = Failure { causes, frames, ..Failure::new(FailureKind::Plugin(kind.clone()), message) };
        cut_failure(&mut failure);
        Self { kind, message: failure.message, frames: failure.frames, causes: failure.causes, exits }
    }
}

/// Returns the reason from the last block that a guest wrote to standard error, or `None` if its
/// format is not known. Only the last [`MOST`] bytes are read.
pub fn read(stderr: &str) -> Option<Reason> {
    let lines = last_lines(stderr);
    let (mut last, mut at) = (None::<Block>, 0);
    // Lines right behind the last block that may or may not belong to it.
    let mut doubtful = String::new();
    let mut is_behind = false;
    while at < lines.len() {
        let rest = Lines(&lines[at..]);
        match FORMS.iter().find_map(|form| form(rest)) {
            Some(block) => {
                at += block.lines.max(1);
                is_behind = block.open;
                last = Some(match last {
                    // The guest ended with this exception, so everything behind it is its message.
                    Some(before) if block.carries => {
                        let message = before.message + &doubtful;
                        Block { message: message.trim_start().to_owned(), ..before }
                    }
                    _ => block,
                });
                doubtful.clear();
            }
            None => {
                let line = rest.first().trim_start();
                if line.is_empty() {
                    is_behind = false;
                } else if !NOTES.iter().any(|note| line.starts_with(note)) {
                    if is_behind && last.is_some() {
                        doubtful.push('\n');
                        doubtful.push_str(rest.first());
                    } else {
                        last = None;
                        doubtful.clear();
                    }
                }
                at += 1;
            }
        }
    }
    last.filter(|_| doubtful.is_empty()).map(Reason::from)
}

/// Returns the lines of the last [`MOST`] bytes. CPython prints the exception at the end of a
/// traceback, so the end of a long one is enough.
fn last_lines(stderr: &str) -> Vec<String> {
    let start = stderr.ceil_char_boundary(stderr.len().saturating_sub(MOST));
    let end = plain::text(&stderr[start..]);
    let mut lines: Vec<_> = end.lines().map(|line| line.trim_end().to_owned()).collect();
    if start > 0
        && let Some(first) = lines.first_mut()
    {
        let cut = std::mem::take(first);
        if lines.get(1).is_some_and(|line| python::is_call(line)) && !cut.ends_with(python::HEADER) {
            lines[0] = python::HEADER.to_owned();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Formats `kind: message` with its calls as one text; each cause follows a `<`.
    fn told(stderr: &str) -> String {
        let Some(reason) = read(stderr) else {
            return "nothing".to_owned();
        };
        let calls = |frames: &[Frame]| {
            let call = |frame: &Frame| {
                let times = frame.repeated.map(|repeated| format!(" x{}", repeated.times)).unwrap_or_default();
                format!(" [{} {}:{}:{}{times}]", frame.function, frame.file, frame.line, frame.column)
            };
            frames.iter().map(call).collect::<String>()
        };
        let mut text = format!("{}: {}{}", reason.kind, reason.message, calls(&reason.frames));
        for cause in &reason.causes {
            text += &format!(" < {}: {}{}", cause.kind, cause.message, calls(&cause.frames));
        }
        text
    }

    #[test]
    fn cpython() {
        let traceback = "Traceback (most recent call last):\n  File \"/0/shop.py\", line 24, in dearest\n    \
            worth = order.price * rate_of(order)\n                          ^^^^^^\n  File \"/0/shop.py\", line 12, in \
            rate_of\nKeyError: 'urgent'\n";
        let expected = "KeyError: 'urgent' [dearest /0/shop.py:24:0] [rate_of /0/shop.py:12:0]";
        assert_eq!(told(traceback), expected);
        // The runtime of componentize-py is written in Rust and panics after it.
        let panic = "\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:\nPython function threw an \
            unexpected exception\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(told(&format!("a line\n{traceback}{panic}")), expected);
        assert_eq!(told(&format!("\u{1b}[1;35m{traceback}\u{1b}[0m")), expected);
        assert_eq!(told(&format!("{traceback}\ncaught it\n")), "nothing");
        for other in ["all right, going on\n", "all right\ngoing on\n", "a\n\nb\n"] {
            assert_eq!(told(&format!("{traceback}{other}")), "nothing");
            assert_eq!(told(&format!("{traceback}{other}{traceback}")), expected);
        }
        let of_lines = format!("{}\nand more\n{panic}", traceback.trim_end());
        assert_eq!(told(&of_lines), expected.replacen("'urgent'", "'urgent'\nand more", 1));
        let indented = traceback.replace("'urgent'\n", "'urgent'\n  and more\n");
        assert_eq!(told(&indented), expected.replacen("'urgent'", "'urgent'\n  and more", 1));
        let syntax = "  File \"x.py\", line 1\n    x =\n       ^\nSyntaxError: invalid syntax\n";
        assert_eq!(told(syntax), "SyntaxError: invalid syntax [ x.py:1:0]");
        assert!(read(syntax).is_some_and(|reason| reason.exits_with(1)));
        assert_eq!(told(&syntax.replace("SyntaxError", "Warning")), "nothing");
        let chained = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 1\n\nDuring handling \
            of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", \
            line 3, in g\n  [Previous line repeated 992 more times]\nshop.Empty\n";
        assert_eq!(told(chained), "shop.Empty:  [g a.py:3:0 x992] < KeyError: 1 [f a.py:1:0]");
        let long =
            format!("Traceback (most recent call last):\n{}E: x\n", "  File \"a.py\", line 1, in f\n".repeat(5_000));
        assert!(told(&long).starts_with("E: x [f a.py:1:0] [f a.py:1:0]"), "{}", told(&long));
    }

    #[test]
    fn javascript() {
        let quickjs = "\nthread '<unnamed>' (1) panicked at crates/runtime/src/interpreter.rs:51:31:\nFailed to call \
            'dearest': Exception(Exception { message: Some(\"cannot read property 'factor' of undefined\"), stack: \
            Some(\"    at rateOf (/shop.js:7:15)\\n    at dearest (/shop.js:22:36)\\n\") })\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let calls = "[dearest /shop.js:22:36] [rateOf /shop.js:7:15]";
        assert_eq!(told(quickjs), format!("Error: cannot read property 'factor' of undefined {calls}"));
        let plain =
            "Uncaught TypeError: x is undefined\n    at rateOf (/shop.js:7:15)\n    at dearest (/shop.js:22:36)\n";
        assert_eq!(told(plain), format!("TypeError: x is undefined {calls}"));
        let spidermonkey = "Exception while calling: (new TypeError(\"x is undefined\", \"/shop.js\", 7))\nStack:\n  \
            rateOf@/shop.js:7:15\n  dearest@/shop.js:22:36\n";
        assert_eq!(told(spidermonkey), format!("TypeError: x is undefined {calls}"));
        let embedded = "can't access property \"factor\", rates[0] is undefined\nStack:\n  rateOf@/shop.js:7:15\n  \
            dearest@/shop.js:22:36\n\nRedirecting call to abort() to mozalloc_abort\n\n";
        assert_eq!(told(embedded), format!("Error: can't access property \"factor\", rates[0] is undefined {calls}"));
    }

    #[test]
    fn rust_go_and_zig() {
        let panic = "thread 'main' panicked at src/x.rs:1:2:\nassertion `left == right` failed\n  left: 1\n right: 2\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(told(panic), "panic: assertion `left == right` failed\n  left: 1\n right: 2 [ src/x.rs:1:2]");
        assert_eq!(told("thread 'main' panicked at 'oh, no', src/x.rs:1:2\n"), "panic: oh, no [ src/x.rs:1:2]");
        let traced = "thread 'main' panicked at src/x.rs:1:2:\nno\nstack backtrace:\n   0: inner\n             at \
            ./src/x.rs:1:2\n   1: outer\n";
        assert_eq!(told(traced), "panic: no [outer :0:0] [inner ./src/x.rs:1:2]");
        let go = "panic: first [recovered]\n\tpanic: runtime error: index out of range [5] with length 3\n[signal x]\n\n\
            goroutine 1 [running]:\nmain.f({0x1, 0x2}, 5)\n\t/go/x.go:7 +0x1d\nmain.main()\n\t/go/x.go:10 +0x2\n\n\
            goroutine 2 [select]:\nmain.other()\n\t/go/x.go:9\nexit status 2\n";
        let calls = "[main.main /go/x.go:10:0] [main.f /go/x.go:7:0]";
        assert_eq!(told(go), format!("panic: runtime error: index out of range [5] with length 3\n[signal x] {calls}"));
        assert!(read(go).is_some_and(|reason| reason.exits_with(2) && !reason.exits_with(3)));
        let exited = "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/go/x.go:10 +0x2\nexit status 2\n";
        assert_eq!(told(exited), "panic: no [main.main /go/x.go:10:0]");
        assert_eq!(told(&exited.replace("exit status 2", "handled")), "nothing");
        let zig = "thread 1 panic: integer overflow\n/s/p.zig:3:48: 0x7c in inner (p.wasm)\n    return 1 + n;\n           \
            ^\n???:?:?: 0x9 in ??? (???)\n";
        assert_eq!(told(zig), "panic: integer overflow [inner /s/p.zig:3:48]");
        let bare =
            "panic: integer overflow\n\u{1b}[2mCannot print stack trace: debug info unavailable for target\n\u{1b}[0m";
        assert_eq!(told(bare), "panic: integer overflow");
    }

    #[test]
    fn native() {
        for (stderr, expected) in [
            ("out_of_range was thrown in -fno-exceptions mode with message \"vector\"", "out_of_range: vector"),
            (
                "libc++abi: terminating due to uncaught exception of type std::out_of_range: vector",
                "std::out_of_range: vector",
            ),
            ("terminating due to uncaught exception of type int", "int: "),
            (
                "terminate called after throwing an instance of 'std::logic_error'\n  what():  no",
                "std::logic_error: no",
            ),
            ("terminating: there are two", "exception: there are two"),
            ("shop.c:3:5: runtime error: division by zero", "runtime error: division by zero [ shop.c:3:5]"),
            ("Assertion failed: n < 3 (shop.c: check: 5)", "assertion: n < 3 [ shop.c:5:0]"),
            ("Assertion failed: n < 3, at: shop.c,5,check", "assertion: n < 3 [ shop.c:5:0]"),
            ("abort: index out of range in ~lib/array.ts(1:22)", "abort: index out of range [ ~lib/array.ts:1:22]"),
            ("memory allocation of 12 bytes failed", "out of memory: memory allocation of 12 bytes failed"),
            ("a line of the program's own: nothing", "nothing"),
            ("Error: without a stack", "nothing"),
        ] {
            assert_eq!(told(stderr), expected);
        }
    }

    #[test]
    fn a_kind_is_never_the_runners() {
        let claimed = "Traceback (most recent call last):\ntimeout: x\n\nDuring handling of the above exception, another \
            exception occurred:\n\nTraceback (most recent call last):\nlimit: y\n";
        let reason = read(claimed).expect("a reason");
        assert_eq!(FailureKind::Plugin(reason.kind).to_string(), "plugin:limit");
        assert_eq!(reason.causes[0].kind, "plugin:timeout");
    }

    /// Parts of all formats, in any order.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("Traceback (most recent call last):\n"),
            Just("  File \"a.py\", line 1, in f\n"),
            Just("  File \"a.py\", line 1\n    x =\nSyntaxError: x\n"),
            Just("Python function threw an unexpected exception\n"),
            Just("exit status 2\n"),
            Just("  [Previous line repeated 4294967296 more times]\n"),
            Just("During handling of the above exception, another exception occurred:\n"),
            Just("thread 'main' panicked at "),
            Just("src/x.rs:1:2:\n"),
            Just("stack backtrace:\n   0: f\n   at x:1\n"),
            Just("Exception(Exception { message: Some(\"a\\"),
            Just("\", stack: Some(\"at f (x:1)\\n"),
            Just("panic: "),
            Just("goroutine 1 [running]:\n"),
            Just("main.f()\n\tx.go:1 +0x\n"),
            Just("p.zig:3:48: 0x7c in f (p)\n"),
            Just("TypeError: "),
            Just("(new Error(\""),
            Just("    at f (x.js:1:2)\nf@x:1:2\n"),
            Just(" was thrown in -fno-exceptions mode with message \""),
            Just("Assertion failed: "),
            Just(", at: ("),
            Just(": runtime error: "),
            Just("abort: x in y(1:2)"),
            Just("\u{1b}[31m\u{1b}]é"),
            Just("\n"),
            Just("é"),
        ];
        proptest::collection::vec(prop_oneof![piece.prop_map(str::to_owned), any::<String>()], 0..60)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_read_and_only_its_end(text in pieces()) {
            let read = super::read(&text);
            let before = "x\n".repeat(MOST);
            prop_assert_eq!(super::read(&format!("{before}{text}")), read.clone());
            if let Some(reason) = read {
                prop_assert!(reason.message.len() + reason.frames.len() <= MOST);
            }
        }
    }
}
