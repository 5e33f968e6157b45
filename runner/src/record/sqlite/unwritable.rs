//! Stores that can be read but not written: on a read-only file system, or in a folder of another
//! user.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use rustix::fs::Access;
use rustix::fs::access;

use super::READ_PATIENCE;
use super::failure;

/// Returns a connection that reads a store whose folder cannot be written. Returns `None` if the
/// folder can be written.
///
/// # Errors
///
/// Returns an error if there are changes that are not yet in the file itself, or if SQLite fails.
pub(super) fn reader(path: &Path) -> Result<Option<Connection>> {
    let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !path.is_file() || access(path.parent().unwrap_or(path), Access::WRITE_OK).is_ok() {
        return Ok(None);
    }
    // If other processes have the store open, their shared files exist, and show what is newest.
    if let Ok(db) = open(path, "") {
        return Ok(Some(db));
    }
    for log in ["-wal", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(log);
        if std::fs::metadata(&name).is_ok_and(|log| log.len() > 0) {
            let (path, name) = (path.display(), Path::new(&name).display());
            return Err(StorageError::Backend(format!(
                "the store `{path}` cannot be read where it is: its folder cannot be written, and `{name}` has changes \
                 that belong in it; copy both files to a folder of your own, and use them there"
            )));
        }
    }
    open(path, "?immutable=1").map(Some).map_err(|error| failure(path, &error))
}

/// Returns the error for writing to it.
pub(super) fn refusal(path: &Path) -> StorageError {
    StorageError::Backend(format!("the store `{}` can only be read: its folder cannot be written", path.display()))
}

/// Opens a file, and checks that it can be read.
fn open(path: &Path, parameters: &str) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str(parameters);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(uri, flags)?;
    db.busy_timeout(READ_PATIENCE)?;
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(db)
}
