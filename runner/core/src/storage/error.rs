//! What a store could not do.

use std::sync::Arc;

/// What a store could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// There is no such build.
    #[error("there is no build {0}")]
    NotFound(u64),
    /// Another process has taken the build over, or it has ended.
    #[error("build {0} is no longer this process's: it has ended, or another process took it over")]
    Stale(u64),
    /// A build was to be created that uses this one, which is not there, or is being deleted.
    #[error("build {0} cannot be used: it is gone, or being deleted")]
    NoPin(u64),
    /// A build was to be created of a plugin, by this digest, whose bytes are not kept, or no
    /// longer.
    #[error("the store does not keep the plugin sha256:{0}")]
    NoPlugin(Arc<str>),
    /// A build was to be created that another run makes at the same time: this one.
    #[error("build {0} is the same, and another run makes it")]
    Same(u64),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(u64),
    /// There is no such token.
    #[error("there is no token {0}")]
    NoToken(u64),
    /// An attempt was to start whose pool has no room for it now.
    #[error("{0}")]
    PoolFull(PoolFull),
    /// A value that the store does not take.
    #[error("{0}")]
    Refused(String),
    /// The store itself: its file, its disk, its schema.
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
    /// How many of its slots are used.
    pub used: u64,
    /// How many it has.
    pub size: u32,
    /// The builds that use them, in the order of their ids.
    pub builds: Vec<u64>,
}

fn listed(builds: &[u64]) -> String {
    /// More are counted and not named.
    const NAMED: usize = 5;
    let named: Vec<_> = builds.iter().take(NAMED).map(u64::to_string).collect();
    let (what, more) = (if builds.len() == 1 { "build" } else { "builds" }, builds.len() - named.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{what} {}{more}", named.join(", "))
}
