//! Explains what SQLite could not do: SQLite has an error number, and the file system knows the
//! reason.

use std::path::Path;

use jobcontrol_core::failure::cut;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::storage::StorageError;
use rusqlite::ErrorCode;
use rustix::fs::Access;
use rustix::fs::StatVfsMountFlags;
use rustix::fs::access;
use rustix::fs::statvfs;

/// With less room than this, SQLite cannot begin a log and its index.
const LITTLE: u64 = 128 << 10;

/// How many characters of an SQLite message are shown. It may contain text from the file.
const SHOWN: usize = 300;

/// Returns the message of SQLite, with the file that it is about and what the user can do.
pub(super) fn failure(path: &Path, error: &rusqlite::Error) -> StorageError {
    const FULL: &str = "free some space; nothing that was acknowledged is lost";
    let of_place = |otherwise: &str| reason(path).unwrap_or_else(|| otherwise.to_owned());
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not a jobcontrol store".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged; restore a backup".to_owned(),
        Some(ErrorCode::DiskFull) => FULL.to_owned(),
        Some(ErrorCode::ReadOnly) => of_place("the file or its folder cannot be written"),
        Some(ErrorCode::CannotOpen) => of_place("it, or its folder, may not be read or written"),
        Some(ErrorCode::SystemIoFailure) => of_place(&file_size_limit()),
        _ => String::new(),
    };
    let help = if help.is_empty() { help } else { format!(": {help}") };
    StorageError::Backend(format!("the store `{}`: {}{help}", path.display(), shortened(&error.to_string())))
}

/// Returns a text on one line. It comes from a file that anybody may have written.
pub(super) fn shortened(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars().take(SHOWN + 1) {
        match char {
            '\n' | '\r' | '\t' => shown.push(' '),
            char if char.is_control() => shown.extend(char.escape_unicode()),
            char => shown.push(char),
        }
    }
    cut(&mut shown, SHOWN);
    shown
}

/// Returns why a file in that place may not be written, as far as the place shows it.
fn reason(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        return Some("its folder is missing".to_owned());
    }
    let place = if path.exists() { path } else { folder };
    let room = statvfs(folder).ok()?;
    let read_only = |path| statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY));
    if read_only(folder) || read_only(place) {
        return Some("its file system is read-only".to_owned());
    }
    if access(folder, Access::WRITE_OK).is_err() {
        return Some("its folder may not be written".to_owned());
    }
    if access(place, Access::WRITE_OK).is_err() {
        return Some("the file may not be written".to_owned());
    }
    if access(place, Access::READ_OK).is_err() {
        return Some("the file may not be read".to_owned());
    }
    if room.f_bavail.saturating_mul(room.f_frsize) < LITTLE {
        return Some("the disk is full: free some space; nothing that was acknowledged is lost".to_owned());
    }
    if room.f_files > 0 && room.f_favail == 0 {
        return Some("the disk has no room for one more file; nothing that was acknowledged is lost".to_owned());
    }
    None
}

/// Returns the limit on file sizes as the reason. SQLite only reports that a file cannot be
/// written, not that it may not grow.
fn file_size_limit() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    let told = |bytes| {
        format!("no file may be larger than {} (`ulimit -f`); nothing that was acknowledged is lost", show_bytes(bytes))
    };
    limit.map(told).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_one_short_line_without_escapes() {
        let said = shortened("malformed (\u{1b}]0;pwned\u{7}\nsecond line)");
        assert_eq!(said, "malformed (\\u{1b}]0;pwned\\u{7} second line)");
        assert!(shortened(&"x\u{1b}".repeat(1 << 20)).chars().count() < SHOWN + 20);
    }

    #[test]
    fn a_missing_folder_is_told_as_one_and_no_other_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reason(&folder.path().join("no/store.db")).unwrap(), "its folder is missing");
        assert_eq!(reason(&folder.path().join("store.db")), None);
    }
}
