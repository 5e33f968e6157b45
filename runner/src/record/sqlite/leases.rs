//! Leases of a store in a file: each owner holds the lock of a file for as long as it lives.
//!
//! A free lock tells of a death, however the process died. A file that is missing tells nothing by itself, since anybody
//! can remove the folder: then the process is asked for by its name, and a living owner puts the file back.

use std::collections::HashMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::record::process;

/// How often the folder may vanish before a new owner takes that for more than bad luck.
const TRIES: u32 = 1_000;

/// The folder of the locks that stands beside a store.
#[derive(Debug)]
pub(super) struct Leases {
    folder: PathBuf,
    held: Mutex<HashMap<String, File>>,
}

impl Leases {
    /// Of the store in that file.
    pub(super) fn of(store: &Path) -> Self {
        let mut folder = store.as_os_str().to_owned();
        folder.push(".owners");
        Self { folder: folder.into(), held: Mutex::default() }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes and locks the file of `owner`.
    pub(super) fn claim(&self, owner: &str) -> io::Result<()> {
        let path = self.folder.join(owner);
        let vanishing = |kind| matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists);
        let mut tries = 0;
        let file = loop {
            let made = std::fs::create_dir_all(&self.folder);
            match made.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path)) {
                // Another owner, the last one out, removes the folder just now.
                Err(e) if vanishing(e.kind()) && !path.exists() && tries < TRIES => tries += 1,
                file => break file?,
            }
        };
        file.lock()?;
        self.held().insert(owner.to_owned(), file);
        Ok(())
    }

    /// Puts the file of a held lease back where somebody removed it.
    pub(super) fn renew(&self, owner: &str) -> io::Result<()> {
        let is_held = self.held().contains_key(owner);
        if is_held && !self.folder.join(owner).exists() {
            self.claim(owner)?;
        }
        Ok(())
    }

    /// Whether the owner is alive. What cannot be looked at may well live.
    pub(super) fn is_alive(&self, owner: &str) -> bool {
        match File::open(self.folder.join(owner)) {
            Ok(file) => file.try_lock_shared().is_err(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.held().contains_key(owner) || process::is_running(owner)
            }
            Err(_) => true,
        }
    }

    /// The names of all owners that are alive.
    pub(super) fn living(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| self.is_alive(name)).collect()
    }

    /// Gives a lease back, and removes what a dead owner left.
    pub(super) fn release(&self, owner: &str) {
        let held = self.held().remove(owner);
        let path = self.folder.join(owner);
        if held.is_some() || !self.is_alive(owner) {
            // Removed while the lock is held: nobody can take a name that is on its way out for a dead owner's.
            let _ = std::fs::remove_file(&path);
            drop(held);
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        let names: Vec<_> = self.held().keys().cloned().collect();
        names.iter().for_each(|name| self.release(name));
    }
}

/// The owners of the store in that file that are alive.
pub(crate) fn living(store: &Path) -> Vec<String> {
    Leases::of(store).living()
}
