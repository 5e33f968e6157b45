//! Reads a script without running it: which functions are jobs, with which types, and the input of
//! the interpreter.
//!
//! - `javascript`: JavaScript and TypeScript
//! - `python`: Python
//! - `typed`: types with the plans of their values, for both

mod javascript;
mod python;
mod typed;

use jobcontrol_core::plugin::Script;
use jobcontrol_core::types::Signature;
use jobcontrol_core::types::Table;
use jobcontrol_core::types::declared;
use serde_json::Value as Json;

use super::task::Described;
use super::task::Kind;
use super::task::Refused;
use super::task::Why;
use crate::archive::Archive;
use crate::archive::Language;

/// Reads a script.
///
/// # Errors
///
/// Returns what is wrong with it, with the file, the line and the column.
pub(super) fn described(archive: &Archive) -> Result<Described, Refused> {
    match archive.language() {
        Language::JavaScript => javascript::described(archive),
        Language::Python => python::described(archive),
    }
}

/// A function's signature with its plan, or the reason why it cannot be called.
type Found = Result<(Signature, Json), String>;

/// Describes a script from the functions that were found.
fn scripted(archive: &Archive, language: &str, program: String, found: Vec<(String, Found)>) -> Described {
    let (mut functions, mut refused, mut plans) = (Vec::new(), Vec::new(), Vec::new());
    for (name, found) in found {
        match found {
            Ok((signature, plan)) => {
                plans.push((signature.name.clone(), plan.to_string()));
                functions.push(signature);
            }
            Err(reason) => refused.push((name, reason)),
        }
    }
    Described {
        kind: Kind::Script,
        functions: Table::new(&functions),
        refused,
        imports: Vec::new(),
        misfit: None,
        stock_adapter: false,
        language: Some(language.to_owned()),
        script: Some(Script { interpreter: archive.interpreter.clone(), program, plans }),
    }
}

/// Returns the script's functions as WIT text.
///
/// # Errors
///
/// Returns what is wrong with the script.
pub(super) fn wit_text(archive: &Archive) -> Result<String, Refused> {
    let described = described(archive)?;
    let functions = described.functions.signatures().map_err(|e| Refused::new(Why::Script, e.to_string()))?;
    let mut text = String::from("interface jobs {\n");
    for part in declared(&functions) {
        part.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    functions.iter().for_each(|function| add(function, &mut text));
    Ok(text + "}\n")
}

fn add(function: &Signature, text: &mut String) {
    let docs = function.docs.as_deref().unwrap_or_default().lines();
    docs.for_each(|line| text.push_str(&format!("  /// {line}\n")));
    text.push_str(&format!("  {function};\n"));
}

/// Formats a position in a file: `lib/b.ts:3:7`.
fn place(path: &str, source: &str, offset: usize) -> String {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{path}:{line}:{column}")
}
