//! What a plugin's binary says of itself, decoded and never compiled.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::types::Signature;
use jobcontrol_core::types::signature_from_wit;
use jobcontrol_core::value::digest;
use wat::GenerateDwarf;
use wit_component::DecodedWasm;
use wit_component::WitPrinter;
use wit_parser::FunctionKind;
use wit_parser::Interface;
use wit_parser::Resolve;
use wit_parser::World;
use wit_parser::WorldItem;
use wit_parser::WorldKey;

use super::lookalike;
use crate::guard::decoding;

/// Imports that are always linked, as package and major version; the functions of files, variables and the network are
/// among them and refuse everything that was not granted.
const LINKED: &[(&str, &str)] = &[
    ("jobcontrol:plugin", "0.1."),
    ("wasi:io", "0.2."),
    ("wasi:clocks", "0.2."),
    ("wasi:random", "0.2."),
    ("wasi:cli", "0.2."),
    ("wasi:filesystem", "0.2."),
    ("wasi:sockets", "0.2."),
];

/// Interfaces that a grant of a later version would open.
const LATER: &[&str] = &["wasi:http", "wasi:keyvalue", "wasi:config", "wasi:messaging", "wasi:blobstore"];

/// Reads a plugin from its file.
///
/// # Errors
///
/// What is wrong with the file, in words for the author of a manifest.
pub fn read_plugin(path: &Path, shown: &Path) -> Result<Plugin, PluginProblem> {
    let problem = |code: Code, what: String| problem(code, shown, &what);
    let unreadable = |e: std::io::Error| problem(Code::PluginUnreadable, format!("cannot be read: {e}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(problem(
            Code::PluginUnreadable,
            if metadata.is_dir() { "is a folder" } else { "is no file" }.to_owned(),
        ));
    }
    if metadata.len() > limits::PLUGIN {
        let found = format!("is {} bytes, a plugin may have {}", metadata.len(), show_bytes(limits::PLUGIN));
        return Err(problem(Code::PluginTooLarge, found));
    }
    read_plugin_bytes(std::fs::read(path).map_err(unreadable)?.into(), shown)
}

/// Reads a plugin from its bytes, such as those that a store keeps; `shown` is what its file was called.
///
/// # Errors
///
/// What is wrong with the bytes, in words for the author of a manifest.
pub fn read_plugin_bytes(bytes: Arc<[u8]>, shown: &Path) -> Result<Plugin, PluginProblem> {
    let problem = |code: Code, what: String| problem(code, shown, &what);
    let binary = to_binary(&bytes, shown).map_err(|(code, what)| {
        let help = (code == Code::NotWebAssembly).then(|| lookalike::describe(&bytes).1).flatten();
        help.into_iter().fold(problem(code, what), PluginProblem::help)
    })?;
    let decoded = decode(&binary).map_err(|what| {
        problem(Code::PluginDamaged, what).help("it may have been cut short: copy or build it again")
    })?;
    let (resolve, world) = world_of(&decoded).map_err(|what| problem(Code::PluginKind, what))?;
    let mut functions = Vec::new();
    let mut refused = Vec::new();
    for (interface, function) in exported(resolve, world) {
        match callable(resolve, interface, function) {
            Ok(signature) => functions.push(Arc::new(signature)),
            Err(reason) => refused.push((function.name.clone(), reason)),
        }
    }
    let digest = Arc::from(digest(&bytes));
    Ok(Plugin { path: shown.to_owned(), digest, bytes, functions, refused, imports: imports(resolve, world) })
}

fn problem(code: Code, shown: &Path, what: &str) -> PluginProblem {
    PluginProblem::new(code, format!("`{}` {what}", shown.display()))
}

/// The component's binary form: WAT is translated, with its own lines as debug information.
///
/// # Errors
///
/// Text that is no WAT, or a binary that is no component.
pub(crate) fn to_binary<'a>(bytes: &'a [u8], shown: &Path) -> Result<Cow<'a, [u8]>, (Code, String)> {
    if bytes.is_empty() {
        return Err((Code::NotWebAssembly, format!("is {}", lookalike::describe(bytes).0)));
    }
    let binary = if bytes.starts_with(b"\0asm") {
        Cow::Borrowed(bytes)
    } else if shown.extension().is_some_and(|ext| ext == "wat") {
        let mut parser = wat::Parser::new();
        parser.generate_dwarf(GenerateDwarf::Lines);
        let name = shown.file_name().map(Path::new);
        let binary = caught(|| parser.parse_bytes(name, bytes).map(Cow::into_owned));
        let binary = binary.and_then(|read| read.map_err(|e| format!("is not valid WAT: {}", placed(&e.to_string()))));
        Cow::Owned(binary.map_err(|what| (Code::InvalidWat, what))?)
    } else {
        return Err((Code::NotWebAssembly, format!("is {}", lookalike::describe(bytes).0)));
    };
    if wasmparser::Parser::is_component(&binary) {
        return Ok(binary);
    }
    if wasmparser::Parser::is_core_wasm(&binary) {
        return Err((Code::PluginKind, "is a core module; only components are supported yet".to_owned()));
    }
    Err((Code::PluginKind, "is WebAssembly of a version that this program does not know".to_owned()))
}

