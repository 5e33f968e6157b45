//! A trap's call stack as the engine knows it, and its final form once another process has found
//! names and lines.

use std::path::Path;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::Raw;
use jobcontrol_core::failure::Repeated;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::failure::folded;
use jobcontrol_core::reason::is_runtime;
use wasmtime::FrameInfo;
use wasmtime::WasmBacktrace;

use crate::child::Asked;
use crate::child::ChildError;
use crate::engine::BACKTRACE_FRAMES;
use crate::interpreter::task::RawCall;
use crate::interpreter::task::Refused;
use crate::interpreter::task::Task;
use crate::interpreter::task::Traced;
use crate::plugins::Plugins;

/// The most bytes kept of a function name. Demangling longer names is not worth the time.
const NAME: usize = 2_000;

/// Returns the calls that led to an error, outermost first, with the names in the binary and
/// without lines. Returns no calls if the engine took no stack.
pub(crate) fn frames(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let frame = |(info, repeated): (&FrameInfo, Option<Repeated>)| {
        let mut function = match info.func_name() {
            Some(name) => name[..name.floor_char_boundary(NAME + 1)].to_owned(),
            None => format!("function {}", info.func_index()),
        };
        cut_bytes(&mut function, NAME);
        let offset = info.module_offset().or_else(|| first_instruction(info)).unwrap_or(NOWHERE);
        let raw = Some(Raw { offset: offset as u64, why: String::new() });
        Frame { function, raw, repeated, ..Frame::default() }
    };
    let calls: Vec<_> = backtrace.frames().iter().rev().collect();
    let places: Vec<_> = calls.iter().map(|info| (info.module_offset(), info.func_index())).collect();
    let mut folded = folded(&places);
    // If a repetition starts at the outermost known call, there may have been more of it before.
    if calls.len() >= BACKTRACE_FRAMES
        && let Some((at, Some(repeated))) = folded.iter_mut().find(|(_, repeated)| repeated.is_some())
    {
        repeated.at_least = *at + 1 == repeated.calls as usize;
    }
    folded.into_iter().map(|(at, repeated)| frame((calls[at], repeated))).collect()
}

/// An offset at which no binary has code.
const NOWHERE: usize = 0;

/// Returns the start of a function. A call with no stack left ends before its first instruction, so
/// the engine knows no other position.
fn first_instruction(info: &FrameInfo) -> Option<usize> {
    let module = info.module();
    let function = module.functions().find(|function| function.index.as_u32() == info.func_index())?;
    let code = function.offset..function.offset + function.len;
    let places = module.address_map()?.skip_while(|(at, _)| *at < code.start).take_while(|(at, _)| *at < code.end);
    places.filter_map(|(_, place)| place).min().map(|place| place as usize)
}

/// Marks calls as not to be traced, because the plugin's language reported better ones.
pub(crate) fn unsought(mut frames: Vec<Frame>) -> Vec<Frame> {
    for raw in frames.iter_mut().filter_map(|frame| frame.raw.as_mut()) {
        UNSOUGHT.clone_into(&mut raw.why);
    }
    frames
}

/// Why these calls are not traced.
const UNSOUGHT: &str = "the plugin's language reported its own calls";

/// Combines the engine's calls with those that the plugin's language reported, in the form that is
/// kept until names and lines are found.
pub(crate) fn untraced(mut engine: Vec<Frame>, said: Vec<Frame>) -> Vec<Frame> {
    if said.iter().any(|frame| !frame.function.is_empty()) {
        return said;
    }
    engine.extend(said);
    engine
}

/// Returns the calls to trace, innermost first: these say most.
fn raw(frames: &[Frame]) -> Vec<RawCall> {
    let call = |frame: &Frame| {
        let raw = frame.raw.as_ref().filter(|raw| raw.why.is_empty())?;
        Some(RawCall { offset: raw.offset, name: frame.function.clone() })
    };
    frames.iter().rev().filter_map(call).collect()
}

/// Returns the frames with the results for their raw calls, or with the reason why there are none.
fn named(mut frames: Vec<Frame>, traced: Result<Traced, String>) -> Vec<Frame> {
    match traced {
        Ok(mut traced) => {
            traced.reverse();
            let (raw, said): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| frame.raw.is_some());
            let engine = match traced.len() == raw.len() {
                true => outermost_first(traced, &raw),
                false => raw,
            };
            joined(engine, said)
        }
        Err(why) => {
            for raw in frames.iter_mut().filter_map(|frame| frame.raw.as_mut()) {
                raw.why.clone_from(&why);
            }
            frames
        }
    }
}

/// Expands each raw call into the calls that it stands for. A repetition then covers all of these.
fn outermost_first(traced: Traced, raw: &[Frame]) -> Vec<Frame> {
    let mut ends: Vec<usize> = Vec::new();
    let mut frames = Vec::new();
    for (calls, raw) in traced.into_iter().zip(raw) {
        frames.extend(calls.into_iter().rev());
        ends.push(frames.len());
        if let (Some(repeated), Some(last)) = (raw.repeated, frames.last_mut()) {
            let first = ends.len().checked_sub(1 + repeated.calls as usize).and_then(|at| ends.get(at)).copied();
            let calls = ends.last().copied().unwrap_or_default() - first.unwrap_or_default();
            last.repeated = Some(Repeated { calls: u32::try_from(calls).unwrap_or(u32::MAX), ..repeated });
        }
    }
    frames
}

impl Plugins {
    /// Finds names and lines of the raw calls among a failure's frames, in a separate process. If
    /// that fails, the calls stay as they are and give the reason. `digest` is the digest of the
    /// plugin's `bytes`, and `shown` is the name of its file. Blocks.
    pub fn trace(&self, digest: &str, bytes: &[u8], shown: &Path, frames: Vec<Frame>) -> Vec<Frame> {
        let calls = raw(&frames);
        if calls.is_empty() {
            return frames;
        }
        let traced = self.traced.traced(digest, &calls, || self.look(bytes, shown, &calls));
        named(frames, traced)
    }

