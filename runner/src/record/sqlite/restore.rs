//! Puts a copy in the place of the store, and keeps the store beside it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::backup::Backup;
use rusqlite::backup::StepResult;
use rusqlite::config::DbConfig;
use tempfile::NamedTempFile;

use super::BUSY;
use super::READ_PATIENCE;
use super::failure;
use super::not_newer;
use super::refuse_foreign;
use super::stale_log::is_stale;
use super::stale_log::named;
use super::trouble::shortened;
use super::unwritable;
use crate::say::Say;

/// Returns `path` with `ending`, or with a number after that, so that no file has the name yet.
pub(super) fn free_name(path: &Path, ending: &str) -> PathBuf {
    let named = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        if number > 1 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    (1..).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(0))
}

/// Returns the version of the store in a file, without changing it.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or is not a store of this program.
pub fn version(path: &Path, warn: &Say) -> Result<i64> {
    let look = |db: Connection| {
        refuse_foreign(&db, path, warn)?;
        not_newer(&db, path)
    };
    match open(path).and_then(look) {
        Err(error) => unwritable::reader(path)?.map_or(Err(error), look),
        version => version,
    }
}

fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let read_only = || Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    Connection::open_with_flags(path, flags).or_else(|_| read_only()).map_err(|error| failure(path, &error))
}

/// Puts a copy of `file` in the place of the store at `path`, and returns where the previous store
/// is kept. The file is checked before the copy is made, and the copy after that. The place is
/// never without a store.
///
/// # Errors
///
/// Returns an error if `file` is damaged, from another program or of a newer version. Also returns
/// one if the store is in use, or if the disk fails.
pub fn restore(path: &Path, file: &Path, warn: &Say) -> Result<Option<PathBuf>> {
    let refused = |what: String| StorageError::Refused(what);
    if !file.is_file() {
        return Err(refused(format!("there is no file `{}`", file.display())));
    }
    let same = |a: &Path, b: &Path| a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    if same(path, file) {
        return Err(refused(format!("`{}` is the store itself", file.display())));
    }
    let source = open(file)?;
    refuse_foreign(&source, file, warn)?;
    source.busy_timeout(READ_PATIENCE).map_err(|error| failure(file, &error))?;
    if not_newer(&source, file)? == 0 {
        return Err(refused(format!("`{}` is an empty database, not a copy of a store", file.display())));
    }
    sound(&source, file)?;
    let partial = beside(path).map_err(|e| unwritable(path, &e))?;
    let failed = |error| failure(partial.path(), &error);
    source.execute("VACUUM INTO ?1", [partial.path().to_string_lossy()]).map_err(failed)?;
    let copy = Connection::open(partial.path()).map_err(failed)?;
    sound(&copy, partial.path())?;
    replace(path, &copy)
}

fn sound(db: &Connection, path: &Path) -> Result<()> {
    let answer: rusqlite::Result<String> = db.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => {
            let first = answer.lines().next().unwrap_or_default();
            Err(StorageError::Backend(format!("`{}` is damaged: {}", path.display(), shortened(first))))
        }
        Err(error) => Err(failure(path, &error)),
    }
}

/// Writes a copy over the store in one SQLite transaction. The file stays the same, under SQLite's
/// own lock. A renamed file would share the log of its name with every process that has opened the
/// previous file.
fn replace(path: &Path, copy: &Connection) -> Result<Option<PathBuf>> {
    let failed = |error| failure(path, &error);
    // Closed after the connection: a process that closes any handle of a file loses all its locks
    // on it.
    let original = File::open(path).ok();
    // Opened first, because SQLite may remove a log that it cannot read.
    let logs: Vec<_> =
        ["-wal", "-journal"].iter().filter_map(|end| Some((*end, File::open(named(path, end)).ok()?))).collect();
    // SQLite would put a log of another store into the file.
    let opened = if is_stale(path) { None } else { Some(alone(path, false)) };
    let (mut db, damaged) = match opened.unwrap_or(Err(rusqlite::Error::InvalidQuery)) {
        Ok(db) => (db, false),
        Err(rusqlite::Error::SqliteFailure(error, _)) if super::writer::is_busy(&error) => return Err(in_use(path)),
        // A damaged store must be replaceable, so it does not matter that SQLite cannot read it.
        Err(_) => (alone(path, true).map_err(failed)?, true),
    };
    let kept = match &original {
        Some(original) => keep(path, original, if damaged { &logs } else { &[] }).map_err(|e| unwritable(path, &e))?,
        None => None,
    };
    let all = Backup::new(copy, &mut db).and_then(|backup| backup.step(-1));
    if all.map_err(failed)? != StepResult::Done {
        return Err(in_use(path));
    }
    if damaged {
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false).map_err(failed)?;
    }
    sound(&db, path)?;
    db.pragma_update(None, "locking_mode", "normal").map_err(failed)?;
    // If another process is faster now, it does the same.
    let _ = db.pragma_update(None, "journal_mode", "wal");
    drop(db);
    Ok(kept)
}

/// Returns a connection that has the file for itself until it is closed, without a log beside it.
/// If the file is `damaged`, the log stays, and SQLite treats the file as empty.
fn alone(path: &Path, damaged: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, damaged)?;
    db.pragma_update(None, "locking_mode", "exclusive")?;
    db.execute_batch("BEGIN EXCLUSIVE; ROLLBACK")?;
    if !damaged {
        db.pragma_update(None, "journal_mode", "delete")?;
    }
    Ok(db)
}

/// Copies the store, and these logs of it, to a free name.
fn keep(path: &Path, original: &File, logs: &[(&str, File)]) -> io::Result<Option<PathBuf>> {
    let metadata = original.metadata()?;
    if metadata.len() == 0 {
        return Ok(None);
    }
    let mut copy = beside(path)?;
    io::copy(&mut &*original, copy.as_file_mut())?;
    copy.as_file().set_permissions(metadata.permissions())?;
    copy.as_file().sync_all()?;
    let kept = loop {
        let kept = free_name(path, ".replaced");
        match copy.persist_noclobber(&kept) {
            Ok(_) => break kept,
            Err(again) if again.error.kind() == io::ErrorKind::AlreadyExists => copy = again.file,
            Err(other) => return Err(other.error),
        }
    };
    for (ending, log) in logs {
        io::copy(&mut &*log, &mut File::create(named(&kept, ending))?)?;
    }
    Ok(Some(kept))
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".jobcontrol-").tempfile_in(folder)
}

fn unwritable(path: &Path, error: &io::Error) -> StorageError {
    StorageError::Backend(format!("the folder of the store `{}` cannot be written: {error}", path.display()))
}

fn in_use(path: &Path) -> StorageError {
    StorageError::Refused(format!("the store `{}` is in use; nothing was replaced", path.display()))
}
