//! Turns a plugin's bytes into what the engine compiles: a component, or an unchanged core module.
//!
//! A core module that carries its WIT is componentized as its toolchain's own tools would do it.
//! One without WIT stays as it is, a preview1 command or functions of plain numbers, because no
//! adapter supports all of preview1.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use jobcontrol_core::types::Signature;
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER;
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wasmparser::ExternalKind;
use wat::GenerateDwarf;
use wit_component::ComponentEncoder;

use super::core_module::CoreModule;
use super::core_module::START;
use super::exports;
use super::guard::decoding;
use super::lookalike;
use super::numeric;
use super::numeric::Lifted;
use super::numeric::Uncallable;
use super::preview1;
use super::preview1::NOTIFY;
use super::task::Kind;
use super::task::Refused;
use super::task::Why;
use super::toolchains;
use super::wat_lines;

/// Raised when the result for the same bytes changes, so that older compiled code is not used.
pub(crate) const VERSION: u32 = 9;

/// What the engine compiles.
pub(crate) struct Form<'a> {
    /// The kind of the file's content.
    pub(crate) kind: Kind,
    /// A component, or a core module where the kind is [`Kind::CommandModule`] or
    /// [`Kind::NumericModule`].
    pub(crate) binary: Cow<'a, [u8]>,
    /// Its functions, if they are known without decoding it.
    pub(crate) functions: Option<Vec<Signature>>,
    /// Exports that no job can call, each with the reason.
    pub(crate) refused: Uncallable,
    /// Its functions as WIT text, if it stays a core module without WIT.
    pub(crate) wit: Option<String>,
}

/// Converts a plugin's bytes into what the engine compiles.
///
/// # Errors
///
/// Returns what is wrong with the bytes, in words that follow the plugin's name.
pub(crate) fn form<'a>(bytes: &'a [u8], shown: &Path) -> Result<Form<'a>, Refused> {
    let binary = to_binary(bytes, shown)?;
    if wasmparser::Parser::is_component(&binary) {
        let (binary, refused) = exports::callable_alone(binary);
        return Ok(Form { kind: Kind::Component, binary, functions: None, refused, wit: None });
    }
    if wasmparser::Parser::is_core_wasm(&binary) {
        let made = decoding(&binary, || core(&binary)).map_err(|what| Refused::new(Why::Damaged, what))??;
        let Made { kind, binary: component, functions, refused, wit } = made;
        return Ok(Form { kind, binary: component.map_or(binary, Cow::Owned), functions, refused, wit });
    }
    Err(Refused::new(Why::Kind, "is WebAssembly of a version that this program does not know"))
}

/// The size in bytes of a binary's magic number, version and layer.
const HEADER: usize = 8;

/// Translates WAT into a binary, with its own lines as debug information if this is fast enough.
fn to_binary<'a>(bytes: &'a [u8], shown: &Path) -> Result<Cow<'a, [u8]>, Refused> {
    if bytes.is_empty() {
        return Err(no_wasm(bytes));
    }
    if bytes.starts_with(b"\0asm") && bytes.len() >= HEADER {
        return Ok(Cow::Borrowed(bytes));
    }
    if !is_wat(shown) || bytes.starts_with(b"\0asm") {
        return Err(no_wasm(bytes));
    }
    let mut parser = wat::Parser::new();
    if std::str::from_utf8(bytes).is_ok_and(wat_lines::in_good_time) {
        parser.generate_dwarf(GenerateDwarf::Lines);
    }
    let name = shown.file_name().map(Path::new);
    let parse = AssertUnwindSafe(|| parser.parse_bytes(name, bytes).map(Cow::into_owned));
    let binary = std::panic::catch_unwind(parse).map_err(|_| "cannot be decoded".to_owned());
    let binary = binary.and_then(|read| read.map_err(|e| format!("is not valid WAT: {}", placed(&e.to_string()))));
    Ok(Cow::Owned(binary.map_err(|what| Refused::new(Why::InvalidWat, what))?))
}

fn no_wasm(bytes: &[u8]) -> Refused {
    let (what, help) = lookalike::describe(bytes);
    Refused { why: Why::NotWebAssembly, what: format!("is {what}"), help: help.map(str::to_owned) }
}

/// Returns whether the file's name marks it as WAT. Its name is then part of the debug information.
pub(crate) fn is_wat(shown: &Path) -> bool {
    shown.extension().is_some_and(|ext| ext == "wat")
}

/// Returns the parser's reason and position without the excerpt below it: `reason
/// (file:line:column)`.
fn placed(text: &str) -> String {
    let mut lines = text.lines();
    let reason = lines.next().unwrap_or_default();
    let place = lines.find_map(|line| line.trim_start().strip_prefix("--> "));
    place.map_or_else(|| reason.to_owned(), |place| format!("{reason} ({place})"))
}

