//! Events to rows.
//!
//! - `recorder`: what a build does, handed to the store without holding up other builds
//! - `sqlite`: the store in one SQLite file, with `schema` and `rows`; the only place that speaks SQL
//! - `owner`: which processes that run builds are alive

pub mod owner;
pub mod recorder;
pub mod sqlite;

use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::memory::MemoryStorage;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;

use sqlite::SqliteStorage;
use sqlite::Warn;

/// Where builds are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`
    Sqlite(PathBuf),
    /// `memory:`, forgotten at the end of the process.
    Memory,
}

impl StoreUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// Any scheme but these two.
    pub fn parse(url: &str) -> std::result::Result<Self, String> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            Some(("memory", "")) => Ok(Self::Memory),
            _ => Err(format!("`{url}` is no store: write `sqlite:PATH` or `memory:`")),
        }
    }
}

/// Opens a store. One that is not there yet is made if `create` is set, and is empty in memory otherwise.
///
/// # Errors
///
/// A file that cannot be opened, is no store, or is one of a newer version.
pub fn from_url(url: &StoreUrl, create: bool, clock: Arc<dyn Clock>, warn: Warn) -> Result<Arc<dyn Storage>> {
    match url {
        StoreUrl::Memory => Ok(Arc::new(MemoryStorage::new(clock))),
        StoreUrl::Sqlite(path) if create || path.exists() => {
            let storage = SqliteStorage::open(path, clock, warn)?;
            storage.install()?;
            Ok(Arc::new(storage))
        }
        StoreUrl::Sqlite(path) if path.is_symlink() => {
            Err(StorageError::Backend(format!("the store `{}` is a link to nowhere", path.display())))
        }
        StoreUrl::Sqlite(_) => Ok(Arc::new(MemoryStorage::new(clock))),
    }
}
