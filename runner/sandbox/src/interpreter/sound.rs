//! Checks that the engine accepts a plugin: its code is valid with the engine's features, and its
//! definitions fit the engine's limits.

use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use wasmparser::Parser;
use wasmparser::Validator;
use wasmtime_environ::HostPtr;
use wasmtime_environ::Module;
use wasmtime_environ::ModuleEnvironment;
use wasmtime_environ::ModuleTypesBuilder;
use wasmtime_environ::ScopeVec;
use wasmtime_environ::StaticModuleIndex;
use wasmtime_environ::Tunables;
use wasmtime_environ::VMOffsets;
use wasmtime_environ::component::ComponentTypesBuilder;
use wasmtime_environ::component::GlobalInitializer;
use wasmtime_environ::component::InstantiateModule;
use wasmtime_environ::component::Translator;
use wasmtime_environ::component::VMComponentOffsets;

use super::features;
use super::guard::decoding;
use super::task::Refused;
use super::task::Why;
use crate::engine::FEATURES;
use crate::engine::INSTANCE_METADATA;
use crate::engine::PER_COMPONENT;

/// Validates all code with the engine's features.
///
/// # Errors
///
/// Returns what is not valid, or the proposals that are missing, in words for the plugin's author.
pub(super) fn valid(binary: &[u8]) -> Result<(), Refused> {
    decoding(binary, || validated(binary)).map_err(|what| Refused::new(Why::Damaged, what))?
}

/// Does everything else that the engine does before it compiles, and counts what its pool has to
/// hold.
///
/// # Errors
///
/// Returns what the engine would report when it compiles or loads the plugin, in words for the
/// plugin's author.
pub(super) fn fits(binary: &[u8]) -> Result<(), Refused> {
    decoding(binary, || translated(binary)).map_err(|what| Refused::new(Why::Damaged, what))?
}

fn validated(binary: &[u8]) -> Result<(), Refused> {
    let Err(error) = Validator::new_with_features(FEATURES).validate_all(binary) else {
        return Ok(());
    };
    if let Some(lacking) = features::lacking(binary) {
        return Err(lacking);
    }
    // `tables count exceeds limit of 100`, and the like for everything that is counted.
    let (why, what) = if error.message().contains("exceeds limit") {
        (Why::Capacity, "is larger than the engine takes")
    } else {
        (Why::Damaged, "cannot be decoded")
    };
    Err(Refused::new(why, format!("{what}: {error}")))
}

/// What all core instances of a plugin define together.
#[derive(Default)]
struct Defined {
    instances: u64,
    memories: u64,
    tables: u64,
    /// The bytes that the engine keeps beside memories and tables: for globals, referenced
    /// functions and imports.
    metadata: u64,
}

impl Defined {
    /// Counts one more instance of a module.
    fn add(&mut self, module: &Module) -> Result<(), Refused> {
        for (_, memory) in module.memories.iter().skip(module.num_imported_memories) {
            let bytes = memory.minimum_byte_size().unwrap_or(u64::MAX);
            if bytes > limits::MAX_MEMORY {
                let most = show_bytes(limits::MAX_MEMORY);
                return Err(too_much(format!("has a memory of {bytes} bytes at its start; the limit is {most}")));
            }
        }
        for (_, table) in module.tables.iter().skip(module.num_imported_tables) {
            if table.limits.min > limits::MAX_TABLE_ELEMENTS {
                let (found, most) = (table.limits.min, limits::MAX_TABLE_ELEMENTS);
                return Err(too_much(format!("has a table of {found} elements at its start; the limit is {most}")));
            }
        }
        self.instances += 1;
        self.memories += module.num_defined_memories() as u64;
        self.tables += module.num_defined_tables() as u64;
        self.metadata += u64::from(VMOffsets::new(HostPtr, module).size_of_vmctx());
        Ok(())
    }

    fn fits(&self) -> Result<(), Refused> {
        let most = u64::from(PER_COMPONENT);
        for (count, what, most) in [
            (self.instances, "core instances", limits::MAX_INSTANCES),
            (self.memories, "memories", most),
            (self.tables, "tables", most),
        ] {
            if count > most {
                return Err(too_much(format!("has {count} {what}; a plugin may have at most {most}")));
            }
        }
        if self.metadata > INSTANCE_METADATA as u64 {
            let (found, most) = (show_bytes(self.metadata), show_bytes(INSTANCE_METADATA as u64));
            let what = "for its globals, imports and functions that are referred to";
            return Err(too_much(format!("needs {found} {what}; a plugin may need at most {most}")));
        }
        Ok(())
    }
}

fn too_much(what: String) -> Refused {
    Refused::new(Why::Capacity, what)
}

fn translated(binary: &[u8]) -> Result<(), Refused> {
    let refused = |error: wasmtime_environ::error::Error| {
        Refused::new(Why::Kind, format!("cannot be compiled: {}", error.root_cause()))
    };
    let tunables = Tunables::default_host();
    let mut validator = Validator::new_with_features(FEATURES);
    let mut defined = Defined::default();
    if Parser::is_core_wasm(binary) {
        let mut types = ModuleTypesBuilder::new(&validator);
        let first = StaticModuleIndex::from_u32(0);
        let module = ModuleEnvironment::new(&tunables, &mut validator, &mut types, first);
        defined.add(&module.translate(Parser::new(0), binary).map_err(refused)?.module)?;
        return defined.fits();
    }
    let scope = ScopeVec::new();
    let mut types = ComponentTypesBuilder::new(&validator);
    let translator = Translator::new(&tunables, &mut validator, &mut types, &scope);
    let (translated, modules) = translator.translate(binary).map_err(refused)?;
    // The engine checks each module, whether it is instantiated or not.
    for (_, module) in &modules {
        let mut alone = Defined::default();
        alone.add(&module.module)?;
        alone.fits()?;
    }
    for initializer in &translated.component.initializers {
        match initializer {
            GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, _), _) => {
                defined.add(&modules[*module].module)?;
            }
            GlobalInitializer::InstantiateModule(InstantiateModule::Import(..), _) => defined.instances += 1,
            _ => {}
        }
    }
    defined.metadata += u64::from(VMComponentOffsets::new(HostPtr, &translated.component).size_of_vmctx());
    defined.fits()
}
