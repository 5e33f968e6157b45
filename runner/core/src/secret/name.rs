//! What a secret is called.

/// Longest name of a secret, in bytes: it stands wherever the value would have stood.
const MAX_NAME: usize = 64;

/// Whether a text can be the name of a secret: that of a variable, at most 64 bytes.
pub fn valid_name(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    letters && !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with(|c: char| c.is_ascii_digit())
}
