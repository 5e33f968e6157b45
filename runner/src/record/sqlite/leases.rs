//! Leases of a store in a file: each owner holds the lock of a file for as long as it lives.
//!
//! A free lock means that its owner has died, however the process died. A missing file means
//! nothing by itself, because anybody can remove the folder. The owner's process is then looked up
//! by its name, and a living owner puts the file back.

use std::collections::HashMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::fs::FallocateFlags;
use rustix::fs::fallocate;

use super::kept;
use crate::record::process;

/// How often a new owner tries again when the folder vanishes, before it takes that for more than
/// bad luck.
const TRIES: u32 = 1_000;

/// The file whose lock the leader of all services holds. It is not the name of an owner.
const LEADER: &str = "leader";

/// Bytes held back from a disk that gets full, for the few words on how builds ended: a handful of
/// commits.
const RESERVE: u64 = 256 << 10;

/// The folder of locks beside a store.
#[derive(Debug)]
pub(super) struct Leases {
    folder: PathBuf,
    held: Mutex<HashMap<String, File>>,
    /// The lock of the leader, as long as this process has it.
    leads: Mutex<Option<File>>,
}

impl Leases {
    /// Returns the leases of the store in that file.
    pub(super) fn of(store: &Path) -> Self {
        let mut folder = store.as_os_str().to_owned();
        folder.push(".owners");
        Self { folder: folder.into(), held: Mutex::default(), leads: Mutex::default() }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates and locks the file of `owner`.
    pub(super) fn claim(&self, owner: &str) -> io::Result<()> {
        let path = self.folder.join(owner);
        let vanishing = |kind| matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists);
        let mut tries = 0;
        // Held from creating the file to locking it, so that `clear` in this process does not judge
        // it.
        let mut held = self.held();
        let file = loop {
            let made = std::fs::create_dir_all(&self.folder);
            match made.and_then(|()| OpenOptions::new().append(true).create_new(true).open(&path)) {
                // Another owner, the last one, is just removing the folder.
                Err(e) if vanishing(e.kind()) && !path.exists() && tries < TRIES => tries += 1,
                file => break file?,
            }
        };
        file.lock()?;
        // If the file system cannot reserve room, there may still be some when it is needed.
        let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, kept::ROOM + RESERVE);
        held.insert(owner.to_owned(), file);
        drop(held);
        self.clear();
        Ok(())
    }

    /// Removes the files of dead owners that kept nothing. Nobody else looks for an owner that was
    /// killed while it had no builds.
    fn clear(&self) {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            // An owner that is about to lock its file is found by its process, or by the guard if
            // it is in this process.
            let held = self.held();
            let path = self.folder.join(&name);
            if name != LEADER && !held.contains_key(&name) && !process::is_running(&name) && is_left(&path) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Tries to take the lock of the leader, and returns whether this process has it. The lock
    /// belongs to the open file, so a dead leader has none.
    pub(super) fn lead(&self, owner: &str) -> io::Result<bool> {
        let path = self.folder.join(LEADER);
        let mut leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have removed the file, and another process may have created and locked a new
        // one.
        let is_there =
            |file: &File| path.metadata().is_ok_and(|now| file.metadata().is_ok_and(|held| held.ino() == now.ino()));
        let is_owner = self.held().contains_key(owner);
        *leads = leads.take().filter(|file| is_owner && is_there(file));
        if leads.is_some() || !is_owner {
            return Ok(leads.is_some());
        }
        std::fs::create_dir_all(&self.folder)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                *leads = Some(file).filter(is_there);
                Ok(leads.is_some())
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Puts the file of a held lease back if somebody removed it.
    pub(super) fn renew(&self, owner: &str) -> io::Result<()> {
        let is_held = self.held().contains_key(owner);
        if is_held && !self.folder.join(owner).exists() {
            self.claim(owner)?;
        }
        Ok(())
    }

    /// Returns whether the owner is alive. If its file cannot be opened, it may well be alive.
    pub(super) fn is_alive(&self, owner: &str) -> bool {
        match File::open(self.folder.join(owner)) {
            Ok(file) => file.try_lock_shared().is_err(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.held().contains_key(owner) || process::is_running(owner)
            }
            Err(_) => true,
        }
    }

    /// Returns the names of all living owners.
    pub(super) fn living(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| self.is_alive(name)).collect()
    }

    /// Keeps a line in the file of a held lease. That file has room for it even if nothing else may
    /// have.
    pub(super) fn keep(&self, owner: &str, line: &str) -> io::Result<()> {
        self.renew(owner)?;
        let held = self.held();
        let mut file = held.get(owner).ok_or_else(|| io::Error::other("the lease is gone"))?;
        file.write_all(line.as_bytes())?;
        // If the disk is full, the store gets the room that was held back for it.
        let _ = fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, kept::ROOM, RESERVE);
        file.sync_data()
    }

    /// Returns the files in which owners have kept something, with the owners' names.
    pub(super) fn with_lines(&self) -> Vec<(PathBuf, String)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let kept = entries.filter(|entry| entry.metadata().is_ok_and(|file| file.is_file() && file.len() > 0));
        kept.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?))).collect()
    }

    /// Removes what a dead owner has kept.
    pub(super) fn forget(&self, owner: &str) {
        if !self.is_alive(owner) {
            let _ = std::fs::remove_file(self.folder.join(owner));
            let _ = std::fs::remove_dir(&self.folder);
        }
    }

    /// Gives a lease back, and removes the file of the owner. A file that has kept something stays.
    pub(super) fn release(&self, owner: &str) {
        let held = self.held().remove(owner);
        if held.is_some()
            && let Some(leader) = self.leads.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // Removed while the lock is held, as below.
            let _ = std::fs::remove_file(self.folder.join(LEADER));
            drop(leader);
        }
        let path = self.folder.join(owner);
        let keeps = path.metadata().is_ok_and(|file| file.len() > 0);
        if !keeps && (held.is_some() || !self.is_alive(owner)) {
            // Removed while the lock is held, so that nobody takes a name that is being removed for
            // the name of a dead owner.
            let _ = std::fs::remove_file(&path);
            drop(held);
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

/// Returns whether no owner locks that file and it keeps nothing.
fn is_left(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|file| file.try_lock_shared().is_ok() && file.metadata().is_ok_and(|found| found.len() == 0))
}

impl Drop for Leases {
    fn drop(&mut self) {
        let names: Vec<_> = self.held().keys().cloned().collect();
        names.iter().for_each(|name| self.release(name));
    }
}

/// Returns the living owners of the store in that file.
pub(crate) fn living(store: &Path) -> Vec<String> {
    Leases::of(store).living()
}
