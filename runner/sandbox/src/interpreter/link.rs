//! Checks that the plugin's linker offers all that the plugin imports, with the same types. It asks
//! the linker itself, with only the part of the plugin that declares its imports.

use wasm_encoder::CodeSection;
use wasm_encoder::ComponentSectionId;
use wasm_encoder::Function;
use wasm_encoder::SectionId;
use wasmparser::BinaryReader;
use wasmparser::ComponentImportSectionReader;
use wasmparser::ComponentTypeRef;
use wasmparser::Parser;
use wasmtime::Error;
use wasmtime::Module;
use wasmtime::component::Component;

use super::guard::decoding;
use super::task::Refused;
use super::task::Why;
use crate::engine;
use crate::grant;

/// Returns the first import that the engine's linker misses, in words that follow the plugin's
/// name.
pub(super) fn misfit(binary: &[u8]) -> Option<String> {
    let linked = || -> wasmtime::Result<()> {
        // Only code that comes before an import is compiled, and toolchains write none there.
        let engine = engine::linking()?;
        let imports = imports_alone(binary);
        if Parser::is_core_wasm(&imports) {
            let module = Module::new(&engine, &imports)?;
            return grant::core_linker(&engine)?.instantiate_pre(&module).map(drop);
        }
        let component = Component::new(&engine, &imports)?;
        grant::linker(&engine)?.instantiate_pre(&component).map(drop)
    };
    match decoding(binary, linked) {
        Ok(linked) => linked.err().map(|error| described(&error)),
        Err(what) => Some(what),
    }
}

/// Refuses a component that imports components or modules, because the host offers none.
pub(super) fn code_imports(binary: &[u8]) -> Option<Refused> {
    let imports = sections(binary).into_iter().filter(|(id, _)| *id == u8::from(ComponentSectionId::Import));
    let readers = imports.filter_map(|(_, content)| {
        let reader = ComponentImportSectionReader::new(BinaryReader::new(content, 0)).ok()?;
        reader.into_iter().collect::<Result<Vec<_>, _>>().ok()
    });
    let what = |ty: &ComponentTypeRef| match ty {
        ComponentTypeRef::Component(_) => Some("component"),
        ComponentTypeRef::Module(_) => Some("core module"),
        ComponentTypeRef::Value(_) => Some("value"),
        _ => None,
    };
    let (name, what) = readers.flatten().find_map(|import| Some((import.name.name, what(&import.ty)?)))?;
    let help = "put it into the plugin first, with `wac plug` or `wasm-tools compose`";
    let what = format!("imports the {what} `{name}`; a plugin may import only interfaces with functions");
    Some(Refused::new(Why::MissingImport, what).or_help(help))
}

/// Rewords an error of the engine.
fn described(error: &Error) -> String {
    let said: Vec<_> = error.chain().map(ToString::to_string).collect();
    let reason = said.last().map_or("", String::as_str);
    let name = |before: &str| {
        let rest = said.iter().find_map(|said| said.strip_prefix(before))?;
        rest.split_once('`').map(|(name, _)| name)
    };
    let is_missing = reason.ends_with("implementation is missing");
    match (name("component imports instance `"), name("instance export `"), name("incompatible import type for `")) {
        (Some(interface), Some(item), _) if is_missing && reason.starts_with("resource") => {
            format!("imports the resource `{item}` of `{interface}`, which has no such resource")
        }
        (Some(interface), Some(item), _) if is_missing => {
            format!("imports `{item}` of `{interface}`, which has no such function")
        }
        (Some(interface), Some(item), _) => {
            format!("imports `{item}` of `{interface}` with a different type than the host offers: {reason}")
        }
        (_, _, Some(import)) => {
            let import = import.replace("::", ".");
            format!("imports `{import}` with a different type than the host offers: {reason}")
        }
        _ => match name("unknown import: `") {
            Some(import) => format!("imports `{}`, which the host does not offer", import.replace("::", ".")),
            None => format!("cannot be linked: {}", said.join(": ")),
        },
    }
}

/// Returns the part of a binary that declares its imports, as a binary: a component up to its last
/// import, or the types and imports of a core module.
fn imports_alone(binary: &[u8]) -> Vec<u8> {
    let is_component = Parser::is_component(binary);
    let sections = sections(binary);
    let last_import = sections.iter().rposition(|(id, _)| *id == u8::from(ComponentSectionId::Import));
    let kept = if is_component { last_import.map_or(0, |last| last + 1) } else { sections.len() };
    let mut out = binary.get(..HEADER).unwrap_or_default().to_vec();
    for (id, content) in &sections[..kept] {
        let imports = [u8::from(SectionId::Type), u8::from(SectionId::Import)];
        if !is_component && !imports.contains(id) {
            continue;
        }
        let nested = [u8::from(ComponentSectionId::CoreModule), u8::from(ComponentSectionId::Component)];
        if is_component && nested.contains(id) {
            section(&mut out, *id, &hollow(content));
        } else {
            section(&mut out, *id, content);
        }
    }
    out
}

/// Replaces the code of all functions with a trap, in a module or in the modules of a component.
fn hollow(binary: &[u8]) -> Vec<u8> {
    let mut out = binary.get(..HEADER).unwrap_or_default().to_vec();
    let is_component = Parser::is_component(binary);
    for (id, content) in sections(binary) {
        match id {
            1 | 4 if is_component => section(&mut out, id, &hollow(content)),
            10 if !is_component => {
                let functions = BinaryReader::new(content, 0).read_var_u32().unwrap_or(0);
                let mut code = CodeSection::new();
                for _ in 0..functions {
                    let mut function = Function::new([]);
                    function.instructions().unreachable().end();
                    code.function(&function);
                }
                wasm_encoder::Section::append_to(&code, &mut out);
            }
            _ => section(&mut out, id, content),
        }
    }
    out
}

/// The size in bytes of a binary's magic number, version and layer.
pub(super) const HEADER: usize = 8;

/// Returns the id and the content of each section of a binary, up to the first malformed one.
pub(super) fn sections(binary: &[u8]) -> Vec<(u8, &[u8])> {
    let mut reader = BinaryReader::new(binary.get(HEADER..).unwrap_or_default(), 0);
    let mut sections = Vec::new();
    while let Ok(id) = reader.read_u8() {
        let content = reader.read_var_u32().and_then(|size| reader.read_bytes(size as usize));
        let Ok(content) = content else {
            break;
        };
        sections.push((id, content));
    }
    sections
}

pub(super) fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    wasm_encoder::Encode::encode(&content, out);
}
