//! A copy put in the place of the store, which is kept beside it.

use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;
use rusqlite::OpenFlags;

use super::BUSY;
use super::failure;
use super::not_newer;
use super::refuse_foreign;

/// `path` with `ending`, or with a number after that: a name that no file has.
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

/// The version of the store in a file, which is only looked at.
///
/// # Errors
///
/// A file that cannot be read, or is no store of ours.
pub fn version(path: &Path) -> Result<i64> {
    let db = open(path)?;
    refuse_foreign(&db, path)?;
    not_newer(&db, path)
}

fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let read_only = || Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    Connection::open_with_flags(path, flags).or_else(|_| read_only()).map_err(|error| failure(path, &error))
}

/// Puts a copy of `file` in the place of the store at `path`, and answers where the store that was there is kept. The
/// file is looked through before and its copy after, and the place is never without a store.
///
/// # Errors
///
/// A file that is damaged, of another program or of a newer version; a store that is in use; the disk.
pub fn restore(path: &Path, file: &Path) -> Result<Option<PathBuf>> {
    let refused = |what: String| StorageError::Refused(what);
    if !file.is_file() {
        return Err(refused(format!("there is no file `{}`", file.display())));
    }
    let same = |a: &Path, b: &Path| a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    if same(path, file) {
        return Err(refused(format!("`{}` is the store itself", file.display())));
    }
    let source = open(file)?;
    refuse_foreign(&source, file)?;
    if not_newer(&source, file)? == 0 {
        return Err(refused(format!("`{}` is an empty database, not a copy of a store", file.display())));
    }
    sound(&source, file)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritable = |e: &dyn std::fmt::Display| {
        StorageError::Backend(format!("the folder of the store `{}` cannot be written: {e}", path.display()))
    };
    let partial = tempfile::Builder::new().prefix(".jobcontrol-").tempfile_in(folder).map_err(|e| unwritable(&e))?;
    let failed = |error| failure(partial.path(), &error);
    source.execute("VACUUM INTO ?1", [partial.path().to_string_lossy()]).map_err(failed)?;
    let copy = Connection::open(partial.path()).map_err(failed)?;
    sound(&copy, partial.path())?;
    drop(copy);
    partial.as_file().sync_all().map_err(|e| unwritable(&e))?;
    let kept = if path.exists() { Some(set_aside(path)?) } else { None };
    partial.persist(path).map_err(|e| unwritable(&e.error))?;
    Ok(kept)
}

fn sound(db: &Connection, path: &Path) -> Result<()> {
    let answer: rusqlite::Result<String> = db.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => {
            let first = answer.lines().next().unwrap_or_default();
            Err(StorageError::Backend(format!("`{}` is damaged: {first}", path.display())))
        }
        Err(error) => Err(failure(path, &error)),
    }
}

/// Gives the store a second name. It must be one file for that, without a log beside it, and nobody may have it open.
fn set_aside(path: &Path) -> Result<PathBuf> {
    // A damaged store has to be replaceable, so what SQLite cannot make of it does not matter here.
    if let Ok(db) = open(path) {
        let _ = db.busy_timeout(BUSY);
        let alone: rusqlite::Result<String> = db.query_row("PRAGMA journal_mode = delete", [], |row| row.get(0));
        match alone {
            Err(rusqlite::Error::SqliteFailure(error, _)) if super::writer::is_busy(&error) => {
                let message = format!("the store `{}` is in use; nothing was replaced", path.display());
                return Err(StorageError::Refused(message));
            }
            _ => {}
        }
    }
    let kept = free_name(path, ".replaced");
    let unwritable =
        |e: std::io::Error| StorageError::Backend(format!("the store cannot be kept as `{}`: {e}", kept.display()));
    std::fs::hard_link(path, &kept).or_else(|_| std::fs::copy(path, &kept).map(drop)).map_err(unwritable)?;
    for beside in ["-wal", "-shm", "-journal"] {
        let named = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(beside);
            PathBuf::from(name)
        };
        // Left by a store that is damaged: they belong to the old file, and would spoil the new one.
        if named(path).exists() {
            std::fs::rename(named(path), named(&kept)).map_err(unwritable)?;
        }
    }
    Ok(kept)
}
