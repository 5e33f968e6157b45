//! JSON Schema of a manifest, for editors: what may be written where, with the functions of the plugins at hand.
//!
//! - here: the keys of a manifest
//! - `functions`: what `args` and `kwargs` take, by function
//! - `types`: WIT types
//! - `parts`: what the keys share
//!
//! Draft-07, since that is what the YAML support of editors knows whole. A schema sees no tags: `!retval JOB` is a text
//! to it, so it lets pass what only `check` can tell from one. What `check` accepts, it accepts.

mod functions;
pub(crate) mod parts;
mod types;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub use functions::Callable;

use crate::grants::Grants;
use crate::limits::LimitKey;
use crate::limits::Limits;
use crate::limits::NOTES;
use crate::limits::Unit;
use crate::limits::show_bytes;
use crate::manifest::JOB_KEYS;
use crate::pool::MAX_SIZE;
use crate::retry::MAX_ATTEMPTS;
use crate::retry::RetryOn;
use parts::described;
use parts::duration;
use parts::object;
use parts::or_variable;

/// The schema of a manifest, whose `function` completes from `functions`.
pub fn manifest(functions: &[Callable<'_>]) -> Value {
    let mut definitions = types::Definitions::default();
    let conditions = functions::conditions(functions, &mut definitions);
    let mut job = object(keys(JOB_KEYS, |key| job_key(key, functions)), &["function"]);
    job["description"] = json!("One job: a function of a plugin, with its arguments.");
    if !conditions.is_empty() {
        job["allOf"] = Value::Array(conditions);
    }
    let mut definitions = definitions.finish();
    definitions.insert("job".to_owned(), job);
    let listed = json!({ "allOf": [{ "$ref": "#/definitions/job" }, { "required": ["id"] }] });
    let list = json!({ "description": "The jobs of this file.", "type": ["array", "null"], "items": listed });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "jobcontrol manifest",
        "description": "A list of jobs below `jobs:`, or one job whose id is the file's name.",
        "type": "object",
        "if": { "required": ["jobs"] },
        "then": object(json!({ "jobs": list }), &["jobs"]),
        "else": { "$ref": "#/definitions/job" },
        "definitions": definitions,
    })
}

