//! YAML as an editor hands it to its validator: JSON, in which a scalar with a tag of ours is a
//! text.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use serde_saphyr::Tagged;

/// Reads a manifest; none if it is not YAML.
pub fn read(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! { strict_booleans: true, ignore_binary_tag_for_string: true };
    serde_saphyr::from_str_with_options::<Item>(text, options).ok().map(|item| item.0)
}

struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json(Value::Null))
    }

    fn visit_bool<E>(self, b: bool) -> Result<Json, E> {
        Ok(Json(json!(b)))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Json, E> {
        Ok(Json(json!(i)))
    }

    fn visit_u64<E>(self, i: u64) -> Result<Json, E> {
        Ok(Json(json!(i)))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Json, E> {
        Ok(Json(json!(x)))
    }

    fn visit_str<E>(self, s: &str) -> Result<Json, E> {
        Ok(Json(json!(s)))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Item>()? {
            items.push(item.0);
        }
        Ok(Json(Value::Array(items)))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Map::new();
        while let Some((key, item)) = map.next_entry::<String, Item>()? {
            entries.insert(key, item.0);
        }
        Ok(Json(Value::Object(entries)))
    }
}

/// A value within another; a tagged scalar is the text that it holds.
struct Item(Value);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged(Json(value), tag) = Tagged::deserialize(deserializer)?;
        let ours = tag.is_some_and(|tag| tag.starts_with('!'));
        Ok(Self(match value {
            scalar @ (Value::Bool(_) | Value::Number(_)) if ours => json!(scalar.to_string()),
            value => value,
        }))
    }
}
