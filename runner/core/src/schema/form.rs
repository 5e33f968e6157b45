//! The schema for a form with the arguments of one function by name. It accepts only values, no
//! references or variables.

use serde_json::Value;
use serde_json::json;

use super::types::Definitions;
use crate::types::Signature;

/// Returns the schema of a mapping of all arguments of a function by name. A command has none.
pub fn form(signature: &Signature) -> Value {
    let mut definitions = Definitions::of_values();
    let params = signature.params.iter().filter(|_| !signature.command);
    let mut schema = definitions.record(params.map(|(name, ty)| (name.as_str(), ty)));
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(signature.to_string());
    let definitions = definitions.finish();
    if !definitions.is_empty() {
        schema["definitions"] = Value::Object(definitions);
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::Type;

    #[test]
    fn nothing_stands_for_a_value_in_a_form() {
        let nested = Type::Option(Arc::new(Type::Option(Arc::new(Type::Bool))));
        let params = vec![("on".to_owned(), Type::Bool), ("perhaps".to_owned(), nested)];
        let schema = form(&Signature { name: "f".to_owned(), params, ..Signature::default() });
        assert_eq!(schema["properties"]["on"]["type"], "boolean");
        assert_eq!(schema["required"], json!(["on"]));
        assert!(!schema.to_string().contains("stands-for"), "{schema}");
    }
}
