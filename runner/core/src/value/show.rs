//! Values as shown to people: as JSON, and as YAML.

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;
use serde::ser::SerializeSeq;
use serde_saphyr::SingleQuoted;
use serde_saphyr::Tagged;

use super::data::Value;
use super::data::as_tag;

/// Largest integer that every JSON reader keeps exactly: 2^53.
pub(crate) const JSON_EXACT: u128 = 1 << 53;

/// Serializes a value as JSON: integers beyond 2^53 and non-finite floats become strings, bytes
/// become base64.
pub struct Json<'a>(pub &'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Int(i) if i.unsigned_abs() > JSON_EXACT => serializer.collect_str(i),
            Value::Float(x) if x.is_nan() => serializer.serialize_str("NaN"),
            Value::Float(x) if x.is_infinite() => {
                serializer.serialize_str(if *x > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Value::Bytes(b) => serializer.serialize_str(&data_encoding::BASE64.encode(b)),
            Value::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Self(item))?;
                }
                seq.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Self(value))?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// Serializes a value as in a manifest: references with their tag, bytes as `!!binary`.
pub struct Yaml<'a>(pub &'a Value);

impl Serialize for Yaml<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::List(items) => serializer.collect_seq(items.iter().map(Self)),
            Value::Map(entries) => match as_tag(entries) {
                Some((tag, text)) => Tagged(text, Some(tag.to_owned())).serialize(serializer),
                None => serializer.collect_map(entries.iter().map(|(key, value)| (key, Self(value)))),
            },
            // A manifest does not fill in variables inside single quotes.
            Value::String(text) if text.contains("${") => SingleQuoted(text).serialize(serializer),
            other => other.serialize(serializer),
        }
    }
}
