//! Parts of a schema that several keys share.

use serde_json::Value;
use serde_json::json;

/// Returns the schema of an object with these properties and no others.
pub(crate) fn object(properties: impl Into<Value>, required: &[&str]) -> Value {
    let mut object = json!({ "type": "object", "properties": properties.into(), "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// Returns a schema that also accepts a text with `${NAME}`, whose value is not known yet.
pub(crate) fn or_variable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{" }] })
}

/// Adds a description to a schema.
pub(crate) fn described(description: &str, mut schema: Value) -> Value {
    schema["description"] = description.into();
    schema
}

/// Returns the schema of a duration as a person writes it.
pub(crate) fn duration() -> Value {
    json!({ "type": "string", "pattern": "[0-9]|\\$\\{", "examples": ["30s", "10m", "1h 30m"] })
}
