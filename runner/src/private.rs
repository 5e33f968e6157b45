//! Files that hold secrets: only their owner may be able to read them.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads up to `most` bytes of a file that nobody but its owner can read. The owner is this user or
/// root.
///
/// # Errors
///
/// Returns what is wrong with the file, in words that follow its name.
pub(crate) fn read_private(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    // Opening a pipe would block otherwise.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = file.map_err(|e| format!("cannot be opened: {e}"))?;
    let metadata = file.metadata().map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err("belongs to another user".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(format!("has mode {mode:04o}, so others can read it; run `chmod 600 {}`", path.display()));
    }
    let mut value = Vec::new();
    file.take(most).read_to_end(&mut value).map_err(|e| format!("cannot be read: {e}"))?;
    Ok(value)
}