/// The result for a core module.
struct Made {
    kind: Kind,
    /// What the engine compiles, or `None` if the module stays as it is.
    binary: Option<Vec<u8>>,
    functions: Option<Vec<Signature>>,
    refused: Uncallable,
    wit: Option<String>,
}

impl Made {
    fn of(kind: Kind) -> Self {
        Self { kind, binary: None, functions: None, refused: Vec::new(), wit: None }
    }
}

fn core(binary: &[u8]) -> Result<Made, Refused> {
    let module = CoreModule::read(binary).map_err(|what| Refused::new(Why::Damaged, what))?;
    let kind = |what: String| with_way_out(Refused::new(Why::Kind, what), &module);
    if module.has_wit {
        let component = componentized(binary, &module).map_err(kind)?;
        return Ok(Made { binary: Some(component), ..Made::of(Kind::WitModule) });
    }
    if let Some(stripped) = toolchains::stripped(&module) {
        return Err(stripped);
    }
    only_preview1(&module).map_err(|what| with_way_out(Refused::new(Why::MissingImport, what), &module))?;
    has_memory(&module)?;
    if module.is_command() {
        return Ok(Made { refused: numeric::beside_start(&module), ..Made::of(Kind::CommandModule) });
    }
    if let Some(start) = module.exports.iter().find(|export| export.name == START) {
        return Err(kind(format!("exports `{START}` with the type {}, not that of a command", start.describe())));
    }
    let (lifted, refused) = numeric::functions(&module).map_err(kind)?;
    let functions = Some(lifted.iter().map(Lifted::signature).collect());
    let wit = Some(numeric::wit(&lifted));
    Ok(Made { functions, refused, wit, ..Made::of(Kind::NumericModule) })
}

/// Checks a module without WIT, which has no other way to declare imports than preview1.
fn only_preview1(module: &CoreModule) -> Result<(), String> {
    let is_linked = |from: &str, name: &str| from == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME || (from, name) == NOTIFY;
    let others = module.imports.iter().filter(|(from, name)| !is_linked(from, name));
    let others: BTreeSet<_> = others.map(|(from, name)| format!("`{from}.{name}`")).collect();
    let Some(first) = others.first() else {
        return Ok(());
    };
    let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
    Err(format!(
        "is a core module that imports {first}{more}; without WIT it may import only \
         `{WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME}`"
    ))
}

/// Replaces a refusal with advice for another host's toolchain, if one made the module.
fn with_way_out(refused: Refused, module: &CoreModule) -> Refused {
    let Some((what, help)) = toolchains::recognised(module) else {
        return refused;
    };
    let explained = format!("is {what}: it {}", refused.what);
    Refused { what: explained, ..refused }.or_help(help)
}

/// WASI functions read and write the memory that is exported under this name.
const MEMORY: &str = "memory";

fn has_memory(module: &CoreModule) -> Result<(), Refused> {
    let mut asks = module.imports.iter().filter(|(_, name)| name != "proc_exit");
    let exports = module.exports.iter().any(|export| export.kind == ExternalKind::Memory && export.name == MEMORY);
    let Some((from, name)) = asks.next().filter(|_| !exports) else {
        return Ok(());
    };
    let what = format!("imports `{from}.{name}`, which works on the module's memory, but exports no memory `{MEMORY}`");
    let help = "export it, in WAT with `(memory (export \"memory\") 1)`; linkers do so by default";
    Err(Refused::new(Why::Kind, what).or_help(help))
}

fn componentized(binary: &[u8], module: &CoreModule) -> Result<Vec<u8>, String> {
    let is_command = module.is_command();
    let stock =
        if is_command { WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER } else { WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER };
    let prepared = match module.imports.is_empty() {
        true => Cow::Borrowed(binary),
        false => Cow::Owned(preview1::prepared(binary).map_err(|e| format!("cannot be decoded: {e}"))?),
    };
    let ours = if preview1::needs_adapter(module) { Some(preview1::adapter()?) } else { None };
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&prepared)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, stock))
        .and_then(|encoder| match &ours {
            Some(ours) => encoder.adapter(preview1::ADAPTER, ours),
            None => Ok(encoder),
        })
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|e| {
        let causes = format!("{e:#}");
        let causes = causes.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("is a core module that cannot be made a component: {causes}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_wat_has_its_place_and_no_picture() {
        let error = to_binary(b"(component\n  (fun))", Path::new("jobs/x.wat")).unwrap_err().what;
        assert!(error.starts_with("is not valid WAT: ") && error.ends_with(" (x.wat:2:4)"), "{error}");
    }
}
