//! Names of secrets.

/// Longest name of a secret, in bytes: it replaces the value wherever the value would appear.
const MAX_NAME: usize = 64;

/// Returns whether a text can be the name of a secret: a variable name of at most 64 bytes.
pub fn valid_name(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    letters && !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with(|c: char| c.is_ascii_digit())
}
