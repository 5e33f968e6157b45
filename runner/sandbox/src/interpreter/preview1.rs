//! Prepares a core module with WIT that uses preview1 for the stock adapter, which does not support
//! all of preview1.
//!
//! The adapter loses exit codes and crashes with more than 60 KB of environment. A second adapter,
//! written here, takes over these functions. It asks the host for plain numbers and so needs no
//! memory. The stock adapter keeps its state in the module's memory, so a memory of fixed size gets
//! some more pages. A start function would run before any adapter is ready. It is therefore called
//! first after linking, as `_initialize` is.

use wasm_encoder::CodeSection;
use wasm_encoder::ExportKind;
use wasm_encoder::ExportSection;
use wasm_encoder::Function;
use wasm_encoder::FunctionSection;
use wasm_encoder::MemorySection;
use wasm_encoder::MemoryType;
use wasm_encoder::Module;
use wasm_encoder::RawSection;
use wasmparser::ExternalKind;
use wasmparser::Imports;
use wasmparser::Parser;
use wasmparser::Payload;
use wasmparser::TypeRef;
use wit_component::StringEncoding;
use wit_component::embed_component_metadata;
use wit_parser::Resolve;

use super::core_module::CoreModule;

/// The module name under which our adapter offers functions.
pub(super) const ADAPTER: &str = "jobcontrol_preview1";

/// The function that a module compiled for JavaScript calls after its memory grew. Nothing here
/// needs to know.
pub(super) const NOTIFY: (&str, &str) = ("env", "emscripten_notify_memory_growth");

/// Functions that our adapter takes over from the stock one.
const TAKEN_OVER: &[(&str, &str)] = &[
    ("wasi_snapshot_preview1", "proc_exit"),
    ("wasi_snapshot_preview1", "environ_get"),
    ("wasi_snapshot_preview1", "environ_sizes_get"),
    NOTIFY,
];

/// The extra pages of a fixed-size memory for the state and the stack of the stock adapter, which
/// needs about three.
const PAGES: u64 = 16;

/// The most pages of a memory with 32-bit addresses.
const MOST_PAGES: u64 = 1 << 16;

/// The function that is called before any other. If a module has one, the encoder calls it once
/// everything is linked.
const INITIALIZE: &str = "_initialize";

const WIT: &str = "package jobcontrol:preview1@0.1.0;
interface process {
  exit: func(code: s32);
  environment-size: func() -> u64;
  environment-at: func(offset: u32) -> u64;
}
world adapter { import process; }
";

/// The environment is one text, with a zero byte after each variable. The host returns eight bytes
/// of it at a time.
const WAT: &str = r#"(module
  (import "env" "memory" (memory 0))
  (import "jobcontrol:preview1/process@0.1.0" "exit" (func $exit (param i32)))
  (import "jobcontrol:preview1/process@0.1.0" "environment-size" (func $size (result i64)))
  (import "jobcontrol:preview1/process@0.1.0" "environment-at" (func $at (param i32) (result i64)))
  (func (export "emscripten_notify_memory_growth") (param i32))
  (func (export "proc_exit") (param i32) (call $exit (local.get 0)) unreachable)
  (func (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32) (local $both i64)
    (local.set $both (call $size))
    (i32.store (local.get $count) (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))
    (i32.store (local.get $bytes) (i32.wrap_i64 (local.get $both)))
    (i32.const 0))
  (func (export "environ_get") (param $pointers i32) (param $to i32) (result i32)
    (local $offset i32) (local $size i32) (local $eight i64) (local $begins i32)
    (local.set $size (i32.wrap_i64 (call $size)))
    (local.set $begins (i32.const 1))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $offset) (local.get $size)))
        (if (i32.eqz (i32.and (local.get $offset) (i32.const 7)))
          (then (local.set $eight (call $at (local.get $offset)))))
        (if (local.get $begins)
          (then
            (i32.store (local.get $pointers) (i32.add (local.get $to) (local.get $offset)))
            (local.set $pointers (i32.add (local.get $pointers) (i32.const 4)))))
        (i64.store8 (i32.add (local.get $to) (local.get $offset)) (local.get $eight))
        (local.set $begins (i64.eqz (i64.and (local.get $eight) (i64.const 255))))
        (local.set $eight (i64.shr_u (local.get $eight) (i64.const 8)))
        (local.set $offset (i32.add (local.get $offset) (i32.const 1)))
        (br $next)))
    (i32.const 0))
)"#;

