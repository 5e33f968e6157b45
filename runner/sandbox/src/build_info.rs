//! What a plugin can learn about the build that it runs in.

use std::sync::Arc;

/// What a plugin can learn about the build that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The number of the build.
    pub build_id: u64,
    /// The id of its job.
    pub job_id: Arc<str>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Identifies the store, so that builds of two stores never share an idempotency key.
    pub store_id: Arc<str>,
}

impl BuildInfo {
    /// Returns a key that is the same for all attempts of one build, and different for every other
    /// build of any store.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}", self.store_id, self.build_id)
    }
}