/// A property for each key; one that `property` does not know accepts anything.
fn keys(keys: &[&str], property: impl Fn(&str) -> Option<(&'static str, Value)>) -> Value {
    let described = keys.iter().map(|key| {
        let (description, mut property) = property(key).unwrap_or(("", json!({})));
        property["description"] = json!(description);
        ((*key).to_owned(), property)
    });
    Value::Object(described.collect::<Map<_, _>>())
}

/// What a key of a job means, and what it takes.
fn job_key(key: &str, functions: &[Callable<'_>]) -> Option<(&'static str, Value)> {
    let id = "^[A-Za-z0-9_-]{1,128}$";
    let texts = json!({ "type": ["array", "null"], "items": { "type": "string" } });
    Some(match key {
        "id" => (
            "The job's name: letters, digits, `_` and `-`; unique in the folder. Defaults to the file's name where the \
             file is one job.",
            json!({ "anyOf": [{ "type": "string", "pattern": id }, { "type": "integer" }] }),
        ),
        "title" => ("A short text for people.", json!({ "type": "string" })),
        "notes" => ("A longer text for people, at most 64 KiB.", json!({ "type": "string", "maxLength": NOTES })),
        "tags" => ("Words to find the job by.", texts),
        "function" => {
            ("What the job calls: `PLUGIN:FUNCTION`, or `PLUGIN` alone for a command.", functions::names(functions))
        }
        "args" => ("Arguments by position.", json!({ "type": ["array", "null"] })),
        "kwargs" => (
            "Arguments by parameter name, in kebab-case or snake_case. Those of option type may be left out.",
            json!({ "type": ["object", "null"] }),
        ),
        "dependencies" => (
            "Jobs that must be built first, for order alone; those of `!retval` are implied.",
            json!({ "type": ["array", "null"], "items": or_variable(&json!({ "type": "string", "pattern": id })), "uniqueItems": true }),
        ),
        "timeout" => (
            "How long an attempt may take: `30s`, `10m`, `1h 30m`. 10 minutes by default. Or a mapping: of an attempt, of \
             the build with all its attempts, and without any sign of progress.",
            json!({ "anyOf": [duration(), {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "attempt": described("Of an attempt.", duration()),
                    "build": described("Of the build with all its attempts.", duration()),
                    "no_progress": described("Of an attempt without progress, log or output.", duration()),
                },
            }] }),
        ),
        "retry" => ("How often a failed build is tried, the first attempt included.", retry()),
        "limits" => ("What a build may use, where the defaults do not do.", limits()),
        "grants" => ("What the plugin may touch. Nothing is granted by default.", Grants::schema()),
        "pool" => (
            "The pool of which each build takes slots while it runs: its name, or a mapping with the number of slots.",
            pool(id),
        ),
        "protected" => (
            "Whether a person has to confirm before it runs. `false` by default.",
            or_variable(&json!({ "type": "boolean" })),
        ),
        "cleanup_function" => {
            ("Called with the return value when a build is deleted.", json!({ "type": "string", "minLength": 1 }))
        }
        "repr_function" => (
            "Makes the text that stands for the return value where it is shown.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        _ => return None,
    })
}

fn retry() -> Value {
    let kinds = json!({ "anyOf": [{ "enum": RetryOn::KINDS }, { "type": "string", "pattern": "^(error\\(.+\\)|plugin:.+)$" }] });
    let attempts = or_variable(&json!({ "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS }));
    let key = |name: &str, description: &str, schema: Value| (name.to_owned(), described(description, schema));
    let properties = [
        key("attempts", "Attempts in all, 3 by default.", attempts.clone()),
        key(
            "backoff",
            "How the wait grows, exponential by default.",
            or_variable(&json!({ "enum": ["fixed", "exponential"] })),
        ),
        key("initial", "The wait after the first attempt, 1s by default.", duration()),
        key("max", "The longest wait, 1m by default.", duration()),
        key(
            "jitter",
            "Draws each wait from nothing up to that; true by default.",
            or_variable(&json!({ "type": "boolean" })),
        ),
        key(
            "on",
            "The failures that are tried again, every kind by default.",
            json!({ "type": "array", "minItems": 1, "items": or_variable(&kinds) }),
        ),
    ];
    let properties: serde_json::Map<_, _> = properties.into_iter().collect();
    json!({ "anyOf": [attempts, { "type": "object", "additionalProperties": false, "properties": properties }] })
}

fn pool(id: &str) -> Value {
    let name = or_variable(&json!({ "type": "string", "pattern": id }));
    let slots = or_variable(&json!({ "type": "integer", "minimum": 1, "maximum": MAX_SIZE }));
    let keys = json!({
        "name": described("A pool that jobcontrol.yaml lists.", name.clone()),
        "slots": described("How many of its slots; 1 by default.", slots),
    });
    json!({ "anyOf": [name, object(keys, &["name"])] })
}

fn limits() -> Value {
    let mut defaults = Limits::default();
    let properties = Limits::KEYS.iter().filter_map(|key| {
        let LimitKey { value, unit, max } = defaults.by_key(key)?;
        let property = match unit {
            Unit::Bytes => json!({
                "description": format!(
                    "{}. {} by default, {} at most.", limit_key(key)?, show_bytes(*value), show_bytes(max)
                ),
                "type": "string", "pattern": "[0-9]|\\$\\{", "examples": [show_bytes(*value)],
            }),
            Unit::Count => json!({
                "description": format!("{}. {value} by default.", limit_key(key)?),
                "type": "integer", "minimum": 1, "maximum": max,
            }),
        };
        Some(((*key).to_owned(), property))
    });
    object(Value::Object(properties.collect()), &[])
}

/// What a key below `limits` bounds.
fn limit_key(key: &str) -> Option<&'static str> {
    Some(match key {
        "memory" => "All memories of the instance together",
        "retval" => "The return value, and the arguments, encoded",
        "log" => "All log messages of a build together",
        "log_records" => "Number of log records of a build",
        "progress_groups" => "Number of progress groups of a build",
        "table_elements" => "Elements of all tables together",
        "handles" => "Files, folders and streams that are open at once",
        "instances" => "Number of core instances",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_parsers_keys_and_says_what_each_means() {
        for key in JOB_KEYS {
            assert!(job_key(key, &[]).is_some(), "`{key}` of a job is not in the schema");
        }
        for key in Limits::KEYS {
            assert!(limits()["properties"].get(key).is_some(), "`limits.{key}` is not in the schema");
        }
        every_property_is_described(&manifest(&[]), "");
    }

    fn every_property_is_described(schema: &Value, path: &str) {
        match schema {
            Value::Object(entries) => {
                for (key, inner) in entries {
                    let path = format!("{path}/{key}");
                    if let (true, Some(properties)) = (key == "properties", inner.as_object()) {
                        for (name, property) in properties {
                            let described = property["description"].as_str().is_some_and(|text| text.len() > 5);
                            assert!(described, "{path}/{name} has no description");
                        }
                    }
                    every_property_is_described(inner, &path);
                }
            }
            Value::Array(items) => items.iter().for_each(|inner| every_property_is_described(inner, path)),
            _ => {}
        }
    }
}