/// Returns our adapter for the encoder.
///
/// # Errors
///
/// Never, if the texts above are right.
pub(super) fn adapter() -> Result<Vec<u8>, String> {
    let mut binary = wat::parse_str(WAT).map_err(|e| e.to_string())?;
    let mut resolve = Resolve::default();
    let world = resolve
        .push_str("preview1.wit", WIT)
        .and_then(|package| resolve.select_world(&[package], None))
        .and_then(|world| embed_component_metadata(&mut binary, &resolve, world, StringEncoding::UTF8));
    world.map_err(|e| format!("{e:#}"))?;
    Ok(binary)
}

/// Returns whether a module uses any function of our adapter.
pub(super) fn needs_adapter(module: &CoreModule) -> bool {
    module.imports.iter().any(|(from, name)| is_taken_over(from, name))
}

fn is_taken_over(from: &str, name: &str) -> bool {
    TAKEN_OVER.contains(&(from, name))
}

/// What to change about the start of a module.
#[derive(Default)]
struct Begin {
    start: Option<u32>,
    initialize: Option<u32>,
    /// The number of functions, including imported ones.
    functions: u32,
    imported: u32,
    /// The types of the functions that the module defines itself.
    types: Vec<u32>,
}

impl Begin {
    fn read(module: &[u8]) -> wasmparser::Result<Self> {
        let mut begin = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        begin.imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                    }
                }
                Payload::FunctionSection(section) => begin.types = section.into_iter().collect::<Result<_, _>>()?,
                Payload::StartSection { func, .. } => begin.start = Some(func),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.name == INITIALIZE && export.kind == ExternalKind::Func {
                            begin.initialize = Some(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        begin.functions = begin.imported + u32::try_from(begin.types.len()).unwrap_or(u32::MAX);
        Ok(begin)
    }

    /// Returns the parts of a new function that calls both, if the module has a start function and
    /// another function to call after it.
    fn both(&self) -> Option<(u32, u32, u32)> {
        let (start, initialize) = (self.start?, self.initialize?);
        let ty = self.types.get(start.checked_sub(self.imported)? as usize)?;
        Some((*ty, start, initialize))
    }

    /// Returns the function to export as the first one to call.
    fn first(&self) -> Option<u32> {
        if self.both().is_some() { Some(self.functions) } else { self.start }
    }
}

/// Returns the module with our adapter's functions in place of the stock one's, with room for the
/// stock one's state. Its start function is called once everything is linked.
///
/// # Errors
///
/// Returns an error if the module cannot be decoded.
pub(super) fn prepared(module: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let begin = Begin::read(module)?;
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let raw = &module[range];
        match payload {
            Payload::ImportSection(section) => {
                out.section(&RawSection { id, data: &imports(section, module)? });
            }
            Payload::FunctionSection(section) if begin.both().is_some() => {
                let mut functions = FunctionSection::new();
                for ty in section.into_iter().chain(begin.both().map(|(ty, ..)| Ok(ty))) {
                    functions.function(ty?);
                }
                out.section(&functions);
            }
            Payload::MemorySection(section) => {
                out.section(&memories(section)?);
            }
            Payload::ExportSection(section) if begin.first().is_some() => {
                out.section(&exports(section, &begin)?);
            }
            Payload::StartSection { .. } => {}
            Payload::CodeSectionStart { range, count, .. } if begin.both().is_some() => {
                out.section(&code(&module[range], count, &begin)?);
            }
            _ => {
                out.section(&RawSection { id, data: raw });
            }
        }
    }
    Ok(out.finish())
}