/// The parser's reason and its place, without the picture that it draws below: `reason (file:line:column)`.
fn placed(text: &str) -> String {
    let mut lines = text.lines();
    let reason = lines.next().unwrap_or_default();
    let place = lines.find_map(|line| line.trim_start().strip_prefix("--> "));
    place.map_or_else(|| reason.to_owned(), |place| format!("{reason} ({place})"))
}

/// Runs a decoder over bytes that nobody vouches for: what would be a crash becomes an answer.
fn caught<T>(decoder: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(decoder)).map_err(|_| "cannot be decoded".to_owned())
}

fn decode(binary: &[u8]) -> Result<DecodedWasm, String> {
    let decoded = decoding(binary, || wit_component::decode(binary))?;
    decoded.map_err(|e| format!("cannot be decoded: {}", e.root_cause()))
}

fn world_of(decoded: &DecodedWasm) -> Result<(&Resolve, &World), String> {
    match decoded {
        DecodedWasm::Component(resolve, world) => Ok((resolve, &resolve.worlds[*world])),
        DecodedWasm::WitPackage(..) => Err("is a WIT package, it has no code".to_owned()),
    }
}

fn exported<'a>(
    resolve: &'a Resolve,
    world: &'a World,
) -> impl Iterator<Item = (Option<String>, &'a wit_parser::Function)> {
    world.exports.iter().flat_map(move |(key, item)| match item {
        WorldItem::Function(function) => vec![(None, function)],
        WorldItem::Interface { id, .. } => {
            let name = resolve.name_world_key(key);
            let functions = resolve.interfaces[*id].functions.values();
            functions.map(|function| (Some(name.clone()), function)).collect()
        }
        WorldItem::Type { .. } => Vec::new(),
    })
}

fn callable(
    resolve: &Resolve,
    interface: Option<String>,
    function: &wit_parser::Function,
) -> Result<Signature, String> {
    match function.kind {
        FunctionKind::Freestanding => {}
        FunctionKind::AsyncFreestanding => return Err("it is async, which is not supported yet".to_owned()),
        _ => return Err("it belongs to a resource".to_owned()),
    }
    let signature = signature_from_wit(resolve, interface, function)?;
    let types = signature.params.iter().map(|(_, ty)| ty).chain(&signature.result);
    match types.into_iter().find_map(jobcontrol_core::types::Type::unsupported) {
        Some(what) => Err(format!("its signature has a {what}: `{signature}`")),
        None => Ok(signature),
    }
}

/// Interfaces with functions; those that only declare types ask nothing of the host.
fn imports(resolve: &Resolve, world: &World) -> Vec<String> {
    let asks = |interface: &Interface| {
        let resource = |id: &wit_parser::TypeId| matches!(resolve.types[*id].kind, wit_parser::TypeDefKind::Resource);
        !interface.functions.is_empty() || interface.types.values().any(resource)
    };
    let name = |(key, item): (&WorldKey, &WorldItem)| match item {
        WorldItem::Interface { id, .. } => asks(&resolve.interfaces[*id]).then(|| resolve.name_world_key(key)),
        WorldItem::Function(function) => Some(function.name.clone()),
        WorldItem::Type { .. } => None,
    };
    world.imports.iter().filter_map(name).collect()
}

/// Every import of a plugin that the host does not offer, with what to do about it.
pub fn missing_imports(plugin: &Plugin) -> Option<PluginProblem> {
    let package = |import: &str| import.split(['/', '@']).next().unwrap_or(import).to_owned();
    let version = |import: &str| import.split_once('@').map(|(_, version)| version.to_owned());
    let linked = |import: &&String| {
        let (package, version) = (package(import), version(import));
        LINKED.iter().any(|(known, prefix)| {
            *known == package && version.as_ref().is_none_or(|version| version.starts_with(prefix))
        })
    };
    let missing: Vec<_> = plugin.imports.iter().filter(|import| !linked(import)).collect();
    let first = missing.first()?;
    let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let help = if LATER.contains(&package(first).as_str()) {
        format!("a grant for `{}` is not supported yet", package(first))
    } else if LINKED.iter().any(|(known, _)| *known == package(first)) {
        let offered = LINKED.iter().map(|(name, version)| format!("{name}@{version}x")).collect::<Vec<_>>();
        format!("the versions offered are {}", offered.join(", "))
    } else {
        "a plugin may import WASI 0.2 and `jobcontrol:plugin`".to_owned()
    };
    let message = format!("`{}` imports {names}, which the host does not offer", plugin.path.display());
    Some(PluginProblem::new(Code::MissingImport, message).help(help))
}

/// All of a plugin as WIT text.
///
/// # Errors
///
/// A plugin that cannot be decoded, or text that cannot be printed.
pub fn wit_text(plugin: &Plugin) -> Result<String, String> {
    let binary = to_binary(&plugin.bytes, &plugin.path).map_err(|(_, what)| what)?;
    let decoded = decode(&binary)?;
    let mut printer = WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[]).map_err(|e| e.to_string())?;
    Ok(printer.output.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_wat_has_its_place_and_no_picture() {
        let (_, error) = to_binary(b"(component\n  (fun))", Path::new("jobs/x.wat")).unwrap_err();
        assert!(error.starts_with("is not valid WAT: ") && error.ends_with(" (x.wat:2:4)"), "{error}");
    }
}
