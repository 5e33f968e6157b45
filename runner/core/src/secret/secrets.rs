//! The values of an attempt's secrets.

use std::fmt;
use std::sync::Arc;

use super::redactor::Redactor;

/// The values of an attempt's secrets, by name. They are never displayed.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: Vec<(String, Vec<u8>)>,
    redactor: Redactor,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.values.iter().map(|(name, _)| name)).finish()
    }
}

impl Secrets {
    /// Creates the secrets from values of at least [`SHORTEST`](super::SHORTEST) bytes each.
    pub fn new(values: Vec<(String, Vec<u8>)>) -> Self {
        let redactor = Redactor::new(values.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        Self(Arc::new(Inner { values, redactor }))
    }

    /// Returns whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.0.values.is_empty()
    }

    /// Returns the value of a secret.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// Returns all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.values.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Returns the redactor that removes them from texts.
    pub fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_shown() {
        let secrets = Secrets::new(vec![("TOKEN".to_owned(), b"hunter2-hunter2".to_vec())]);
        assert_eq!(format!("{secrets:?}"), "[\"TOKEN\"]");
        assert_eq!((secrets.get("TOKEN"), secrets.get("OTHER")), (Some(&b"hunter2-hunter2"[..]), None));
    }
}
