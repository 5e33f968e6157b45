//! Which attempt a message is about.

use serde::Deserialize;
use serde::Serialize;

/// One attempt of one build. No two attempts of a store have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The build.
    pub build: u64,
    /// Counts from 1.
    pub attempt: u32,
}
