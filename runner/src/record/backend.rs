//! Which store a URL names, and opening it.

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
    /// The store of a URL, not yet opened.
    pub fn new(url: StoreUrl, clock: Arc<dyn Clock>, warn: Say) -> Self {
        Self { url, clock, warn, opened: Mutex::default() }
    }

    /// Whether there is one. A store in memory is there as soon as somebody wants it.
    pub fn is_there(&self) -> bool {
        match &self.url {
            StoreUrl::Sqlite(file) => file.path.exists(),
            StoreUrl::Memory => true,
        }
    }

    /// Takes into the file what a killed process has left beside it, if it has left anything; what
    /// goes wrong is told to who uses the store.
    pub fn take_log_in(&self) {
        let StoreUrl::Sqlite(file) = &self.url else { return };
        if file.beside("-wal").metadata().is_ok_and(|log| log.len() > 0) {
            let _ = self.storage(false);
        }
    }

    /// The store; made if it is missing and `create` is set, and empty in memory if not.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened, is no store, or is one of a newer version.
    pub fn storage(&self, create: bool) -> Result<Arc<dyn Storage>> {
        let mut opened = lock(&self.opened);
        if let Some(storage) = &*opened {
            return Ok(Arc::clone(storage));
        }
        let storage = from_url(&self.url, create, Arc::clone(&self.clock), Arc::clone(&self.warn))?;
        // What stands in for a store that is not there is not kept: a later use may make it.
        let stands_in = matches!(&self.url, StoreUrl::Sqlite(file) if !file.path.exists());
        if !stands_in {
            *opened = Some(Arc::clone(&storage));
        }
        Ok(storage)
    }
}

/// Opens a store. One that is not there yet is made if `create` is set, and is empty in memory
/// otherwise.
///
/// # Errors
///
/// A file that cannot be opened, is no store, or is one of a newer version.
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
                        // What cannot be written now stays kept.
                        let _ = storage.write_kept_ends();
                        storage.take_log_in();
                        storage
                    })
                }
                Err(error) => Err(error),
            };
            match opened {
                // What can be read of it all the same says more of why it cannot be opened.
                Err(error) if file.path.is_file() => {
                    may_open(file, create, sqlite::version(&file.shown, &teller)?)?;
                    let unwritable = if create { None } else { SqliteStorage::open_unwritable(path, clock, &teller)? };
                    Ok(Arc::new(unwritable.ok_or(error)?))
                }
                opened => Ok(Arc::new(opened?)),
            }
        }
        StoreUrl::Sqlite(file) if file.shown.is_symlink() => {
            Err(StorageError::Backend(format!("the store `{}` is a link to nowhere", file.shown.display())))
        }
        StoreUrl::Sqlite(_) => Ok(Arc::new(MemoryStorage::new(clock))),
    }
}

/// A folder in the place of the file would be told as one that is missing. A second hard link would
/// have a log and owners of its own, which spoils the store.
fn sound_name(file: &StoreFile) -> Result<()> {
    let path = file.shown.display();
    match file.path.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(StorageError::Backend(format!(
            "the store `{path}` is a folder: name a file, `sqlite:{path}/jobcontrol.db`"
        ))),
        Ok(metadata) if metadata.nlink() > 1 => Err(StorageError::Backend(format!(
            "the store `{path}` has {} names (hard links), and what is written under one of them could spoil it for the \
             others: keep one of them, or make the other a symbolic link",
            metadata.nlink()
        ))),
        _ => Ok(()),
    }
}

/// A store of an older version is changed only by who writes to it, and not under the hands of an
/// older program.
fn may_open(file: &StoreFile, create: bool, version: i64) -> Result<()> {
    let path = &file.shown;
    if version == 0 || version == sqlite::VERSION {
        return Ok(());
    }
    let is = format!("the store `{}` is of version {version}, this program's is {}", path.display(), sqlite::VERSION);
    if !create {
        let help = "`jobcontrol store migrate` brings it there, with a backup first; so does the next `run`";
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

/// Puts a copy of `file` in the place of a store; answers where the one that was there is kept.
///
/// # Errors
///
/// A store that is in use or is no file; a file that is damaged, of another program or of a newer
/// version; the disk.
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
