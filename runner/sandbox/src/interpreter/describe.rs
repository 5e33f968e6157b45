//! Describes a plugin from its binary, which is decoded and never compiled.

use std::fmt::Write;
use std::path::Path;

use jobcontrol_core::types::Signature;
use jobcontrol_core::types::Table;
use jobcontrol_core::types::TypeReader;
use wasm_encoder::ComponentSectionId;
use wasmparser::BinaryReader;
use wasmparser::ComponentName;
use wasmparser::KnownCustom;
use wasmparser::Parser;
use wasmparser::Payload;
use wit_component::DecodedWasm;
use wit_component::WitPrinter;
use wit_parser::FunctionKind;
use wit_parser::Interface;
use wit_parser::PackageId;
use wit_parser::Resolve;
use wit_parser::World;
use wit_parser::WorldItem;
use wit_parser::WorldKey;

use super::componentize::Form;
use super::componentize::form;
use super::core_module::CoreModule;
use super::guard::decoding;
use super::library::Library;
use super::link;
use super::lookalike;
use super::producers;
use super::script;
use super::sound;
use super::task::Described;
use super::task::Kind;
use super::task::Refused;
use super::task::Why;
use crate::archive::Archive;
use crate::bounded::Bounded;
use crate::imports::is_compatible;
use crate::imports::is_linked;

/// Describes a plugin; `shown` is the name of its file.
///
/// # Errors
///
/// Returns what is wrong with the bytes.
pub(crate) fn described(bytes: &[u8], shown: &Path) -> Result<Described, Refused> {
    describe(bytes, shown).map_err(|refused| match refused.why {
        Why::Damaged if lookalike::is_cut_short(bytes) => refused.or_help("it was cut short: copy or download it again"),
        Why::Damaged => refused.or_help(
            "the file is whole, but not valid: build it again, with another version of its toolchain if that does not help",
        ),
        _ => refused,
    })
}

fn describe(bytes: &[u8], shown: &Path) -> Result<Described, Refused> {
    if let Some(archive) = Archive::decode(bytes) {
        return script::described(&archive);
    }
    let library = Library::read(bytes)?;
    let Form { kind, binary, functions: known, mut refused, .. } = form(bytes, shown)?;
    if let Some(refused) = link::code_imports(&binary).filter(|_| Parser::is_component(&binary)) {
        return Err(refused);
    }
    sound::valid(&binary)?;
    let mut functions = Vec::new();
    let imported;
    let mut misfit = None;
    let is_core = kind.plugin().stays_core();
    if is_core {
        functions = known.unwrap_or_else(|| vec![Signature::command(None)]);
        imported = preview1_imports(&binary)?;
    } else {
        let decoded = decode(&binary)?;
        let (resolve, world) = world_of(&decoded)?;
        let mut types = TypeReader::new(resolve);
        for (interface, function) in exported(resolve, world) {
            if interface.as_deref().is_some_and(is_run) && is_program(function, resolve) {
                functions.push(Signature::command(interface));
                continue;
            }
            match callable(&mut types, interface, function) {
                Ok(signature) => functions.push(signature),
                Err(reason) => refused.push((function.name.clone(), reason)),
            }
        }
        imported = imports(resolve, world);
    }
    functions.iter_mut().for_each(|signature| library.comment(signature));
    // A plugin without functions is neither compiled nor linked.
    if !functions.is_empty() {
        sound::fits(&binary)?;
        // Imports with unknown names are reported together elsewhere.
        let asks = if is_core { !imported.is_empty() } else { imported.iter().all(|import| is_linked(import)) };
        misfit = asks.then(|| link::misfit(&binary)).flatten();
    }
    // If we added the adapter, ours takes over what the stock one cannot do.
    let stock_adapter = kind == Kind::Component && has_stock_adapter(&binary);
    let language = producers::language(bytes);
    Ok(Described {
        kind,
        functions: Table::new(&functions),
        refused,
        imports: imported,
        misfit,
        stock_adapter,
        language,
        script: None,
    })
}

/// The name that toolchains give the core module of the stock preview1 adapter.
const STOCK_ADAPTER: &str = "wit-component:adapter:wasi_snapshot_preview1";

fn has_stock_adapter(component: &[u8]) -> bool {
    let names_it = |payload| {
        let Payload::CustomSection(section) = payload else {
            return false;
        };
        let KnownCustom::ComponentName(names) = section.as_known() else {
            return false;
        };
        let modules = names.into_iter().map_while(Result::ok).filter_map(|name| match name {
            ComponentName::CoreModules(modules) => Some(modules),
            _ => None,
        });
        modules.flatten().map_while(Result::ok).any(|module| module.name == STOCK_ADAPTER)
    };
    Parser::new(0).parse_all(component).map_while(Result::ok).any(names_it)
}

/// Returns whether an interface is the one that a command exports.
fn is_run(interface: &str) -> bool {
    interface.strip_prefix("wasi:cli/run@").is_some_and(|version| is_compatible(version, "0.2"))
}

/// Returns whether a function has the type of a command.
fn is_program(function: &wit_parser::Function, resolve: &Resolve) -> bool {
    let result = match function.result {
        Some(wit_parser::Type::Id(id)) => &resolve.types[id].kind,
        _ => return false,
    };
    let empty = matches!(result, wit_parser::TypeDefKind::Result(wit_parser::Result_ { ok: None, err: None }));
    function.name == "run" && function.params.is_empty() && empty
}

