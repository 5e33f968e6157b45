//! The schema of a whole manifest, assembled from the schemas of its keys.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::manifest::keys::KEYS;
use crate::yaml::fields::FREE;

use super::functions::Callable;
use super::functions::conditions;
use super::parts::object;
use super::types::Definitions;

/// Returns the schema of a manifest, in which `function` completes from `functions`.
pub fn manifest(functions: &[Callable<'_>]) -> Value {
    let mut definitions = Definitions::default();
    let conditions = conditions(functions, &mut definitions);
    let properties: Map<_, _> = KEYS.iter().map(|key| (key.name.to_owned(), (key.schema)(functions))).collect();
    let free = json!({ format!("^{FREE}"): { "description": "Free for YAML anchors, at the top of a file." } });
    let mut job = object(properties, &["function"]);
    job["description"] = json!("One job: a function of a plugin, with its arguments.");
    if !conditions.is_empty() {
        job["allOf"] = Value::Array(conditions);
    }
    job["patternProperties"] = free.clone();
    let mut definitions = definitions.finish();
    definitions.insert("job".to_owned(), job);
    let listed = json!({ "allOf": [{ "$ref": "#/definitions/job" }, { "required": ["id"] }] });
    let list = json!({ "description": "The jobs of this file.", "type": ["array", "null"], "items": listed });
    let mut file = object(json!({ "jobs": list }), &["jobs"]);
    file["patternProperties"] = free;
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "jobcontrol manifest",
        "description": "A list of jobs below `jobs:`, or one job whose id is the file's name.",
        "type": "object",
        "if": { "required": ["jobs"] },
        "then": file,
        "else": { "$ref": "#/definitions/job" },
        "definitions": definitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_means() {
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
