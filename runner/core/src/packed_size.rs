//! Computes the size of a value as MessagePack without packing it. Limits are counted in these
//! bytes.

use crate::value::data::Value;

/// Bytes of a float: its marker and all 64 bits.
pub const FLOAT: u64 = 9;

/// Returns the bytes of a value as `pack` writes it.
pub fn of(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(i) => int(*i),
        Value::Float(_) => FLOAT,
        Value::String(text) => string(text.len()),
        Value::Bytes(data) => bytes(data.len()),
        Value::List(items) => sequence(items.len()) + items.iter().map(of).sum::<u64>(),
        Value::Map(entries) => {
            sequence(entries.len()) + entries.iter().map(|(key, value)| string(key.len()) + of(value)).sum::<u64>()
        }
    }
}

/// Returns the bytes of an integer in the 64-bit ranges.
pub fn int(int: i128) -> u64 {
    match int {
        -32..=127 => 1,
        -128..=255 => 2,
        -32_768..=65_535 => 3,
        -2_147_483_648..=4_294_967_295 => 5,
        _ => 9,
    }
}

/// Returns the bytes of a text of `len` bytes, with its marker.
pub fn string(len: usize) -> u64 {
    len as u64
        + match len {
            0..32 => 1,
            32..256 => 2,
            256..65_536 => 3,
            _ => 5,
        }
}

/// Returns the bytes of a binary of `len` bytes, with its marker.
pub fn bytes(len: usize) -> u64 {
    len as u64
        + match len {
            0..256 => 2,
            256..65_536 => 3,
            _ => 5,
        }
}

/// Returns the bytes of the marker of a list or mapping with `len` entries.
pub fn sequence(len: usize) -> u64 {
    match len {
        0..16 => 1,
        16..65_536 => 3,
        _ => 5,
    }
}
