//! WIT types as JSON Schema: what an editor accepts as an argument in a manifest.

use std::collections::HashMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::types::Type;

use super::parts::object;

/// Reference to the definition of the placeholders for any value: `!retval JOB` or `${NAME}`.
const STANDS_FOR: &str = "#/definitions/stands-for";

/// How many types of the same name are compared with a new one.
const NAMESAKES: usize = 16;

/// The definitions that types need, created when they are first used.
#[derive(Default)]
pub(super) struct Definitions {
    /// Types by the name that their authors gave, each with its name among the definitions.
    known: HashMap<String, Vec<(String, Type)>>,
    made: Map<String, Value>,
    /// Whether only values are accepted, and no placeholders.
    values_alone: bool,
}

impl Definitions {
    /// Creates definitions that accept only values, and no placeholders.
    pub(super) fn of_values() -> Self {
        Self { values_alone: true, ..Self::default() }
    }

    /// Returns all definitions by name.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        if self.values_alone {
            return self.made;
        }
        let stands_for = json!({
            "description": "`!retval JOB` or `!retval JOB.field`, which editors treat as text, or text with `${NAME}`.",
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]+(\\.[A-Za-z][A-Za-z0-9_-]*)*$|\\$\\{",
        });
        self.made.insert("stands-for".to_owned(), stands_for);
        self.made
    }

    /// Returns the schema of a value of this type, or of a placeholder for one.
    pub(super) fn argument(&mut self, ty: &Type) -> Value {
        match ty {
            // A string schema already accepts any placeholder.
            Type::String => self.literal(ty),
            ty => {
                let literal = self.literal(ty);
                self.or_what_stands_for(literal)
            }
        }
    }

    fn or_what_stands_for(&self, literal: Value) -> Value {
        if self.values_alone { literal } else { json!({ "anyOf": [literal, { "$ref": STANDS_FOR }] }) }
    }

    fn literal(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Bool => json!({ "type": "boolean" }),
            Type::Int(int) => {
                let (min, max) = int.range();
                let number = |n: i128| u64::try_from(n).map_or_else(|_| json!(i64::try_from(n).ok()), |n| json!(n));
                json!({ "type": "integer", "minimum": number(min), "maximum": number(max) })
            }
            Type::F32 | Type::F64 => {
                json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
            }
            Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            Type::String => json!({ "type": "string" }),
            Type::List(item) => {
                let list = json!({ "type": "array", "items": self.argument(item) });
                match **item {
                    // Any list of numbers accepts bytes.
                    Type::Int(_) | Type::F32 | Type::F64 => {
                        let base64 = json!({ "description": "`!!binary` with base64.", "type": "string" });
                        json!({ "anyOf": [list, base64] })
                    }
                    _ => list,
                }
            }
            Type::Tuple(items) => {
                let count = items.len();
                let items: Vec<_> = items.iter().map(|item| self.argument(item)).collect();
                let mut tuple = json!({ "type": "array", "minItems": count, "maxItems": count });
                if count > 0 {
                    tuple["items"] = Value::Array(items);
                }
                tuple
            }
            // Its schema contains the inner one twice, so the inner one becomes a definition.
            Type::Option(inner) if matches!(**inner, Type::Option(_)) => {
                self.define("option", ty, |this| this.option(inner))
            }
            Type::Option(inner) => self.option(inner),
            Type::Result(ok, err) => {
                let sides = [("ok", ok.as_deref()), ("err", err.as_deref())];
                self.cases(sides.into_iter())
            }
            Type::Record(named) => self.define(&named.name, ty, |this| {
                this.record(named.members.iter().map(|(name, ty)| (name.as_str(), ty)))
            }),
            Type::Variant(named) => self.define(&named.name, ty, |this| {
                this.cases(named.members.iter().map(|(name, payload)| (name.as_str(), payload.as_ref())))
            }),
            Type::Enum(named) => self.define(&named.name, ty, |_| names(named.names())),
            Type::Flags(named) => {
                self.define(&named.name, ty, |_| json!({ "type": "array", "items": names(named.names()) }))
            }
            Type::Unsupported(_) => json!(false),
        }
    }

    fn option(&mut self, inner: &Type) -> Value {
        let value = self.literal(inner);
        let mut any = vec![json!({ "type": "null" }), value.clone()];
        if matches!(inner, Type::Option(_)) {
            let some = self.or_what_stands_for(value);
            any.push(object(json!({ "some": some }), &["some"]));
        }
        json!({ "anyOf": any })
    }

    /// Returns the schema of a mapping with these keys, in kebab or snake case. Keys of an option
    /// type may be left out.
    pub(super) fn record<'t>(&mut self, members: impl Iterator<Item = (&'t str, &'t Type)>) -> Value {
        let (mut properties, mut patterns, mut required) = (Map::new(), Map::new(), Vec::new());
        for (name, ty) in members {
            let mut property = self.argument(ty);
            property["description"] = json!(format!("{name}: {ty}"));
            if name.contains('-') {
                patterns.insert(spellings(name), property.clone());
            }
            properties.insert(name.to_owned(), property);
            if !matches!(ty, Type::Option(_)) {
                required.push(present(name));
            }
        }
        let mut record = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !patterns.is_empty() {
            record["patternProperties"] = Value::Object(patterns);
        }
        require(&mut record, required);
        record
    }

    /// Returns the schema of a variant: the name of a case that carries nothing, or a mapping from
    /// the case to what it carries.
    fn cases<'t>(&mut self, cases: impl Iterator<Item = (&'t str, Option<&'t Type>)>) -> Value {
        let mut any = Vec::new();
        for (name, payload) in cases {
            let key = if name.contains('-') { spellings(name) } else { format!("^{name}$") };
            let carried = match payload {
                Some(ty) => self.argument(ty),
                None => {
                    any.push(one_of_spellings(name));
                    json!({ "type": "null" })
                }
            };
            let mut case = json!({
                "type": "object", "patternProperties": { key: carried },
                "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
            });
            if let Some(ty) = payload {
                case["properties"] = json!({ name: { "description": format!("{name}: {ty}") } });
            }
            any.push(case);
        }
        json!({ "anyOf": any })
    }

    /// Defines a named type once, and returns a reference to it. Different types of the same name
    /// get different numbers.
    fn define(&mut self, name: &str, ty: &Type, make: impl FnOnce(&mut Self) -> Value) -> Value {
        let namesakes = self.known.entry(name.to_owned()).or_default();
        // Equal types may come from two plugins. Only the newest few of the same name are compared;
        // beyond those, equal types are defined again.
        let known = namesakes.iter().rev().take(NAMESAKES).find(|(_, known)| known == ty).map(|(key, _)| key.clone());
        if let Some(key) = known {
            return json!({ "$ref": format!("#/definitions/{key}") });
        }
        let taken = namesakes.len();
        let key = if taken == 0 { format!("type:{name}") } else { format!("type:{name}:{}", taken + 1) };
        namesakes.push((key.clone(), ty.clone()));
        let made = make(self);
        self.made.insert(key.clone(), made);
        json!({ "$ref": format!("#/definitions/{key}") })
    }
}

