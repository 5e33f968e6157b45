//! Names of fields.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

/// The key of an entry in a map. Clones share the text, so that all records of a type share one
/// copy of its names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

impl From<&Name> for String {
    fn from(name: &Name) -> Self {
        name.as_str().to_owned()
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Name> for str {
    fn eq(&self, other: &Name) -> bool {
        other == self
    }
}

impl PartialEq<Name> for &str {
    fn eq(&self, other: &Name) -> bool {
        other == self
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        other == self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// A cache of names, so that equal names share their text. Names that look alike share one slot,
/// which holds the latest of them.
#[derive(Default)]
pub(super) struct Names(Vec<Option<Name>>);

impl Names {
    /// Maximum number of cached names.
    const PLACES: usize = 256;

    fn find(&mut self, text: &str) -> Name {
        let look = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
        let (first, last) = (look(text.as_bytes().first()), look(text.as_bytes().last()));
        if self.0.is_empty() {
            self.0.resize(Self::PLACES, None);
        }
        let place = &mut self.0[(31 * (31 * first + last) + text.len()) % Self::PLACES];
        match place {
            Some(name) if *name == text => name.clone(),
            place => place.insert(text.into()).clone(),
        }
    }
}

impl<'de> de::DeserializeSeed<'de> for &mut Names {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for &mut Names {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Name, E> {
        Ok(self.find(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_share_their_text() {
        let mut names = Names::default();
        let [one, other, again] = ["total", "open", "total"].map(|text| names.find(text));
        assert_eq!((&*one, &*other, &*again), ("total", "open", "total"));
        assert!(Arc::ptr_eq(&one.0, &again.0));
        // These names share a slot.
        let [one, other, again] = ["abcd", "accd", "abcd"].map(|text| names.find(text));
        assert_eq!((&*one, &*other, &*again), ("abcd", "accd", "abcd"));
    }
}
