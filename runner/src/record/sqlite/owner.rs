//! Which processes that run builds are alive: each holds the lock of a file for as long as it lives.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::record::url::StoreUrl;

/// How often the folder may vanish before a new owner takes that for more than bad luck.
const TRIES: u32 = 1_000;

/// This process, as the owner of builds. Its lock is free as soon as it is gone, however it went.
#[derive(Debug)]
pub struct Owner {
    /// The name that its builds carry.
    pub name: Arc<str>,
    lock: Option<(PathBuf, File)>,
}

impl Owner {
    /// Takes a name and its lock; `unique` tells this process from all others.
    ///
    /// # Errors
    ///
    /// The folder beside the store cannot be written.
    pub fn take(url: &StoreUrl, unique: &str) -> io::Result<Self> {
        let Some(folder) = folder(url) else {
            return Ok(Self { name: Arc::from(unique), lock: None });
        };
        let path = folder.join(unique);
        let vanishing = |kind| matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists);
        let mut tries = 0;
        let file = loop {
            let made = std::fs::create_dir_all(&folder);
            match made.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path)) {
                // Another owner, the last one out, removes the folder just now.
                Err(e) if vanishing(e.kind()) && !path.exists() && tries < TRIES => tries += 1,
                file => break file?,
            }
        };
        file.lock()?;
        Ok(Self { name: Arc::from(unique), lock: Some((path, file)) })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some((path, file)) = self.lock.take() {
            // Removed while the lock is held: nobody can take a name that is on its way out for a dead owner's.
            let _ = std::fs::remove_file(&path);
            drop(file);
            let _ = path.parent().map(std::fs::remove_dir);
        }
    }
}

/// Whether the owner of that name is alive.
pub fn is_alive(url: &StoreUrl, name: &str) -> bool {
    let Some(folder) = folder(url) else {
        return false;
    };
    // What cannot be looked at may well live: only a file that is gone, or whose lock is free, tells of a death.
    match File::open(folder.join(name)) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(file) => file.try_lock_shared().is_err(),
    }
}

/// The names of all owners that are alive.
pub fn living(url: &StoreUrl) -> Vec<String> {
    let entries = folder(url).and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_alive(url, name)).collect()
}

/// Removes what a dead owner left.
pub fn bury(url: &StoreUrl, name: &str) {
    if let Some(folder) = folder(url) {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

fn folder(url: &StoreUrl) -> Option<PathBuf> {
    match url {
        StoreUrl::Sqlite(file) => Some(file.beside(".owners")),
        StoreUrl::Memory => None,
    }
}
