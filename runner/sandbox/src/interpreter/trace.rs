//! Finds names and lines of the calls of a trap: demangled names, and the file and line if the
//! plugin has DWARF.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

use addr2line::Context;
use cpp_demangle::DemangleOptions;
use gimli::Dwarf;
use gimli::EndianSlice;
use gimli::LittleEndian;
use gimli::SectionId;
use jobcontrol_core::failure::Frame;
use wasmparser::Parser;
use wasmparser::Payload;

use super::task::RawCall;
use super::task::Traced;
use crate::bounded::Bounded;

/// The most calls of a stack, including inlined calls. The innermost calls say most.
const CALLS: usize = 100;

/// The most bytes of a name or of a path, which is as much as a person reads.
const NAME: usize = 1_000;

/// The most bytes of a mangled name that are worth demangling. The demangled form of names that
/// people write is longer.
const MANGLED: usize = 2 * NAME;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// A core module in the binary.
#[derive(Default)]
struct Module<'a> {
    /// The range of its bytes.
    range: Range<usize>,
    /// Where its code section begins; addresses count from there.
    code: usize,
    debug: Vec<(&'a str, &'a [u8])>,
    /// The export names of functions, for those without another name.
    exports: HashMap<u32, &'a str>,
}

impl Module<'_> {
    /// Returns the export name of a call's function if it has no other name.
    fn exported(&self, call: &RawCall) -> Option<String> {
        let index = call.name.strip_prefix("function ")?.parse().ok()?;
        self.exports.get(&index).map(|name| cut(name))
    }
}

/// Returns the calls that each of `raw` stands for. A call without debug information has only its
/// own name.
pub(super) fn calls(binary: &[u8], raw: &[RawCall]) -> Traced {
    let modules = modules(binary);
    let mut contexts: HashMap<usize, Option<Context<Slice<'_>>>> = HashMap::new();
    let (mut names, mut room) = (Names::default(), CALLS);
    raw.iter()
        .map(|call| {
            let offset = usize::try_from(call.offset).unwrap_or(usize::MAX);
            let holder = modules.iter().enumerate().find(|(_, module)| module.range.contains(&offset));
            let frames = holder.and_then(|(at, module)| {
                let context = contexts.entry(at).or_insert_with(|| context(module)).as_ref()?;
                found(context, offset.checked_sub(module.code)? as u64, call, &mut names, room)
            });
            let own = || vec![Frame { function: names_of(call, &mut names), ..Frame::default() }];
            let mut frames = frames.filter(|frames| !frames.is_empty()).unwrap_or_else(own);
            // The outermost call is the function in the binary. A compiler of WAT gives it a number
            // instead of a name.
            if let Some(outermost) = frames.last_mut().filter(|frame| is_number(&frame.function))
                && let Some(name) = holder.and_then(|(_, module)| module.exported(call))
            {
                outermost.function = name;
            }
            room = room.saturating_sub(frames.len());
            frames
        })
        .collect()
}

/// Returns whether a function's name is only its number.
fn is_number(name: &str) -> bool {
    name.starts_with("function ") || name.starts_with("wasm-function[")
}

fn names_of<'a>(call: &'a RawCall, names: &mut Names<'a>) -> String {
    names.demangled(&call.name)
}

