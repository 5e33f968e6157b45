//! The schemas of `function`, and of `args` and `kwargs` for each function.

use serde_json::Value;
use serde_json::json;

use super::types::Definitions;
use super::types::present;
use super::types::require;
use crate::types::Signature;
use crate::types::Type;

/// A function of an available plugin.
#[derive(Clone, Copy, Debug)]
pub struct Callable<'a> {
    /// How a manifest next to the plugin names it, without the function: `sales` or
    /// `./sub/sales.wasm`.
    pub plugin: &'a str,
    /// The plugin's file name without its extension.
    pub stem: &'a str,
    /// SHA-256 of the plugin, in hexadecimal.
    pub digest: &'a str,
    /// The shortest name of the export; empty for a command.
    pub export: &'a str,
    /// The function.
    pub signature: &'a Signature,
}

/// Returns the schema of `function`, with these functions as completions. Any other function name
/// is accepted too, so that a new plugin is not reported as a mistake.
pub(crate) fn names(functions: &[Callable<'_>]) -> Value {
    let mut any: Vec<_> = functions
        .iter()
        .map(|function| {
            let signature = function.signature;
            let docs = signature.docs.as_deref().map(|docs| format!("{}\n\n", docs.trim())).unwrap_or_default();
            json!({ "const": written(function), "description": format!("{docs}`{signature}`") })
        })
        .collect();
    any.push(json!({ "type": "string", "minLength": 1 }));
    json!({ "anyOf": any })
}

fn written(function: &Callable<'_>) -> String {
    match function.export {
        "" => function.plugin.to_owned(),
        export => format!("{}:{export}", function.plugin),
    }
}

/// Returns a condition for each function name that describes its arguments. Functions that can have
/// the same name (plugins of the same name in two folders) share a condition.
pub(super) fn conditions(functions: &[Callable<'_>], definitions: &mut Definitions) -> Vec<Value> {
    let mut by_name: Vec<(String, Vec<Value>)> = Vec::new();
    for function in functions {
        let pattern = named(function);
        let shape = if function.export.is_empty() { argv() } else { arguments(function.signature, definitions) };
        match by_name.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, shapes)) if shapes.contains(&shape) => {}
            Some((_, shapes)) => shapes.push(shape),
            None => by_name.push((pattern, vec![shape])),
        }
    }
    let condition = |(pattern, mut shapes): (String, Vec<Value>)| {
        let then = if shapes.len() == 1 { shapes.remove(0) } else { json!({ "anyOf": shapes }) };
        json!({
            "if": { "properties": { "function": { "type": "string", "pattern": pattern } }, "required": ["function"] },
            "then": then,
        })
    };
    by_name.into_iter().map(condition).collect()
}

/// Returns a pattern for all names of the function: the plugin by name or path, pinned or not; the
/// export in kebab or snake case.
fn named(function: &Callable<'_>) -> String {
    let Callable { stem, digest, .. } = function;
    let plugin = format!("^(.*/)?{}(\\.wasm|\\.wat)?(@sha256:{digest})?", escaped(stem));
    let name = escaped(&function.signature.name).replace('-', "[-_]");
    match &function.signature.interface {
        _ if function.export.is_empty() => format!("{plugin}$"),
        None => format!("{plugin}:{name}$"),
        Some(interface) => {
            let (unversioned, version) = interface.split_once('@').unwrap_or((interface, ""));
            let (package, bare) = unversioned.rsplit_once('/').unwrap_or(("", unversioned));
            let version = if version.is_empty() { String::new() } else { format!("(@{})?", escaped(version)) };
            let qualified = format!("(({}/)?{}{version}#)", escaped(package), escaped(bare));
            // A bare name belongs to this function only if no other interface has it.
            let optional = if function.export.contains('#') { "" } else { "?" };
            format!("{plugin}:{qualified}{optional}{name}$")
        }
    }
}

/// Returns a pattern that matches a text literally. Only characters with a meaning in patterns are
/// escaped. Editors read patterns in an ECMAScript mode in which any other escape is an error and
/// invalidates the whole schema.
fn escaped(text: &str) -> String {
    let special = |c: char| r"\^$.*+?()[]{}|".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain(std::iter::once(c))).collect()
}

fn argv() -> Value {
    let args = json!({ "description": "The command line.", "type": ["array", "null"], "items": { "type": "string" } });
    let kwargs = json!({
        "description": "A command has no named parameters.",
        "type": ["object", "null"],
        "maxProperties": 0,
    });
    json!({ "properties": { "args": args, "kwargs": kwargs } })
}

fn arguments(signature: &Signature, definitions: &mut Definitions) -> Value {
    let params = &signature.params;
    let described = |mut schema: Value, (name, ty): &(String, Type)| {
        schema["description"] = json!(format!("{name}: {ty}"));
        schema
    };
    let items: Vec<_> = params.iter().map(|param| described(definitions.argument(&param.1), param)).collect();
    let mut args = json!({
        "description": format!("Positional arguments of `{signature}`."),
        "type": ["array", "null"],
        "maxItems": params.len(),
    });
    if !items.is_empty() {
        args["items"] = Value::Array(items);
    }
    // Which names are required depends on `args`.
    let mut kwargs = definitions.record(params.iter().map(|(name, ty)| (name.as_str(), ty)));
    for key in ["required", "allOf"] {
        kwargs.as_object_mut().map(|kwargs| kwargs.remove(key));
    }
    kwargs["type"] = json!(["object", "null"]);
    kwargs["description"] = json!(format!("Named arguments of `{signature}`."));
    let mut shape = json!({ "properties": { "args": args, "kwargs": kwargs } });
    let required: Vec<_> = params.iter().filter(|(_, ty)| !matches!(ty, Type::Option(_))).collect();
    if !required.is_empty() {
        let mut all = json!({ "type": "object" });
        require(&mut all, required.into_iter().map(|(name, _)| present(name)).collect());
        let by_name = json!({ "properties": { "kwargs": all }, "required": ["kwargs"] });
        shape["if"] = json!({ "not": { "required": ["args"] } });
        shape["then"] = by_name;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_something_in_a_pattern_is_escaped() {
        assert_eq!(escaped("a=b c-d_e/f:g@1.0,'~"), "a=b c-d_e/f:g@1\\.0,'~");
        assert_eq!(escaped("(x)[y]{z}|^$*+?\\"), "\\(x\\)\\[y\\]\\{z\\}\\|\\^\\$\\*\\+\\?\\\\");
    }
}
