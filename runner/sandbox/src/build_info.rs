//! What a plugin can learn of the build it runs in.

use std::sync::Arc;

/// What a plugin can learn of the build it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The build.
    pub build_id: u64,
    /// Its job.
    pub job_id: Arc<str>,
    /// 1 for the first try.
    pub attempt: u32,
    /// Tells this store from every other, so that two stores' builds do not share a key.
    pub store_id: Arc<str>,
}

impl BuildInfo {
    /// The same for all tries of one build, and for no other build of any store.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}", self.store_id, self.build_id)
    }
}
