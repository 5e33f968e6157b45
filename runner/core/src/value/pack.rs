//! Encodes values as MessagePack for the store.

use serde::Deserialize;
use sha2::Digest;
use sha2::Sha256;

use crate::packed_size;

use super::data::Value;

/// Maximum nesting depth of values, so that no walk over one can exhaust the stack.
pub const MAX_DEPTH: usize = 128;

/// Packs a value as MessagePack.
///
/// # Errors
///
/// Returns an error if an integer is outside the 64-bit ranges, or if the value nests deeper than
/// [`MAX_DEPTH`].
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
/// Returns an error if the bytes are not exactly one MessagePack value.
pub fn unpack(bytes: &[u8]) -> Result<Value, PackError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(2 * MAX_DEPTH);
    let value = Value::deserialize(&mut reader).map_err(|e| PackError(e.to_string()))?;
    // The type does not matter: at the end there is nothing left to read.
    match bool::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(PackError("more bytes follow the value".to_owned())),
    }
}

/// Returns the SHA-256 in hexadecimal, which identifies return values and plugins.
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

/// The error for a value that cannot be packed or unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackError(pub String);

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
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(Value::map),
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

    #[track_caller]
    fn as_packed(value: &Value) {
        assert_eq!(packed_size::of(value), pack(value).unwrap().len() as u64, "{value:?}");
    }

    #[test]
    fn every_border_of_a_length() {
        for border in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            for len in [border, border + 1] {
                as_packed(&Value::Bytes(vec![0; len]));
                as_packed(&Value::string("x".repeat(len)));
                as_packed(&Value::List(vec![Value::Null; len]));
                as_packed(&Value::map(vec![("key", Value::Bool(true)); len]));
            }
        }
    }

    #[test]
    fn every_border_of_an_integer() {
        for bits in 0..64 {
            let power = 1_i128 << bits;
            for int in [power - 1, power, -power, -power - 1] {
                if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&int) {
                    as_packed(&Value::Int(int));
                }
            }
        }
        as_packed(&Value::Int(u64::MAX.into()));
    }

    proptest! {
        #[test]
        fn any_number(int in any::<i64>(), float in any::<f64>()) {
            as_packed(&Value::Int(int.into()));
            as_packed(&Value::Float(float));
        }
    }
}
