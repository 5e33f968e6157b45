//! What a plugin's binary says of itself, decoded and never compiled.

use std::path::Path;
use std::sync::Arc;

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::diagnostic::some_of;
use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::plugin::PluginKind;
use jobcontrol_core::types::Signature;
use jobcontrol_core::types::signature_from_wit;
use jobcontrol_core::value::digest;
use wit_component::DecodedWasm;
use wit_component::WitPrinter;
use wit_parser::FunctionKind;
use wit_parser::Interface;
use wit_parser::Resolve;
use wit_parser::World;
use wit_parser::WorldItem;
use wit_parser::WorldKey;

use crate::componentize::Form;
use crate::componentize::form;
use crate::guard::decoding;
use crate::lookalike;

/// Imports that are always linked: package, major version and interfaces; the functions of files, variables and the
/// network are among them and refuse everything that was not granted.
const LINKED: &[(&str, &str, &[&str])] = &[
    ("jobcontrol:plugin", "0.1.", &["types", "log", "progress", "build"]),
    ("wasi:io", "0.2.", &["error", "poll", "streams"]),
    ("wasi:clocks", "0.2.", &["wall-clock", "monotonic-clock"]),
    ("wasi:random", "0.2.", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:cli",
        "0.2.",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:filesystem", "0.2.", &["types", "preopens"]),
    (
        "wasi:sockets",
        "0.2.",
        &["network", "instance-network", "tcp", "tcp-create-socket", "udp", "udp-create-socket", "ip-name-lookup"],
    ),
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
    let problem = |code: Code, what: String| {
        let help = match code {
            Code::NotWebAssembly => lookalike::describe(&bytes).1,
            Code::PluginDamaged => Some("it may have been cut short: copy or build it again"),
            _ => None,
        };
        help.into_iter().fold(problem(code, shown, &what), PluginProblem::help)
    };
    let Form { kind, binary, mut refused } = form(&bytes, shown).map_err(|(code, what)| problem(code, what))?;
    let mut functions = Vec::new();
    let imports = if kind == PluginKind::CommandModule {
        functions.push(Arc::new(Signature::command(None)));
        Vec::new()
    } else {
        let decoded = decode(&binary).map_err(|what| problem(Code::PluginDamaged, what))?;
        let (resolve, world) = world_of(&decoded).map_err(|what| problem(Code::PluginKind, what))?;
        for (interface, function) in exported(resolve, world) {
            if interface.as_deref().is_some_and(is_run) {
                functions.push(Arc::new(Signature::command(interface)));
                continue;
            }
            match callable(resolve, interface, function) {
                Ok(signature) => functions.push(Arc::new(signature)),
                Err(reason) => refused.push((function.name.clone(), reason)),
            }
        }
        imports(resolve, world)
    };
    let digest = Arc::from(digest(&bytes));
    Ok(Plugin { path: shown.to_owned(), kind, digest, bytes, functions, refused, imports })
}

/// Whether an interface is the one that a command exports.
fn is_run(interface: &str) -> bool {
    interface.split('@').next() == Some("wasi:cli/run")
}

fn problem(code: Code, shown: &Path, what: &str) -> PluginProblem {
    PluginProblem::new(code, format!("`{}` {what}", shown.display()))
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

/// `package/interface@version` in its parts.
fn parts(import: &str) -> (&str, &str, Option<&str>) {
    let (path, version) = import.split_once('@').map_or((import, None), |(path, version)| (path, Some(version)));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

fn is_linked(import: &str) -> bool {
    let (package, interface, version) = parts(import);
    LINKED.iter().any(|(known, offered, interfaces)| {
        *known == package
            && interfaces.contains(&interface)
            && version.is_some_and(|version| version.starts_with(offered))
    })
}

/// Every import of a plugin that the host does not offer, with what to do about it.
pub fn missing_imports(plugin: &Plugin) -> Option<PluginProblem> {
    let missing: Vec<_> = plugin.imports.iter().filter(|import| !is_linked(import)).collect();
    let first = missing.first()?;
    let names = some_of(missing.iter().map(|name| format!("`{name}`")));
    let (package, interface, version) = parts(first);
    let help = match LINKED.iter().find(|(known, ..)| *known == package) {
        _ if LATER.contains(&package) => format!("a grant for `{package}` is not supported yet"),
        Some((_, offered, interfaces)) if version.is_some_and(|version| version.starts_with(offered)) => {
            match nearest(interface, interfaces.iter().copied()) {
                Some(near) => format!("did you mean `{package}/{near}`?"),
                None => format!("of `{package}` the host offers {}", interfaces.join(", ")),
            }
        }
        Some(_) => {
            let offered = LINKED.iter().map(|(name, version, _)| format!("{name}@{version}x")).collect::<Vec<_>>();
            format!("the versions offered are {}", offered.join(", "))
        }
        None => "a plugin may import WASI 0.2 and `jobcontrol:plugin`".to_owned(),
    };
    let message = format!("`{}` imports {names}, which the host does not offer", plugin.path.display());
    Some(PluginProblem::new(Code::MissingImport, message).help(help))
}

/// All of a plugin as WIT text.
///
/// # Errors
///
/// A plugin that cannot be decoded, or text that cannot be printed. Empty for a preview1 command, which has none.
pub fn wit_text(plugin: &Plugin) -> Result<String, String> {
    let form = form(&plugin.bytes, &plugin.path).map_err(|(_, what)| what)?;
    if form.kind == PluginKind::CommandModule {
        return Ok(String::new());
    }
    let decoded = decode(&form.binary)?;
    let mut printer = WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[]).map_err(|e| e.to_string())?;
    Ok(printer.output.to_string())
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Component;

    use super::*;
    use crate::engine;
    use crate::grant;

    /// What `check` takes for linked is what the linker has.
    #[test]
    fn the_host_offers_what_it_says() {
        let engine = engine::running(1).unwrap();
        let linker = grant::linker(&engine).unwrap();
        // Asked for as a function, what is there is told as an instance.
        let has = |package: &str, interface: &str, version: &str| {
            let text = format!(r#"(component (import "{package}/{interface}@{version}0" (func)))"#);
            let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            let refused = linker.instantiate_pre(&component).err().unwrap();
            format!("{refused:#}").contains("found instance")
        };
        for (package, version, interfaces) in LINKED {
            for interface in *interfaces {
                // What holds types alone needs nothing of the host.
                assert!(has(package, interface, version) || *interface == "types", "{package}/{interface}");
            }
            assert!(!has(package, "nonsense", version));
        }
        for import in ["wasi:cli/nonsense@0.2.0", "wasi:cli/exit", "wasi:cli/exit@0.3.0", "wasi:cli"] {
            assert!(!is_linked(import), "{import}");
        }
    }
}
