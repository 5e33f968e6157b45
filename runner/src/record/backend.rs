//! Opens the store that a URL names.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::memory::MemoryStorage;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;

use crate::lock::lock;
use crate::record::sqlite;
use crate::record::sqlite::SqliteStorage;
use crate::record::sqlite::leases;
use crate::record::url::StoreFile;
use crate::record::url::StoreUrl;
use crate::say::Say;

/// A store that is opened at its first use.
pub struct Store {
    url: StoreUrl,
    clock: Arc<dyn Clock>,
    warn: Say,
    opened: Mutex<Option<Arc<dyn Storage>>>,
}

impl Store {
    /// Creates the store of a URL, without opening it.
    pub fn new(url: StoreUrl, clock: Arc<dyn Clock>, warn: Say) -> Self {
        Self { url, clock, warn, opened: Mutex::default() }
    }

    /// Returns whether the store exists. A store in memory exists as soon as somebody wants it.
    pub fn is_there(&self) -> bool {
        match &self.url {
            StoreUrl::Sqlite(file) => file.path.exists(),
            StoreUrl::Memory => true,
        }
    }

    /// Merges into the file what a killed process has left beside it, if it has left anything.
    /// Errors are ignored here: whoever uses the store gets them.
    pub fn take_log_in(&self) {
        let StoreUrl::Sqlite(file) = &self.url else { return };
        if file.beside("-wal").metadata().is_ok_and(|log| log.len() > 0) {
            let _ = self.storage(false);
        }
    }

    /// Returns the store. If it is missing, it is created if `create` is set; otherwise an empty
    /// store in memory is returned.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened, is not a store, or has a newer version.
    pub fn storage(&self, create: bool) -> Result<Arc<dyn Storage>> {
        let mut opened = lock(&self.opened);
        if let Some(storage) = &*opened {
            return Ok(Arc::clone(storage));
        }
        let storage = from_url(&self.url, create, Arc::clone(&self.clock), Arc::clone(&self.warn))?;
        // A stand-in for a missing store is not kept, because a later use may create the store.
        let stands_in = matches!(&self.url, StoreUrl::Sqlite(file) if !file.path.exists());
        if !stands_in {
            *opened = Some(Arc::clone(&storage));
        }
        Ok(storage)
    }
}

/// Opens a store. If it is missing, it is created if `create` is set; otherwise an empty store in
/// memory is returned.
///
/// # Errors
///
/// Returns an error if the file cannot be opened, is not a store, or has a newer version.
pub fn from_url(url: &StoreUrl, create: bool, clock: Arc<dyn Clock>, warn: Say) -> Result<Arc<dyn Storage>> {
    match url {
        StoreUrl::Memory => Ok(Arc::new(MemoryStorage::new(clock))),
        StoreUrl::Sqlite(file) if create || file.path.exists() => {
            sound_name(file)?;
            sqlite::refuse_stale_log(file)?;
            let (path, teller) = (&file.path, Arc::clone(&warn));
            let opened = SqliteStorage::open(path, Arc::clone(&clock), warn);
            let opened = match opened.and_then(|storage| storage.version().map(|version| (storage, version))) {
                Ok((storage, version)) => {
                    may_open(file, create, version)?;
                    storage.install().map(|()| {
                        // Ends that cannot be written now stay kept.
                        let _ = storage.write_kept_ends();
                        storage.take_log_in();
                        storage
                    })
                }
                Err(error) => Err(error),
            };
            match opened {
                // The part that can still be read shows better why it cannot be opened.
                Err(error) if file.path.is_file() => {
                    may_open(file, create, sqlite::version(&file.shown, &teller)?)?;
                    let unwritable = if create { None } else { SqliteStorage::open_unwritable(path, clock, &teller)? };
                    Ok(Arc::new(unwritable.ok_or(error)?))
                }
                opened => Ok(Arc::new(opened?)),
            }
        }
        StoreUrl::Sqlite(file) if file.shown.is_symlink() => {
            Err(StorageError::Backend(format!("the store `{}` is a link to a missing file", file.shown.display())))
        }
        StoreUrl::Sqlite(_) => Ok(Arc::new(MemoryStorage::new(clock))),
    }
}

/// Checks the name of a store's file. A folder in its place would otherwise be reported as missing.
/// A second hard link would have its own log and owners, which corrupts the store.
fn sound_name(file: &StoreFile) -> Result<()> {
    let path = file.shown.display();
    match file.path.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(StorageError::Backend(format!(
            "the store `{path}` is a folder: name a file, `sqlite:{path}/jobcontrol.db`"
        ))),
        Ok(metadata) if metadata.nlink() > 1 => Err(StorageError::Backend(format!(
            "the store `{path}` has {} names (hard links), and writing under one of them could corrupt it for the \
             others: keep one of them, or make the others symbolic links",
            metadata.nlink()
        ))),
        _ => Ok(()),
    }
}

/// Checks the version of a store. An older store is changed only by a caller that writes to it, and
/// not while an older program uses it.
fn may_open(file: &StoreFile, create: bool, version: i64) -> Result<()> {
    let path = &file.shown;
    if version == 0 || version == sqlite::VERSION {
        return Ok(());
    }
    let is = format!("the store `{}` has version {version}, this program needs {}", path.display(), sqlite::VERSION);
    if !create {
        let help = "`jobcontrol store migrate` upgrades it, with a backup first; so does the next `run`";
        return Err(StorageError::Backend(format!("{is}: {help}")));
    }
    match leases::living(&file.path).first() {
        Some(name) => {
            let why = format!("process {name} is running builds in it; wait until that has ended");
            Err(StorageError::Backend(format!("{is}, and {why}")))
        }
        None => Ok(()),
    }
}

/// Puts a copy of `file` in the place of a store. Returns where the previous store is kept.
///
/// # Errors
///
/// Returns an error if the store is in use or is not a file. Also returns one if `file` is damaged,
/// from another program or of a newer version, or if the disk fails.
pub fn restore(url: &StoreUrl, file: &Path, warn: &Say) -> Result<Option<PathBuf>> {
    let StoreUrl::Sqlite(store) = url else {
        return Err(StorageError::Refused("a store in memory cannot be restored from a file".to_owned()));
    };
    if let Some(name) = leases::living(&store.path).first() {
        let message =
            format!("the store `{}` is in use by process {name}; nothing was replaced", store.shown.display());
        return Err(StorageError::Refused(message));
    }
    Ok(sqlite::restore(&store.path, file, warn)?.map(|kept| store.show(&kept)))
}
