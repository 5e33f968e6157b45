//! A core module whose exports take and return plain numbers: it gets WIT that says so.

use std::collections::HashSet;

use jobcontrol_core::diagnostic::some_of;
use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Signature;
use jobcontrol_core::types::Type;
use wasm_encoder::CanonicalOption;
use wasm_encoder::ComponentBuilder;
use wasm_encoder::ComponentExportKind;
use wasm_encoder::ComponentValType;
use wasm_encoder::ExportKind;
use wasm_encoder::ExportSection;
use wasm_encoder::Module;
use wasm_encoder::ModuleArg;
use wasm_encoder::PrimitiveValType;
use wasm_encoder::RawSection;
use wasmparser::ExternalKind;
use wasmparser::FuncType;
use wasmparser::Parser;
use wasmparser::Payload;
use wasmparser::ValType;
use wit_component::StringEncoding;
use wit_component::embed_component_metadata;
use wit_parser::Resolve;

use super::core_module::CoreModule;
use super::core_module::Export;
use super::core_module::START;

/// The most parameters that the canonical ABI passes as plain numbers.
const MAX_PARAMS: usize = 16;

/// Exports that the component's own machinery uses, and that no job calls.
const MACHINERY: &[&str] = &["memory", "_initialize", "cabi_realloc"];

/// A function that can be called: the export, and its name and parameters in WIT.
pub(crate) struct Lifted<'a> {
    export: &'a Export,
    ty: &'a FuncType,
    name: String,
    params: Vec<String>,
}

/// Exports that no job can call, each with the reason.
pub(crate) type Uncallable = Vec<(String, String)>;

/// The functions that a module has to call, and the exports that no job can call.
///
/// # Errors
///
/// No export can be called.
pub(crate) fn functions(module: &CoreModule) -> Result<(Vec<Lifted<'_>>, Uncallable), String> {
    let (lifted, refused) = lift(module);
    if !lifted.is_empty() {
        return Ok((lifted, refused));
    }
    let named = some_of(refused.iter().map(|(name, reason)| format!("`{name}` {reason}")));
    let refused = if refused.is_empty() { String::new() } else { format!(": {named}") };
    Err(format!(
        "is a core module without WIT, of which only functions of plain numbers can be called, and it exports none{refused}"
    ))
}

/// Functions that a command exports beside its start. None of them can be called, since the module runs as a whole.
pub(crate) fn beside_start(module: &CoreModule) -> Uncallable {
    let reason = "it belongs to a command, which runs as a whole from `_start`; to call its functions, build it as a library: \
                  `-mexec-model=reactor` in C, C++ and Zig, `cdylib` in Rust, `-buildmode=c-shared` in Go";
    let (functions, _) = lift(module);
    let functions = functions.into_iter().filter(|function| function.export.name != START);
    functions.map(|function| (function.export.name.clone(), reason.to_owned())).collect()
}

impl Lifted<'_> {
    /// What a job sees of it.
    pub(crate) fn signature(&self) -> Signature {
        let ty = |ty: &ValType| match ty {
            ValType::I32 => Type::Int(IntType::S32),
            ValType::I64 => Type::Int(IntType::S64),
            ValType::F32 => Type::F32,
            _ => Type::F64,
        };
        let params = self.params.iter().cloned().zip(self.ty.params().iter().map(ty)).collect();
        let result = self.ty.results().first().map(ty);
        let (interface, name, docs) = (None, self.name.clone(), None);
        Signature { interface, name, params, result, docs, command: false }
    }
}

