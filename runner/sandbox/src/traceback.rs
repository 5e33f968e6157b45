//! A trap's call stack as frames: demangled names, and file and line where the plugin's DWARF has them.

use jobcontrol_core::build::Frame;
use wasmtime::FrameInfo;
use wasmtime::WasmBacktrace;

/// The calls that led to an error, outermost first; none where the engine took no stack.
pub(crate) fn frames(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let mut frames: Vec<_> = backtrace.frames().iter().flat_map(calls).collect();
    frames.reverse();
    frames
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
fn calls(info: &FrameInfo) -> Vec<Frame> {
    let own = info.func_name().map_or_else(|| format!("function {}", info.func_index()), demangle);
    if info.symbols().is_empty() {
        return vec![Frame { function: own, ..Frame::default() }];
    }
    let call = |symbol: &wasmtime::FrameSymbol| Frame {
        file: symbol.file().map(|file| file.strip_prefix("./").unwrap_or(file)).unwrap_or_default().to_owned(),
        line: symbol.line().unwrap_or(0),
        function: symbol.name().map_or_else(|| own.clone(), demangle),
        ..Frame::default()
    };
    info.symbols().iter().map(call).collect()
}

fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    cpp_demangle::Symbol::new(name).ok().and_then(|symbol| symbol.demangle().ok()).unwrap_or_else(|| name.to_owned())
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
}
