//! Reads the imports and exports of a core module without validating its code.

use std::collections::HashMap;
use std::sync::Arc;

use wasmparser::BinaryReaderError;
use wasmparser::CompositeInnerType;
use wasmparser::ExternalKind;
use wasmparser::FuncType;
use wasmparser::KnownCustom;
use wasmparser::Name;
use wasmparser::Parser;
use wasmparser::Payload;
use wasmparser::TypeRef;

/// The export that starts a WASI command.
pub(crate) const START: &str = "_start";

/// Custom sections in which bindings generators store the WIT of a module.
const WIT_SECTION: &str = "component-type";

/// The most imports, exports and parameter names that a module may have. The largest module has a
/// few thousand.
const NAMES: usize = 100_000;

/// The most types and functions that a module may have, as in the engine.
const FUNCTIONS: usize = 1_000_000;

/// The interface of a core module.
#[derive(Default)]
pub(crate) struct CoreModule {
    /// Whether it carries its WIT.
    pub(crate) has_wit: bool,
    /// Module and name of each import.
    pub(crate) imports: Vec<(String, String)>,
    /// What it exports, in order.
    pub(crate) exports: Vec<Export>,
    /// Names of parameters by function index and position, if the binary has them.
    names: HashMap<u32, HashMap<u32, String>>,
}

/// One export.
pub(crate) struct Export {
    pub(crate) name: String,
    pub(crate) kind: ExternalKind,
    pub(crate) index: u32,
    /// The type if it is a function.
    pub(crate) func: Option<Arc<FuncType>>,
}

impl Export {
    /// Describes the type.
    pub(crate) fn describe(&self) -> String {
        match &self.func {
            Some(ty) => {
                let list = |types: &[wasmparser::ValType]| {
                    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                };
                format!("({}) -> ({})", list(ty.params()), list(ty.results()))
            }
            None => "of something that is not a function".to_owned(),
        }
    }
}

/// Types and functions by index, while a module is read.
#[derive(Default)]
struct Indices {
    types: Vec<Option<Arc<FuncType>>>,
    functions: Vec<u32>,
}

impl Indices {
    fn are_too_many(&self) -> bool {
        self.types.len() > FUNCTIONS || self.functions.len() > FUNCTIONS
    }

    fn function(&self, index: u32) -> Option<Arc<FuncType>> {
        let ty = self.functions.get(index as usize)?;
        self.types.get(*ty as usize)?.clone()
    }
}

impl CoreModule {
    /// Reads a core module.
    ///
    /// # Errors
    ///
    /// Returns an error if the binary is cut short or malformed, or if it has more names than any
    /// module needs.
    pub(crate) fn read(binary: &[u8]) -> Result<Self, String> {
        let mut module = Self::default();
        let mut indices = Indices::default();
        for payload in Parser::new(0).parse_all(binary) {
            let read = payload.and_then(|payload| module.read_section(payload, &mut indices));
            read.map_err(|e| format!("cannot be decoded: {e}"))?;
            if module.imports.len() > NAMES || module.exports.len() > NAMES {
                return Err(format!("has more than {NAMES} imports or exports"));
            }
            if indices.are_too_many() {
                return Err(format!("has more than {FUNCTIONS} types or functions"));
            }
        }
        Ok(module)
    }

    fn read_section(&mut self, payload: Payload<'_>, indices: &mut Indices) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    if indices.are_too_many() {
                        break;
                    }
                    indices.types.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
                        CompositeInnerType::Func(ty) => Some(Arc::new(ty)),
                        _ => None,
                    }));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports().take(NAMES + 1) {
                    let import = import?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                        indices.functions.push(ty);
                    }
                    self.imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section.into_iter().take(FUNCTIONS + 1) {
                    indices.functions.push(ty?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section.into_iter().take(NAMES + 1) {
                    let export = export?;
                    let is_function = export.kind == ExternalKind::Func;
                    let func = is_function.then(|| indices.function(export.index)).flatten();
                    let (name, kind, index) = (export.name.to_owned(), export.kind, export.index);
                    self.exports.push(Export { name, kind, index, func });
                }
            }
            Payload::CustomSection(section) => {
                self.has_wit |= section.name().starts_with(WIT_SECTION);
                if let KnownCustom::Name(names) = section.as_known() {
                    // Names are optional, so names that cannot be read are ignored.
                    let _ = self.read_names(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_names(&mut self, names: wasmparser::NameSectionReader<'_>) -> Result<(), BinaryReaderError> {
        let mut room = NAMES;
        for subsection in names {
            if let Name::Local(functions) = subsection? {
                for function in functions {
                    let function = function?;
                    for local in function.names {
                        let local = local?;
                        if room == 0 {
                            return Ok(());
                        }
                        room -= 1;
                        let locals = self.names.entry(function.index).or_default();
                        locals.insert(local.index, local.name.to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns whether the module is a WASI command: `_start` takes and returns nothing.
    pub(crate) fn is_command(&self) -> bool {
        let start = self.exports.iter().find(|export| export.name == START).and_then(|export| export.func.as_ref());
        start.is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty())
    }

    /// Returns the name that the author gave a parameter, if the binary has it.
    pub(crate) fn param_name(&self, function: u32, position: u32) -> Option<&str> {
        self.names.get(&function)?.get(&position).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a number in LEB128, as in a binary.
    fn leb(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let low = u8::try_from(number & 0x7f).expect("seven bits");
            number >>= 7;
            bytes.push(if number == 0 { low } else { low | 0x80 });
            if number == 0 {
                return bytes;
            }
        }
    }

    /// Returns a module with one section that holds `count` copies of an item.
    fn module(id: u8, count: usize, item: &[u8]) -> Vec<u8> {
        let body = [&leb(count)[..], &item.repeat(count)].concat();
        [b"\0asm\x01\0\0\0", &[id][..], &leb(body.len()), &body].concat()
    }

    #[test]
    fn types_functions_imports_and_exports_are_counted() {
        let few = format!("has more than {FUNCTIONS} types or functions");
        let names = format!("has more than {NAMES} imports or exports");
        for (id, item, most, refusal) in [
            (1, &[0x60, 0, 0][..], FUNCTIONS, &few),
            (3, &[0], FUNCTIONS, &few),
            (2, &[0, 0, 3, 0x7f, 0], NAMES, &names),
            (7, &[0, 3, 0], NAMES, &names),
        ] {
            assert_ne!(CoreModule::read(&module(id, most, item)).err().as_ref(), Some(refusal), "section {id}");
            assert_eq!(CoreModule::read(&module(id, most + 1, item)).err().as_ref(), Some(refusal), "section {id}");
            // If the count is far above the limit, counting stops early.
            assert_eq!(CoreModule::read(&module(id, 5 * most, item)).err().as_ref(), Some(refusal), "section {id}");
        }
    }

    #[test]
    fn functions_without_names_of_parameters_are_not_kept() {
        // A thousand functions without names, then one with a name.
        let functions = [&leb(1001)[..], &[1, 0].repeat(1000), &[7, 1, 0, 1, b'n']].concat();
        let names = [&b"\x04name\x02"[..], &leb(functions.len()), &functions].concat();
        let mut binary = b"\0asm\x01\0\0\0\0".to_vec();
        binary.extend([&leb(names.len())[..], &names].concat());
        let module = CoreModule::read(&binary).expect("it is read");
        assert_eq!(module.names.len(), 1);
        assert_eq!(module.param_name(7, 0), Some("n"));
    }
}