/// Returns the imports of a preview1 command.
fn preview1_imports(binary: &[u8]) -> Result<Vec<String>, Refused> {
    let module = CoreModule::read(binary).map_err(|what| Refused::new(Why::Damaged, what))?;
    Ok(module.imports.iter().map(|(from, name)| format!("{from}.{name}")).collect())
}

/// The section with the documentation of a component's WIT.
const DOCS: &str = "package-docs";

fn decode(binary: &[u8]) -> Result<DecodedWasm, Refused> {
    let damaged = |what: String| Refused::new(Why::Damaged, what);
    let decoder = || {
        // Documentation for names that the decoder does not produce is no reason to refuse a
        // plugin.
        wit_component::decode(binary).or_else(|error| match without_docs(binary) {
            Some(rest) => wit_component::decode(&rest),
            None => Err(error),
        })
    };
    let decoded = decoding(binary, decoder).map_err(damaged)?;
    decoded.map_err(|e| damaged(format!("cannot be decoded: {}", e.root_cause())))
}

/// Removes the documentation from a component that has any.
fn without_docs(binary: &[u8]) -> Option<Vec<u8>> {
    let is_docs = |id: u8, content: &[u8]| {
        let name = BinaryReader::new(content, 0).read_string();
        id == u8::from(ComponentSectionId::CoreCustom) && name.is_ok_and(|name| name == DOCS)
    };
    let sections = link::sections(binary);
    sections.iter().any(|(id, content)| is_docs(*id, content)).then(|| {
        let mut out = binary[..link::HEADER].to_vec();
        let rest = sections.iter().filter(|(id, content)| !is_docs(*id, content));
        rest.for_each(|(id, content)| link::section(&mut out, *id, content));
        out
    })
}

fn world_of(decoded: &DecodedWasm) -> Result<(&Resolve, &World), Refused> {
    match decoded {
        DecodedWasm::Component(resolve, world) => Ok((resolve, &resolve.worlds[*world])),
        DecodedWasm::WitPackage(..) => Err(Refused::new(Why::Kind, "is a WIT package without code")),
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

/// The most bytes of the reason why a function cannot be called.
const REASON: usize = 1_000;

fn callable(
    types: &mut TypeReader<'_>,
    interface: Option<String>,
    function: &wit_parser::Function,
) -> Result<Signature, String> {
    match function.kind {
        FunctionKind::Freestanding => {}
        FunctionKind::AsyncFreestanding => return Err("it is async, which is not supported yet".to_owned()),
        _ => return Err("it belongs to a resource".to_owned()),
    }
    let signature = types.signature(interface, function)?;
    let used = signature.params.iter().map(|(_, ty)| ty).chain(&signature.result);
    match used.into_iter().find_map(jobcontrol_core::types::Type::unsupported) {
        Some(what) => {
            let mut reason = Bounded::new(REASON);
            // Text beyond the limit is cut.
            let _ = write!(reason, "its signature has a {what}: `{signature}`");
            Err(reason.text())
        }
        None => Ok(signature),
    }
}

/// Returns the imported interfaces that have functions. Those that only declare types need nothing
/// from the host.
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

/// Returns a plugin's whole interface as WIT text. It is empty for a preview1 command, which has no
/// WIT.
///
/// # Errors
///
/// Returns an error if the plugin cannot be decoded, or its WIT cannot be printed.
pub(crate) fn wit_text(bytes: &[u8], shown: &Path) -> Result<String, Refused> {
    if let Some(archive) = Archive::decode(bytes) {
        return script::wit_text(&archive);
    }
    let form = form(bytes, shown)?;
    if form.kind == Kind::CommandModule {
        return Ok(String::new());
    }
    // The decoder allocates whatever size a truncated section claims to have.
    sound::valid(&form.binary)?;
    if let Some(wit) = &form.wit {
        return numeric_text(wit);
    }
    let decoded = decode(&form.binary)?;
    printed(decoded.resolve(), decoded.package())
}

/// Prints a package, and the packages other than WASI's whose types and functions it uses.
fn printed(resolve: &Resolve, package: PackageId) -> Result<String, Refused> {
    let others = resolve.packages.iter().filter(|(id, other)| *id != package && other.name.namespace != "wasi");
    let others: Vec<_> = others.map(|(id, _)| id).collect();
    let mut printer = WitPrinter::default();
    let printed = printer.print(resolve, package, &others);
    printed.map_err(|e| Refused::new(Why::Damaged, format!("cannot be written as WIT: {e}")))?;
    Ok(printer.output.to_string())
}

/// Prints WIT that was made for a core module in the same form as that of any other plugin.
fn numeric_text(wit: &str) -> Result<String, Refused> {
    let mut resolve = Resolve::default();
    let mut printer = WitPrinter::default();
    let printed = resolve.push_str("numeric.wit", wit).and_then(|package| printer.print(&resolve, package, &[]));
    printed.map_err(|e| Refused::new(Why::Damaged, format!("cannot be written as WIT: {e}")))?;
    Ok(printer.output.to_string())
}