/// The component that a module is which imports nothing and needs no beginning: written by hand, which takes as long as
/// the module is, however many functions it exports.
pub(crate) fn component(binary: &[u8], module: &CoreModule, lifted: &[Lifted<'_>]) -> Option<Vec<u8>> {
    let begins = module.exports.iter().any(|export| export.name == "_initialize");
    if begins || !module.imports.is_empty() {
        return None;
    }
    let number = |ty: &ValType| {
        ComponentValType::Primitive(match ty {
            ValType::I32 => PrimitiveValType::S32,
            ValType::I64 => PrimitiveValType::S64,
            ValType::F32 => PrimitiveValType::F32,
            _ => PrimitiveValType::F64,
        })
    };
    let mut component = ComponentBuilder::default();
    let core = component.core_module_raw(None, binary);
    let instance = component.core_instantiate(None, core, std::iter::empty::<(&str, ModuleArg)>());
    let mut functions = Vec::with_capacity(lifted.len());
    for function in lifted {
        functions.push(component.core_alias_export(None, instance, &function.export.name, ExportKind::Func));
    }
    let mut types = Vec::with_capacity(lifted.len());
    for function in lifted {
        let (ty, mut encoder) = component.type_function(None);
        let params = function.params.iter().map(String::as_str).zip(function.ty.params().iter().map(number));
        encoder.params(params).result(function.ty.results().first().map(number));
        types.push(ty);
    }
    for (function, ty) in functions.iter_mut().zip(types) {
        *function = component.lift_func(None, *function, ty, std::iter::empty::<CanonicalOption>());
    }
    for (function, lifted) in functions.into_iter().zip(lifted) {
        component.export(&lifted.name, ComponentExportKind::Func, function, None);
    }
    Some(component.finish())
}

/// The module with WIT.
///
/// # Errors
///
/// A module that cannot be decoded, or names that have no place in WIT.
pub(crate) fn with_wit(binary: &[u8], module: &CoreModule, lifted: &[Lifted<'_>]) -> Result<Vec<u8>, String> {
    let mut renamed = renamed(binary, module, lifted).map_err(|e| format!("cannot be decoded: {e}"))?;
    let mut resolve = Resolve::default();
    let world = resolve
        .push_str("numeric.wit", &wit(lifted))
        .and_then(|package| resolve.select_world(&[package], None))
        .and_then(|world| embed_component_metadata(&mut renamed, &resolve, world, StringEncoding::UTF8));
    world.map_err(|e| format!("is a core module whose exports have no place in WIT: {e:#}"))?;
    Ok(renamed)
}

fn lift(module: &CoreModule) -> (Vec<Lifted<'_>>, Uncallable) {
    let (mut lifted, mut refused) = (Vec::new(), Vec::new());
    let mut taken = HashSet::new();
    for export in &module.exports {
        let Some(ty) = &export.func else {
            continue;
        };
        if export.name.starts_with("__") || MACHINERY.contains(&export.name.as_str()) {
            continue;
        }
        match callable(export, ty) {
            Ok(name) if taken.insert(name.clone()) => {
                let params = params(module, export, ty);
                lifted.push(Lifted { export, ty, name, params });
            }
            Ok(name) => refused.push((export.name.clone(), format!("is `{name}` in WIT, as another export"))),
            Err(reason) => refused.push((export.name.clone(), reason)),
        }
    }
    (lifted, refused)
}

fn callable(export: &Export, ty: &FuncType) -> Result<String, String> {
    let is_number = |ty: &ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
    if let Some(other) = ty.params().iter().chain(ty.results()).find(|ty| !is_number(ty)) {
        return Err(format!("takes or returns `{other}`, which is no plain number"));
    }
    if ty.results().len() > 1 {
        return Err(format!("returns {} values", ty.results().len()));
    }
    if ty.params().len() > MAX_PARAMS {
        return Err(format!("has {} parameters, {MAX_PARAMS} can be given", ty.params().len()));
    }
    kebab(&export.name).ok_or_else(|| "has a name that WIT cannot have".to_owned())
}

/// The author's names for parameters where the binary kept them all, else `p0`, `p1`, ..
fn params(module: &CoreModule, export: &Export, ty: &FuncType) -> Vec<String> {
    let count = u32::try_from(ty.params().len()).unwrap_or(0);
    let named: Option<Vec<String>> =
        (0..count).map(|position| kebab(module.param_name(export.index, position)?)).collect();
    let distinct = named.filter(|names| names.iter().collect::<HashSet<_>>().len() == names.len());
    distinct.unwrap_or_else(|| (0..count).map(|position| format!("p{position}")).collect())
}

/// `addTwo` and `add_two` as `add-two`, `v_2` as `v2`; none for a name with other than letters, digits and `_`.
fn kebab(name: &str) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for c in name.chars() {
        let new_word = match c {
            '_' | '-' => false,
            'A'..='Z' => !before.is_ascii_uppercase(),
            'a'..='z' => matches!(before, '_' | '-'),
            '0'..='9' => words.is_empty(),
            _ => return None,
        };
        if new_word {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.first()?.starts_with(|c: char| c.is_ascii_lowercase()).then(|| words.join("-"))
}

fn wit(lifted: &[Lifted<'_>]) -> String {
    let name = |ty: &ValType| match ty {
        ValType::I32 => "s32",
        ValType::I64 => "s64",
        ValType::F32 => "f32",
        _ => "f64",
    };
    let functions = lifted.iter().map(|function| {
        let params = function.params.iter().zip(function.ty.params());
        let params = params.map(|(param, ty)| format!("%{param}: {}", name(ty))).collect::<Vec<_>>().join(", ");
        let result = function.ty.results().first().map(|ty| format!(" -> {}", name(ty))).unwrap_or_default();
        format!("  export %{}: func({params}){result};\n", function.name)
    });
    format!("package core:module;\n\nworld numeric {{\n{}}}\n", functions.collect::<String>())
}

/// The same module, its functions exported under their names in WIT and the others not at all.
fn renamed(
    binary: &[u8],
    module: &CoreModule,
    lifted: &[Lifted<'_>],
) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut exports = ExportSection::new();
    for export in &module.exports {
        let kind = match export.kind {
            ExternalKind::Memory => ExportKind::Memory,
            ExternalKind::Func => ExportKind::Func,
            _ => continue,
        };
        if MACHINERY.contains(&export.name.as_str()) {
            exports.export(&export.name, kind, export.index);
        }
    }
    for function in lifted {
        exports.export(&function.name, ExportKind::Func, function.export.index);
    }
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload?;
        match payload {
            Payload::ExportSection(_) => {
                out.section(&exports);
            }
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    out.section(&RawSection { id, data: &binary[range] });
                }
            }
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_kebab() {
        let good = [
            ("add", "add"),
            ("add_two", "add-two"),
            ("addTwo", "add-two"),
            ("_start__it_", "start-it"),
            ("HTTPGet", "httpget"),
            ("v_2", "v2"),
            ("x2Y", "x2-y"),
        ];
        for (name, expected) in good {
            assert_eq!(kebab(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["", "_", "$x", "a.b", "2x", "é"] {
            assert_eq!(kebab(name), None, "{name}");
        }
    }
}
