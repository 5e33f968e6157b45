//! A value of any WIT type, independent of language and engine, and its serialization in any
//! format.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

use super::name::Name;
use super::name::Names;

/// Maximum capacity that is reserved for a list or mapping before it is read. The stored length is
/// not trusted beyond this: there may be millions of short ones, and a claimed long one may not
/// exist.
const AT_ONCE: usize = 64;

/// The key that marks a reference in a stored build config.
pub const RETVAL_KEY: &str = "!retval";

/// The key that marks a secret in a stored build config.
pub const SECRET_KEY: &str = "!secret";

/// Returns the key and the text of a reference or secret in a stored build config, if the entries
/// are one.
pub fn as_tag(entries: &[(Name, Value)]) -> Option<(&'static str, &str)> {
    let [(key, Value::String(text))] = entries else { return None };
    let key = [RETVAL_KEY, SECRET_KEY].into_iter().find(|tag| key == tag)?;
    Some((key, text))
}

/// A self-describing value. DESIGN: the README has a table of what each WIT type becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `none`, or the payload of a case that has no payload.
    Null,
    /// `bool`.
    Bool(bool),
    /// Any integer from -2^63 to 2^64 - 1.
    Int(i128),
    /// `f64`, and `f32` as converted by [`shortest`].
    Float(f64),
    /// `string`, `char`, an enum's case, a variant's case without payload.
    String(String),
    /// `list<u8>`.
    Bytes(Vec<u8>),
    /// `list`, `tuple`, `flags`.
    List(Vec<Self>),
    /// `record`, in declared order; a variant's case with its payload; `result` as `ok` or `err`.
    Map(Vec<(Name, Self)>),
}

impl Value {
    /// Creates a string value.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// Creates a map with one entry, as used for variants and results.
    pub fn entry(key: impl Into<Name>, value: Self) -> Self {
        Self::Map(vec![(key.into(), value)])
    }

    /// Creates a map with these entries, in this order.
    pub fn map<K: Into<Name>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Returns the value under `key`, if this is a map that contains it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Returns the text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items of a list; empty for any other value.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the strings among the items.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &str> {
        self.items().iter().filter_map(Self::as_str)
    }

    /// Returns the entries of a map; empty for any other value.
    pub(crate) fn entries(&self) -> &[(Name, Self)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Describes the value for use in a sentence; a long string is shortened to its beginning.
    pub fn shortened(&self) -> String {
        const SHOWN: usize = 40;
        match self {
            Self::Bool(b) => format!("the boolean {b}"),
            Self::Int(i) => format!("the integer {i}"),
            Self::Float(x) => format!("the number {x:?}"),
            Self::String(text) if text.is_empty() => "an empty string".to_owned(),
            Self::String(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("the string `{}..`", &text[..end]),
                None => format!("the string `{text}`"),
            },
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            other => other.kind().to_owned(),
        }
    }

    /// Returns the kind of this value, in words.
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

/// Up to this number, 2^24, an `f32` represents every whole number, so each needs all its digits.
const F32_WHOLE: f64 = 16_777_216.0;

/// Converts an `f32` to the `f64` with the same shortest decimal form: 0.1 becomes 0.1, not
/// 0.10000000149011612. Rounding the result gives the same `f32` again.
pub fn shortest(x: f32) -> f64 {
    let exact = f64::from(x);
    // Small whole numbers have few digits anyway.
    if !x.is_finite() || exact.fract() == 0.0 && exact.abs() < F32_WHOLE {
        return exact;
    }
    format!("{x:e}").parse().unwrap_or(exact)
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
        deserializer.deserialize_any(ValueVisitor(&mut Names::default()))
    }
}

/// Reads a value. Equal names in its maps share one text.
struct ValueVisitor<'n>(&'n mut Names);

impl<'de> de::DeserializeSeed<'de> for ValueVisitor<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for ValueVisitor<'_> {
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
        while let Some(item) = seq.next_element_seed(ValueVisitor(self.0))? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(AT_ONCE));
        while let Some(key) = map.next_key_seed(&mut *self.0)? {
            entries.push((key, map.next_value_seed(ValueVisitor(self.0))?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_f32_comes_back_from_its_shortest_form(bits in any::<u32>()) {
            let x = f32::from_bits(bits);
            #[expect(clippy::cast_possible_truncation, reason = "it has to be the same number")]
            let again = shortest(x) as f32;
            prop_assert!(again.to_bits() == bits || (x.is_nan() && again.is_nan()), "{x:e} {again:e}");
            if x.is_finite() {
                prop_assert_eq!(format!("{:e}", shortest(x)), format!("{x:e}"));
            }
        }
    }

    #[test]
    fn a_value_in_a_sentence_is_short() {
        assert_eq!(Value::string("x".repeat(50)).shortened(), format!("the string `{}..`", "x".repeat(40)));
        assert_eq!(Value::string("").shortened(), "an empty string");
        assert_eq!(Value::Float(1e300).shortened(), "the number 1e300");
        assert_eq!(Value::List(vec![Value::Null]).shortened(), "a list");
    }
}
