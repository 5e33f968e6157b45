//! Randomness that only has to keep builds apart.

use std::hash::BuildHasher;
use std::hash::RandomState;

/// Returns a number from 0 up to 1, from the system's randomness.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}
