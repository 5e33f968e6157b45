//! Errors of a store.

use std::sync::Arc;

/// Errors of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The build does not exist.
    #[error("there is no build {0}")]
    NotFound(u64),
    /// The build has ended, or another process has taken it over.
    #[error("build {0} no longer belongs to this process: it has ended, or another process took it over")]
    Stale(u64),
    /// A new build was to use this build, which does not exist or is being deleted.
    #[error("build {0} cannot be used: it does not exist, or is being deleted")]
    NoPin(u64),
    /// A new build was to use the plugin with this digest, but the store does not keep its bytes.
    #[error("the store does not keep the plugin sha256:{0}")]
    NoPlugin(Arc<str>),
    /// Another run is already making the same build: this one.
    #[error("build {0} is the same, and another run is making it")]
    Same(u64),
    /// The run does not exist.
    #[error("there is no run {0}")]
    NoRun(u64),
    /// The token does not exist.
    #[error("there is no token {0}")]
    NoToken(u64),
    /// An attempt was to start, but its pool has no room for it now.
    #[error("{0}")]
    PoolFull(PoolFull),
    /// The store does not accept the value.
    #[error("{0}")]
    Refused(String),
    /// The store itself failed: its file, its disk or its schema.
    #[error("{0}")]
    Backend(String),
}

/// The result of a store's method.
pub type Result<T> = std::result::Result<T, StorageError>;

/// A pool that has no room for an attempt now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {name}: {used} of {size} slots used by {}", listed(.builds))]
pub struct PoolFull {
    /// The pool's name.
    pub name: String,
    /// How many of the pool's slots are used.
    pub used: u64,
    /// How many slots the pool has.
    pub size: u32,
    /// The builds that use the slots, in the order of their ids.
    pub builds: Vec<u64>,
}

fn listed(builds: &[u64]) -> String {
    /// Most builds that are named; the others are only counted.
    const NAMED: usize = 5;
    let named: Vec<_> = builds.iter().take(NAMED).map(u64::to_string).collect();
    let (what, more) = (if builds.len() == 1 { "build" } else { "builds" }, builds.len() - named.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{what} {}{more}", named.join(", "))
}
