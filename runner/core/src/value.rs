//! A value of any WIT type, neutral of language and engine; stored as MessagePack, shown as JSON or YAML.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;
use serde::ser::SerializeMap;
use serde::ser::SerializeSeq;
use serde_saphyr::SingleQuoted;
use serde_saphyr::Tagged;
use sha2::Digest;
use sha2::Sha256;

use crate::packed_size;

/// Largest integer that every JSON reader keeps exactly: 2^53.
pub(crate) const JSON_EXACT: u128 = 1 << 53;

/// How deep values may nest, so that no walk over one can exhaust the stack.
pub const MAX_DEPTH: usize = 128;

/// Room that is made for a list or a mapping before it is read, by the length that stored bytes claim: of short ones there
/// may be millions, and a long one may not be there.
const AT_ONCE: usize = 64;

/// The key that stands for a reference inside a stored build config.
pub const RETVAL_KEY: &str = "!retval";

/// A self-describing value. DESIGN: what each WIT type becomes is a table in the README.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `none`, or the payload of a case without one.
    Null,
    /// `bool`.
    Bool(bool),
    /// Any integer from -2^63 to 2^64 - 1.
    Int(i128),
    /// `f32` and `f64`.
    Float(f64),
    /// `string`, `char`, an enum's case, a variant's case without payload.
    String(String),
    /// `list<u8>`.
    Bytes(Vec<u8>),
    /// `list`, `tuple`, `flags`.
    List(Vec<Self>),
    /// `record`, in declared order; a variant's case with its payload; `result` as `ok` or `err`.
    Map(Vec<(String, Self)>),
}

impl Value {
    /// A string value.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// A map with one entry, as variants and results are written.
    pub fn entry(key: impl Into<String>, value: Self) -> Self {
        Self::Map(vec![(key.into(), value)])
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if this is a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The strings among the items.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &str> {
        self.items().iter().filter_map(Self::as_str)
    }

    /// The entries, if this is a map; none of anything else.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// What a person would call the kind of this value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number with a fraction",
            Self::String(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(i) => serialize_int(*i, serializer),
            Self::Float(x) => serializer.serialize_f64(*x),
            Self::String(s) => serializer.serialize_str(s),
            Self::Bytes(b) => serializer.serialize_bytes(b),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(k, v)| (k, v))),
        }
    }
}

fn serialize_int<S: Serializer>(int: i128, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(small) = i64::try_from(int) {
        serializer.serialize_i64(small)
    } else {
        let large =
            u64::try_from(int).map_err(|_| serde::ser::Error::custom("an integer is below -2^63 or above 2^64 - 1"))?;
        serializer.serialize_u64(large)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> de::Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Int(i.into()))
    }

    fn visit_u64<E>(self, i: u64) -> Result<Value, E> {
        Ok(Value::Int(i.into()))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float(x))
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }

    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::String(s))
    }

    fn visit_bytes<E>(self, b: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(b.to_vec()))
    }

    fn visit_byte_buf<E>(self, b: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(b))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(AT_ONCE));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(AT_ONCE));
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}

/// Packs a value as MessagePack.
///
/// # Errors
///
/// An integer out of the 64-bit ranges, or nesting deeper than [`MAX_DEPTH`].
pub fn pack(value: &Value) -> Result<Vec<u8>, PackError> {
    if depth_exceeds(value, MAX_DEPTH) {
        return Err(PackError(format!("the value nests deeper than {MAX_DEPTH} levels")));
    }
    let mut packed = Vec::with_capacity(usize::try_from(packed_size::of(value)).unwrap_or(0));
    rmp_serde::encode::write(&mut packed, value).map_err(|e| PackError(e.to_string()))?;
    Ok(packed)
}

/// Reads a value from MessagePack.
///
/// # Errors
///
/// Bytes that are not one whole MessagePack value.
pub fn unpack(bytes: &[u8]) -> Result<Value, PackError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(2 * MAX_DEPTH);
    let value = Value::deserialize(&mut reader).map_err(|e| PackError(e.to_string()))?;
    // Any type would do: at the end there is nothing to read it from.
    match bool::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(PackError("more bytes follow the value".to_owned())),
    }
}

/// SHA-256 in hexadecimal, by which return values and plugins are told apart.
pub fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn depth_exceeds(value: &Value, left: usize) -> bool {
    match value {
        Value::List(items) => left == 0 || items.iter().any(|v| depth_exceeds(v, left - 1)),
        Value::Map(entries) => left == 0 || entries.iter().any(|(_, v)| depth_exceeds(v, left - 1)),
        _ => false,
    }
}

/// A value could not be packed or unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackError(pub String);

/// A value as JSON shows it: integers beyond 2^53 and non-finite floats as strings, bytes as base64.
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

/// A value as a manifest would have it: references by their tag, bytes as `!!binary`.
pub struct Yaml<'a>(pub &'a Value);

impl Serialize for Yaml<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::List(items) => serializer.collect_seq(items.iter().map(Self)),
            Value::Map(entries) => match entries.as_slice() {
                [(key, Value::String(job))] if key == RETVAL_KEY => {
                    Tagged(job, Some(RETVAL_KEY.to_owned())).serialize(serializer)
                }
                entries => serializer.collect_map(entries.iter().map(|(key, value)| (key, Self(value)))),
            },
            // In single quotes a manifest fills no variables in.
            Value::String(text) if text.contains("${") => SingleQuoted(text).serialize(serializer),
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|i| Value::Int(i.into())),
            any::<u64>().prop_map(|i| Value::Int(i.into())),
            any::<f64>().prop_filter("NaN is not equal to itself", |x| !x.is_nan()).prop_map(Value::Float),
            any::<String>().prop_map(Value::String),
            any::<Vec<u8>>().prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn messagepack_gives_back_what_it_took(value in any_value()) {
            prop_assert_eq!(unpack(&pack(&value).unwrap()).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_unpack_panic(bytes in any::<Vec<u8>>()) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn what_nests_too_deep_is_refused_and_not_fatal() {
        let mut value = Value::Null;
        for _ in 0..=MAX_DEPTH {
            value = Value::List(vec![value]);
        }
        assert!(pack(&value).is_err());
        assert!(unpack(&[0x91; 100_000]).is_err());
    }

    #[test]
    fn an_integer_out_of_range_is_refused() {
        assert!(pack(&Value::Int(i128::from(u64::MAX) + 1)).is_err());
        assert!(pack(&Value::Int(i128::from(i64::MIN) - 1)).is_err());
    }
}
