//! JavaScript and TypeScript: functions with their types, and the program for the interpreter.
//!
//! - `module`: the files with their imports and exports
//! - `types`: types in TypeScript and JSDoc, converted into types of WIT
//! - `jsdoc`: the comment above a function
//! - `erase`: removes types and module syntax from a file, and keeps each line where it was
//! - `program`: all files as one text

mod erase;
mod jsdoc;
mod module;
mod program;
#[cfg(test)]
mod tests;
mod types;

use jobcontrol_core::kebab::kebab;
use jobcontrol_core::types::Signature;
use oxc_allocator::Allocator;
use serde_json::Value as Json;
use serde_json::json;

use self::jsdoc::Docs;
use self::module::Export;
use self::module::Module;
use self::module::Modules;
use self::types::Reader;
use super::super::task::Described;
use super::super::task::Refused;
use super::super::task::Why;
use super::Found;
use super::place;
use super::scripted;
use crate::archive::Archive;

/// Reads a script.
///
/// # Errors
///
/// Returns what is wrong with it, with the file, the line and the column.
pub(super) fn described(archive: &Archive) -> Result<Described, Refused> {
    let allocator = Allocator::default();
    let mistake = |what: String| Refused::new(Why::Script, what);
    let modules = Modules::read(archive, &allocator).map_err(mistake)?;
    let main = modules.main();
    let (program, files) = program::of(&modules).map_err(mistake)?;
    let found = main.exports.iter().filter_map(|(name, export)| {
        let Export::Function(function) = export else { return None };
        let found = signature(&modules, name, function).map(|(signature, mut plan)| {
            plan["files"] = json!(files);
            (signature, plan)
        });
        Some((name.clone(), found))
    });
    let language = if main.is_typed { "TypeScript" } else { "JavaScript" };
    Ok(scripted(archive, language, program, found.collect()))
}

/// Returns the signature of a function that is typed as a job has to be, with the plan for its
/// values.
fn signature(modules: &Modules<'_>, name: &str, function: &module::Function<'_>) -> Found {
    if function.is_generator {
        return Err("it is a generator: return a list instead".to_owned());
    }
    let docs = Docs::of(function.comment.unwrap_or_default());
    let kebab_name = kebab(name);
    let mut reader = Reader::new(modules);
    let (mut params, mut plans) = (Vec::new(), Vec::new());
    for param in function.params {
        let Some(own) = module::name_of(&param.pattern) else {
            return Err("a destructured parameter has no name: give it one".to_owned());
        };
        let wit = kebab(own);
        let said = docs.params.iter().find(|(name, ..)| name == own);
        let hint = format!("{kebab_name}-{wit}");
        let typed = match (&param.type_annotation, said.and_then(|(_, ty, _)| ty.as_deref())) {
            (Some(written), _) => reader.written(&written.type_annotation, &hint),
            (None, Some(text)) => reader.text(text, &hint),
            (None, None) => reader.default(param.initializer.as_deref()),
        };
        let typed = typed.map_err(|reason| format!("its parameter `{own}`: {reason}"))?;
        let may_miss = param.optional || param.initializer.is_some() || said.is_some_and(|(.., optional)| *optional);
        // An omitted argument takes its default.
        let typed = if may_miss { types::left_out(typed) } else { typed };
        params.push((wit, typed.ty));
        plans.push(typed.plan);
    }
    if function.has_rest {
        return Err("it takes any number of arguments: take a list".to_owned());
    }
    let written = function.result.map(|result| reader.result(result, &kebab_name));
    let result = match (written, docs.returns.as_deref()) {
        (Some(written), _) => written.map_err(|reason| format!("its return type: {reason}"))?,
        (None, Some(text)) => {
            reader.result_text(text, &kebab_name).map_err(|reason| format!("its return type: {reason}"))?
        }
        (None, None) if !function.returns => None,
        (None, None) => {
            let way = if modules.main().is_typed { "write `): TYPE {`" } else { "write `@returns {TYPE}` above it" };
            return Err(format!("its return value has no type: {way}"));
        }
    };
    let (result, plan) = result.map_or((None, Json::Null), |typed| (Some(typed.ty), typed.plan));
    let plan = json!({ "function": name, "params": plans, "result": plan, "returns": result.is_some() });
    let docs = Some(docs.text).filter(|text| !text.is_empty());
    Ok((Signature { interface: None, name: kebab_name, params, result, docs, command: false }, plan))
}

impl Module<'_> {
    /// Formats a position in the file.
    fn place(&self, offset: u32) -> String {
        place(&self.path, self.source, offset as usize)
    }
}
