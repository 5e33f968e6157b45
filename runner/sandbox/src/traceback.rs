//! A trap's call stack as frames: demangled names, and file and line where the plugin's DWARF has them.

use std::collections::HashMap;
use std::fmt::Write;

use cpp_demangle::DemangleOptions;
use jobcontrol_core::failure::Frame;
use wasmtime::FrameInfo;
use wasmtime::WasmBacktrace;

use crate::bounded::Bounded;

/// Calls of a stack, with those that the compiler put into others: the innermost tell most.
const CALLS: usize = 100;

/// Bytes of a name or of a path, as long as a person reads. What a name stands for can be twice as long for each three of its bytes,
/// and it is made after the guest's time.
const NAME: usize = 1_000;

/// Bytes of a mangled name that is worth the time to read it: what it stands for is longer in all that people write.
const MANGLED: usize = 2 * NAME;

/// The calls that led to an error, outermost first; none where the engine took no stack.
pub(crate) fn frames(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let mut names = Names::default();
    let mut frames = Vec::new();
    for info in backtrace.frames() {
        calls(info, &mut names, &mut frames);
    }
    frames.reverse();
    frames
}

/// Names that were demangled, so that a recursion costs no more than a call.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, String>);

impl<'a> Names<'a> {
    fn demangled(&mut self, name: &'a str) -> String {
        self.0.entry(name).or_insert_with(|| demangle(name)).clone()
    }
}

/// How the names of calls begin that only carry a failure from the plugin's code to the host.
const CARRIERS: &[&str] = &["core::panicking::", "std::panicking::", "__rustc::", "jobcontrol_plugin::"];

/// The engine's calls and those that the plugin's language told. A language that names its functions knows better; one
/// that says only where it happened is right about the innermost call of the plugin's own.
pub(crate) fn joined(mut engine: Vec<Frame>, mut said: Vec<Frame>) -> Vec<Frame> {
    if said.iter().any(|frame| !frame.function.is_empty()) {
        return said;
    }
    if said.is_empty() {
        return engine;
    }
    let carried = |frame: &Frame| CARRIERS.iter().any(|prefix| frame.function.starts_with(prefix));
    if let Some(at) = engine.iter().position(carried) {
        engine.truncate(at);
    }
    if let (Some(innermost), Some(place)) = (engine.last_mut(), said.last_mut())
        && innermost.file.is_empty()
    {
        place.function = std::mem::take(&mut innermost.function);
        engine.pop();
    }
    engine.extend(said);
    engine
}

/// One frame of the engine is several calls where the compiler put some into others; innermost first.
fn calls<'a>(info: &'a FrameInfo, names: &mut Names<'a>, frames: &mut Vec<Frame>) {
    let own = |names: &mut Names<'a>| match info.func_name() {
        Some(name) => names.demangled(name),
        None => format!("function {}", info.func_index()),
    };
    let room = CALLS.saturating_sub(frames.len());
    if info.symbols().is_empty() && room > 0 {
        frames.push(Frame { function: own(names), ..Frame::default() });
    }
    for symbol in info.symbols().iter().take(room) {
        let file = symbol.file().unwrap_or_default();
        frames.push(Frame {
            file: cut(file.strip_prefix("./").unwrap_or(file)),
            line: symbol.line().unwrap_or(0),
            function: match symbol.name() {
                Some(name) => names.demangled(name),
                None => own(names),
            },
            ..Frame::default()
        });
    }
}

fn cut(text: &str) -> String {
    let mut cut = Bounded::new(NAME);
    // What does not fit is cut.
    let _ = cut.write_str(text);
    cut.text()
}

fn demangle(name: &str) -> String {
    if name.len() > MANGLED {
        return cut(name);
    }
    let mut written = Bounded::new(NAME);
    let demangled = if let Ok(rust) = rustc_demangle::try_demangle(name) {
        write!(written, "{rust:#}").is_ok()
    } else if let Ok(cpp) = cpp_demangle::Symbol::new(name) {
        cpp.structured_demangle(&mut written, &DemangleOptions::new()).is_ok()
    } else {
        false
    };
    if demangled || written.is_cut() { written.text() } else { cut(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_says_only_where_gives_its_place_to_the_innermost_call() {
        let call = |function: &str| Frame { function: function.into(), ..Frame::default() };
        let place = Frame { file: "src/lib.rs".into(), line: 7, ..Frame::default() };
        let engine = vec![call("outer"), call("inner"), call("core::panicking::panic_fmt"), call("function 1")];
        let joined = joined(engine, vec![place.clone()]);
        assert_eq!(joined, vec![call("outer"), Frame { function: "inner".into(), ..place }]);
    }

    #[test]
    fn names_are_demangled() {
        assert_eq!(demangle("_ZN5sales5clean17h0123456789abcdefE"), "sales::clean");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("plain"), "plain");
    }

    /// A name whose parameter is `a<T, T>` of itself, so that each level doubles what it stands for.
    fn doubled(levels: usize) -> String {
        const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut name = "_Z1f1a1BIS_S_E".to_owned();
        for digit in DIGITS.iter().take(levels).skip(1).map(|digit| char::from(*digit)) {
            name.push_str(&format!("S0_IS{digit}_S{digit}_E"));
        }
        name
    }

    #[test]
    fn a_name_is_as_long_as_a_person_reads_whatever_it_stands_for() {
        for levels in [2, 20, 35] {
            assert!(demangle(&doubled(levels)).len() <= NAME + ".. (cut)".len(), "{levels}");
        }
        assert!(demangle(&doubled(35)).ends_with(".. (cut)"));
        let long = format!("_ZN{}E", "1a".repeat(NAME));
        assert_eq!(demangle(&long).len(), NAME + ".. (cut)".len());
        assert_eq!(demangle(&"x".repeat(NAME)), "x".repeat(NAME));
    }
}