    /// Does the same as [`Plugins::trace`] if the same calls of the plugin were traced before.
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// Returns the unchanged frames if they were not traced before.
    pub fn trace_again(&self, digest: &str, frames: Vec<Frame>) -> Result<Vec<Frame>, Vec<Frame>> {
        match self.traced.remembered(digest, &raw(&frames)) {
            Some(traced) => Ok(named(frames, traced)),
            None => Err(frames),
        }
    }

    fn look(&self, bytes: &[u8], shown: &Path, calls: &[RawCall]) -> Result<Traced, String> {
        let _place = self.tracing.enter();
        let limits = ChildLimits::TRACE;
        let question = rmp_serde::to_vec(calls).map_err(|e| e.to_string())?;
        let length = u32::try_from(question.len()).map_err(|e| e.to_string())?.to_le_bytes();
        let asked = Asked { task: Task::Trace, shown, input: &[&length, &question, bytes], limits, cancel: &|| false };
        match self.child.ask::<Result<Traced, Refused>>(&asked) {
            Ok(Ok(traced)) => Ok(traced),
            Ok(Err(refused)) => Err(format!("the plugin {}", refused.what)),
            Err(ChildError::TimedOut) => Err(limits.timed_out("finding the names and lines of these calls", None)),
            Err(ChildError::OutOfMemory) => {
                Err(limits.out_of_memory("finding the names and lines of these calls", None))
            }
            Err(error) => Err(format!("finding the names and lines of these calls failed: {error}")),
        }
    }
}

/// Combines the engine's calls with those that the plugin's language reported. If the language
/// names its functions, its calls win. If it only reports a place, that place belongs to the
/// innermost call of the plugin's own code.
pub(crate) fn joined(mut engine: Vec<Frame>, mut said: Vec<Frame>) -> Vec<Frame> {
    if said.iter().any(|frame| !frame.function.is_empty()) {
        return said;
    }
    if said.is_empty() {
        return engine;
    }
    // The engine's call at the same place also has a name.
    let same = |frame: &Frame, place: &Frame| {
        frame.line == place.line && !frame.file.is_empty() && ends_with(&frame.file, &place.file)
    };
    if let [place] = said.as_slice()
        && let Some(at) = engine.iter().rposition(|frame| same(frame, place))
    {
        engine.truncate(at + 1);
        return engine;
    }
    // The calls after the plugin's own only carry its failure to the host.
    let carried = engine.iter().rev().take_while(|frame| is_runtime(&frame.function)).count();
    let first = engine.iter().position(|frame| PANICS.iter().any(|begin| frame.function.starts_with(begin)));
    engine.truncate(first.unwrap_or(engine.len() - carried));
    // `unwrap` panics at the place of its caller.
    if said.last().is_some_and(|place| !place.file.contains("library/")) {
        let is_library = |frame: &Frame| LIBRARY.iter().any(|begin| frame.function.starts_with(begin));
        let own = engine.iter().rposition(|frame| !is_library(frame)).map_or(engine.len(), |at| at + 1);
        engine.truncate(own);
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

/// How the name of the first call that carries a Rust panic begins. The calls inside it may have
/// lost their names.
const PANICS: &[&str] = &["core::panicking::", "std::panicking::", "__rustc::", "jobcontrol_plugin::"];

/// How the names of functions in Rust's own libraries begin.
const LIBRARY: &[&str] = &["core::", "alloc::", "std::"];

/// Returns whether a path ends with another, compared component by component.
fn ends_with(path: &str, end: &str) -> bool {
    Path::new(path).ends_with(end.strip_prefix("./").unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_the_engine_knows_keeps_its_name() {
        let call = |function: &str, file: &str, line| Frame {
            function: function.into(),
            file: file.into(),
            line,
            ..Frame::default()
        };
        let engine =
            vec![call("share", "/s/shop.c", 9), call("check", "/s/shop.c", 5), call("__assert_fail", "/m/a.c", 7)];
        assert_eq!(joined(engine.clone(), vec![call("", "shop.c", 5)]), engine[..2]);
    }

    #[test]
    fn what_a_repeated_call_stands_for_is_repeated_with_it() {
        let call = |function: &str, repeated| Frame { function: function.into(), repeated, ..Frame::default() };
        let raw = [
            call("main", None),
            call("fib", Some(Repeated { calls: 1, times: 97, at_least: false })),
            call("trap", None),
        ];
        let traced =
            vec![vec![call("main", None)], vec![call("add", None), call("fib", None)], vec![call("trap", None)]];
        let add = call("add", Some(Repeated { calls: 2, times: 97, at_least: false }));
        assert_eq!(outermost_first(traced, &raw), [call("main", None), call("fib", None), add, call("trap", None)]);
    }

    #[test]
    fn a_language_that_says_only_where_gives_its_place_to_the_innermost_call() {
        let call = |function: &str| Frame { function: function.into(), ..Frame::default() };
        let place = Frame { file: "src/lib.rs".into(), line: 7, ..Frame::default() };
        let engine = vec![call("outer"), call("inner"), call("core::panicking::panic_fmt"), call("function 1")];
        let wanted = vec![call("outer"), Frame { function: "inner".into(), ..place.clone() }];
        assert_eq!(joined(engine, vec![place.clone()]), wanted);
        let unwraps =
            vec![call("outer"), call("inner"), call("core::option::unwrap_failed"), call("core::panicking::panic")];
        assert_eq!(joined(unwraps, vec![place]), wanted);
    }
}