/// Returns the import section with other module names for some functions. Types and function names
/// stay as they are.
fn imports(section: wasmparser::ImportSectionReader<'_>, module: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let (end, count) = (section.range().end, section.count());
    let mut entries = section.into_iter_with_offsets().collect::<wasmparser::Result<Vec<_>>>()?;
    let ends: Vec<_> = entries.iter().skip(1).map(|(start, _)| *start).chain([end]).collect();
    let mut data = Vec::new();
    leb(count, &mut data);
    for ((start, entry), end) in entries.drain(..).zip(ends) {
        let raw = &module[start..end];
        match entry {
            Imports::Single(_, import) if is_taken_over(import.module, import.name) => {
                leb(u32::try_from(ADAPTER.len()).unwrap_or(u32::MAX), &mut data);
                data.extend_from_slice(ADAPTER.as_bytes());
                // A module name is a length and that many bytes; everything after it stays.
                let name = raw.windows(import.module.len()).position(|bytes| bytes == import.module.as_bytes());
                data.extend_from_slice(&raw[name.unwrap_or_default() + import.module.len()..]);
            }
            _ => data.extend_from_slice(raw),
        }
    }
    Ok(data)
}

fn memories(section: wasmparser::MemorySectionReader<'_>) -> wasmparser::Result<MemorySection> {
    let mut memories = MemorySection::new();
    for memory in section {
        let memory = memory?;
        let more =
            |most: u64| if memory.memory64 || memory.shared { most } else { (most + PAGES).min(MOST_PAGES.max(most)) };
        memories.memory(MemoryType {
            minimum: memory.initial,
            maximum: memory.maximum.map(more),
            memory64: memory.memory64,
            shared: memory.shared,
            page_size_log2: memory.page_size_log2,
        });
    }
    Ok(memories)
}

fn exports(section: wasmparser::ExportSectionReader<'_>, begin: &Begin) -> wasmparser::Result<ExportSection> {
    let mut exports = ExportSection::new();
    for export in section {
        let export = export?;
        let kind = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
            ExternalKind::Table => ExportKind::Table,
            ExternalKind::Memory => ExportKind::Memory,
            ExternalKind::Global => ExportKind::Global,
            ExternalKind::Tag => ExportKind::Tag,
        };
        if export.name != INITIALIZE {
            exports.export(export.name, kind, export.index);
        }
    }
    if let Some(first) = begin.first() {
        exports.export(INITIALIZE, ExportKind::Func, first);
    }
    Ok(exports)
}

/// Returns the code section with one more function.
fn code(raw: &[u8], count: u32, begin: &Begin) -> wasmparser::Result<CodeSection> {
    let mut code = CodeSection::new();
    let mut reader = wasmparser::CodeSectionReader::new(wasmparser::BinaryReader::new(raw, 0))?.into_iter();
    for body in reader.by_ref().take(count as usize) {
        code.raw(body?.as_bytes());
    }
    if let Some((_, start, initialize)) = begin.both() {
        let mut both = Function::new([]);
        both.instructions().call(start).call(initialize).end();
        code.function(&both);
    }
    Ok(code)
}

/// Encodes a number in LEB128.
fn leb(mut number: u32, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push((number & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_is_made() {
        adapter().expect("its texts are right");
    }

    #[test]
    fn what_is_prepared_is_a_module_with_the_same_functions_in_another_place() {
        let module = wat::parse_str(
            r#"(module
              (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
              (import "env" "emscripten_notify_memory_growth" (func (param i32)))
              (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
              (memory (export "memory") 2 3) (table (export "t") 1 funcref) (global (export "g") i32 (i32.const 1))
              (func $s (nop)) (start $s)
              (func (export "_initialize") (nop))
              (func (export "f") (result i32) i32.const 7))"#,
        )
        .expect("a module");
        let prepared = prepared(&module).expect("it is prepared");
        wasmparser::validate(&prepared).expect("a module");
        let read = CoreModule::read(&prepared).expect("a module");
        let imports: Vec<_> = read.imports.iter().map(|(from, name)| format!("{from}.{name}")).collect();
        let (ours, theirs) = (ADAPTER, "wasi_snapshot_preview1");
        let expected = [
            format!("{ours}.proc_exit"),
            format!("{ours}.emscripten_notify_memory_growth"),
            format!("{theirs}.fd_write"),
        ];
        assert_eq!(imports, expected);
        let exports: Vec<_> = read.exports.iter().map(|export| (export.name.as_str(), export.index)).collect();
        assert_eq!(exports, [("memory", 0), ("t", 0), ("g", 0), ("f", 5), ("_initialize", 6)]);
        let text = format!("{:?}", Parser::new(0).parse_all(&prepared).collect::<Vec<_>>());
        assert!(!text.contains("StartSection"), "{text}");
    }
}
