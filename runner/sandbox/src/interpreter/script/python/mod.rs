//! Python: functions with their annotations. They are read from the syntax tree, and the module is
//! never run.
//!
//! - `module`: the files, with the imports and definitions of each
//! - `types`: annotations, converted into types of WIT

mod module;
#[cfg(test)]
mod tests;
mod types;

use jobcontrol_core::kebab::kebab;
use jobcontrol_core::types::Signature;
use ruff_python_ast::Expr;
use ruff_python_ast::ParameterWithDefault;
use ruff_python_ast::Stmt;
use ruff_python_ast::StmtFunctionDef;
use serde_json::Value as Json;
use serde_json::json;

use self::module::Modules;
use self::types::Reader;
use super::super::task::Described;
use super::super::task::Refused;
use super::super::task::Why;
use super::Found;
use super::scripted;
use super::typed::Typed;
use crate::archive::Archive;

/// Reads a script.
///
/// # Errors
///
/// Returns what is wrong with it, with the file, the line and the column.
pub(super) fn described(archive: &Archive) -> Result<Described, Refused> {
    let modules = Modules::read(archive).map_err(|what| Refused::new(Why::Script, what))?;
    let functions = modules.main().functions();
    let found = functions.map(|function| (function.name.to_string(), signature(&modules, function)));
    Ok(scripted(archive, "Python", modules.program(), found.collect()))
}

/// Returns the signature of a function that is annotated as a job has to be, with the plan for its
/// values.
fn signature(modules: &Modules, function: &StmtFunctionDef) -> Found {
    if function.is_async {
        return Err("it is `async`, which Python scripts do not support: write a plain function".to_owned());
    }
    if !function.decorator_list.is_empty() {
        return Err("it has decorators, which may replace it with another function".to_owned());
    }
    let parameters = &function.parameters;
    if parameters.vararg.is_some() || parameters.kwarg.is_some() {
        return Err("it takes any number of arguments: take a list".to_owned());
    }
    let name = kebab(&function.name);
    let mut reader = Reader::new(modules);
    let (mut params, mut plans) = (Vec::new(), Vec::new());
    let kinds = [(&parameters.posonlyargs, "position"), (&parameters.args, "any"), (&parameters.kwonlyargs, "name")];
    for (parameter, kind) in kinds.iter().flat_map(|(all, kind)| all.iter().map(move |one| (one, kind))) {
        let own = parameter.parameter.name.as_str();
        let wit = kebab(own);
        let typed = typed(&mut reader, parameter, &format!("{name}-{wit}"));
        let typed = typed.map_err(|reason| format!("its parameter `{own}`: {reason}"))?;
        let may_miss = parameter.default.is_some();
        let typed = if may_miss { types::left_out(typed) } else { typed };
        params.push((wit, typed.ty));
        plans.push(json!([own, kind, may_miss, typed.plan]));
    }
    let result = match &function.returns {
        Some(written) => reader.result(written, &name).map_err(|reason| format!("its return type: {reason}"))?,
        None if !module::gives_back(&function.body) => None,
        None => return Err("its return value has no type: write `-> TYPE`".to_owned()),
    };
    let (result, plan) = result.map_or((None, Json::Null), |typed| (Some(typed.ty), typed.plan));
    let plan =
        json!({ "function": function.name.as_str(), "params": plans, "result": plan, "returns": result.is_some() });
    Ok((Signature { interface: None, name, params, result, docs: docs(&function.body), command: false }, plan))
}

fn typed(reader: &mut Reader<'_>, parameter: &ParameterWithDefault, hint: &str) -> Result<Typed, String> {
    match &parameter.parameter.annotation {
        Some(written) => reader.written(written, hint),
        None => reader.default(parameter.default.as_deref()),
    }
}

/// Returns the docstring.
fn docs(body: &[Stmt]) -> Option<String> {
    let Some(Stmt::Expr(first)) = body.first() else { return None };
    let Expr::StringLiteral(text) = &*first.value else { return None };
    let lines = text.value.to_str().trim().lines().map(str::trim);
    Some(lines.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty())
}