/// Requires these keys, each in any of its spellings.
pub(super) fn require(object: &mut Value, present: Vec<Present>) {
    let (plain, spelled): (Vec<_>, Vec<_>) = present.into_iter().partition(|present| matches!(present, Present::As(_)));
    if !plain.is_empty() {
        object["required"] = plain.into_iter().map(Present::schema).collect();
    }
    if !spelled.is_empty() {
        object["allOf"] = spelled.into_iter().map(Present::schema).collect();
    }
}

/// A key that must be there.
pub(super) enum Present {
    /// In its only spelling.
    As(String),
    /// In one of several spellings.
    AnyOf(Value),
}

impl Present {
    fn schema(self) -> Value {
        match self {
            Self::As(name) => json!(name),
            Self::AnyOf(schema) => schema,
        }
    }
}

/// Returns the requirement that a key is present in any of its spellings.
pub(super) fn present(name: &str) -> Present {
    if !name.contains('-') {
        return Present::As(name.to_owned());
    }
    let mut any = vec![json!({ "required": [name] }), json!({ "required": [name.replace('-', "_")] })];
    if name.matches('-').count() > 1 {
        any.push(json!({ "not": { "propertyNames": { "not": { "pattern": spellings(name) } } } }));
    }
    Present::AnyOf(json!({ "anyOf": any }))
}

/// Returns a pattern for a name in kebab and snake case.
pub(super) fn spellings(name: &str) -> String {
    format!("^{}$", name.replace('-', "[-_]"))
}

fn one_of_spellings(name: &str) -> Value {
    if name.contains('-') {
        json!({ "anyOf": [{ "const": name }, { "type": "string", "pattern": spellings(name) }] })
    } else {
        json!({ "const": name })
    }
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> Value {
    let names: Vec<_> = names.collect();
    if !names.iter().any(|name| name.contains('-')) {
        return json!({ "enum": names });
    }
    let patterns = names.iter().filter(|name| name.contains('-'));
    let patterns = patterns.map(|name| json!({ "type": "string", "pattern": spellings(name) }));
    json!({ "anyOf": std::iter::once(json!({ "enum": names })).chain(patterns).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_of_nested_options_grows_with_their_depth() {
        let ty = (0..90).fold(Type::Bool, |ty, _| Type::Option(std::sync::Arc::new(ty)));
        let mut definitions = Definitions::default();
        definitions.argument(&ty);
        assert!(json!(definitions.finish()).to_string().len() < 90 * 1_000);
    }
}
