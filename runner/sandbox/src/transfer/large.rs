//! Finds values that take so long to move that other guests must not wait for them.

use std::ops::Deref;

use jobcontrol_core::held_size;
use jobcontrol_core::packed_size;
use jobcontrol_core::value::Value;

use crate::apart::apart_if;

/// The encoded size of a value, in bytes, from which on it is large. A value of this size takes
/// about a millisecond to write or to read, a fifth of the time after which a guest yields.
pub(super) const LARGE: u64 = 256 << 10;

/// Values with a note whether they are large together. Large values are dropped apart from other
/// guests, because dropping them takes as long as making them.
pub(crate) struct Values {
    values: Vec<Value>,
    large: bool,
}

impl Values {
    /// Reads no more of the values than it takes to know whether they are large.
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self { large: is_large(&values), values }
    }

    /// Returns whether moving them takes long.
    pub(crate) fn are_large(&self) -> bool {
        self.large
    }

    /// Returns the encoded size of all values in bytes.
    pub(crate) fn size(&self) -> u64 {
        apart_if(self.large, || self.values.iter().map(packed_size::of).sum())
    }

    /// Returns the bytes of host memory that all values take.
    pub(crate) fn held(&self) -> u64 {
        apart_if(self.large, || self.values.iter().map(held_size::of).sum())
    }
}

impl Deref for Values {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        apart_if(self.large, || drop(values));
    }
}

fn is_large(values: &[Value]) -> bool {
    let mut left = LARGE;
    values.iter().any(|value| !fits(value, &mut left))
}

/// Subtracts the bytes of a value from those that are left; returns false once there are not
/// enough.
fn fits(value: &Value, left: &mut u64) -> bool {
    let own = match value {
        Value::List(items) => packed_size::sequence(items.len()),
        Value::Map(entries) => packed_size::sequence(entries.len()),
        value => packed_size::of(value),
    };
    let Some(rest) = left.checked_sub(own) else {
        return false;
    };
    *left = rest;
    match value {
        // Each item has at least one byte, so a long list need not be read.
        Value::List(items) => items.len() as u64 <= *left && items.iter().all(|item| fits(item, left)),
        Value::Map(entries) => entries.iter().all(|(key, value)| {
            let key = packed_size::string(key.len());
            *left >= key && {
                *left -= key;
                fits(value, left)
            }
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_large_from_their_encoded_bytes_on() {
        let bytes = |len: u64| Value::Bytes(vec![0; usize::try_from(len).unwrap()]);
        let string = |len: u64| Value::string("x".repeat(usize::try_from(len).unwrap()));
        let list = |len: u64| Value::List(vec![Value::Int(0); usize::try_from(len).unwrap()]);
        for make in [&bytes as &dyn Fn(u64) -> Value, &string, &list] {
            let marker = packed_size::of(&make(LARGE)) - LARGE;
            assert!(!is_large(&[make(LARGE - marker)]));
            assert!(is_large(&[make(LARGE - marker + 1)]));
            assert!(!is_large(&[make(LARGE / 2 - marker), make(LARGE / 2 - marker)]));
            assert!(is_large(&[make(LARGE / 2), make(LARGE / 2)]));
        }
        let map = |len: u64| Value::entry("key", bytes(len));
        let marker = packed_size::of(&map(LARGE)) - LARGE;
        assert!(!is_large(&[map(LARGE - marker)]) && is_large(&[map(LARGE - marker + 1)]));
        assert!(!is_large(&[]));
    }
}