fn modules(binary: &[u8]) -> Vec<Module<'_>> {
    let (mut done, mut open) = (Vec::new(), Vec::new());
    // A core module is open from the start; this entry stays unused for a component.
    open.push(Module { range: 0..binary.len(), ..Module::default() });
    for payload in Parser::new(0).parse_all(binary) {
        match payload {
            Ok(Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. }) => {
                open.push(Module { range: unchecked_range, ..Module::default() });
            }
            Ok(Payload::CodeSectionStart { range, .. }) => {
                if let Some(module) = open.last_mut() {
                    module.code = range.start;
                }
            }
            Ok(Payload::ExportSection(section)) => {
                if let Some(module) = open.last_mut() {
                    let exports = section.into_iter().map_while(Result::ok);
                    let functions = exports.filter(|export| export.kind == wasmparser::ExternalKind::Func);
                    module.exports.extend(functions.map(|export| (export.index, export.name)));
                }
            }
            Ok(Payload::CustomSection(section)) if section.name().starts_with(".debug_") => {
                if let Some(module) = open.last_mut() {
                    module.debug.push((section.name(), section.data()));
                }
            }
            Ok(Payload::End(_)) => done.extend(open.pop().filter(|module| module.code > 0)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    done
}

fn context<'a>(module: &Module<'a>) -> Option<Context<Slice<'a>>> {
    if module.debug.is_empty() {
        return None;
    }
    let section = |id: SectionId| {
        let found = module.debug.iter().rev().find(|(name, _)| *name == id.name());
        Ok::<_, gimli::Error>(EndianSlice::new(found.map_or(&[][..], |(_, data)| *data), LittleEndian))
    };
    Context::from_dwarf(Dwarf::load(section).ok()?).ok()
}

/// Returns the calls at an address, innermost first.
fn found<'a>(
    context: &Context<Slice<'_>>,
    address: u64,
    call: &'a RawCall,
    names: &mut Names<'a>,
    room: usize,
) -> Option<Vec<Frame>> {
    let mut found = context.find_frames(address).skip_all_loads().ok()?;
    let mut frames = Vec::new();
    while frames.len() < room
        && let Ok(Some(frame)) = found.next()
    {
        let (file, line, column) = match &frame.location {
            Some(location) => {
                (location.file.unwrap_or_default(), location.line.unwrap_or(0), location.column.unwrap_or(0))
            }
            None => ("", 0, 0),
        };
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let function = match name {
            Some(name) => demangle(&name),
            None => names_of(call, names),
        };
        let file = cut(file.strip_prefix("./").unwrap_or(file));
        frames.push(Frame { file, line, column, function, ..Frame::default() });
    }
    Some(frames)
}

/// Demangled names, so that a recursion costs no more than one call.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, String>);

impl<'a> Names<'a> {
    fn demangled(&mut self, name: &'a str) -> String {
        self.0.entry(name).or_insert_with(|| demangle(name)).clone()
    }
}

fn cut(text: &str) -> String {
    let mut cut = Bounded::new(NAME);
    // Text beyond the limit is cut.
    let _ = cut.write_str(text);
    cut.text()
}

fn demangle(name: &str) -> String {
    // The component model's name for an export: `cm32p2|INTERFACE|FUNCTION`.
    let name =
        name.strip_prefix("cm32p2|").and_then(|rest| rest.split_once('|')).map_or(name, |(_, function)| function);
    if name.len() > MANGLED {
        return cut(name);
    }
    let mut written = Bounded::new(NAME);
    let demangled = if let Ok(rust) = rustc_demangle::try_demangle(name) {
        write!(written, "{rust:#}").is_ok()
    } else if is_cpp(name)
        && let Ok(cpp) = cpp_demangle::Symbol::new(name)
    {
        cpp.structured_demangle(&mut written, &DemangleOptions::new()).is_ok()
    } else {
        false
    };
    if demangled || written.is_cut() { written.text() } else { cut(name) }
}

/// Returns whether a C++ compiler made a name. A demangler also accepts mangled types: `f` would
/// become `float`.
fn is_cpp(name: &str) -> bool {
    name.starts_with("_Z") || name.starts_with("__Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_mangled_type_too_stays_as_it_is() {
        for name in ["f", "i", "d", "v", "x", "St", "Pc", "PKc", "Ss", "Dn", "i32", "FvvE", "run", "_", "Z1fv"] {
            assert_eq!(demangle(name), name);
        }
        assert_eq!(demangle("__ZN3foo3barEi"), "foo::bar(int)");
    }

    #[test]
    fn names_are_demangled() {
        assert_eq!(demangle("_ZN5sales5clean17h0123456789abcdefE"), "sales::clean");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("plain"), "plain");
        assert_eq!(demangle("cm32p2||total"), "total");
        assert_eq!(demangle("cm32p2|a:b/c@0.1|total"), "total");
    }

    /// Returns a name whose parameter is `a<T, T>` of itself, so that each level doubles the
    /// demangled form.
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
