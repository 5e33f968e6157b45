//! Makes a plugin from source code, with the toolchain of its language.
//!
//! - here: the kind of source in a folder, and where its plugin goes
//! - `cargo`: Rust
//! - `sources`: waits for changes of source files

mod cargo;
pub(crate) mod sources;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::request::refusal::Refusal;

/// A plugin that was made.
pub(crate) struct Made {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    /// The file's bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Makes the plugin whose source is in a folder. The toolchain writes its messages to stderr.
///
/// # Errors
///
/// Returns a refusal if the folder has no source, or if the toolchain is missing or fails.
pub(crate) fn made(folder: &Path) -> Result<Made, Refusal> {
    let shown = folder.display();
    if folder.join("Cargo.toml").is_file() {
        return cargo::made(folder);
    }
    if !folder.is_dir() {
        return Err(Refusal::usage(format!("there is no folder `{shown}`")));
    }
    let refusal = Refusal::usage(format!("`{shown}` has no Cargo.toml, so there is nothing to make"));
    Err(match has_scripts(folder) {
        true => refusal.hint("a script is a plugin as it is: `jobcontrol check`, then `jobcontrol run`"),
        false => refusal.hint("`jobcontrol new NAME --lang rust` makes a folder to start from"),
    })
}

fn has_scripts(folder: &Path) -> bool {
    let entries = [folder.to_owned(), folder.join("jobs")].into_iter().filter_map(|folder| folder.read_dir().ok());
    entries.flatten().flatten().any(|entry| jobcontrol_sandbox::Language::of(&entry.path()).is_some())
}

/// Puts a plugin into a jobs folder. Returns its path, and whether the file changed.
///
/// # Errors
///
/// Returns a refusal if the folder cannot be written to.
pub(crate) fn put(made: &Made, folder: &Path) -> Result<(PathBuf, bool), Refusal> {
    let path = folder.join(format!("{}.wasm", made.name));
    if fs::read(&path).is_ok_and(|there| there == made.bytes) {
        return Ok((path, false));
    }
    let write = || {
        fs::create_dir_all(folder)?;
        // The file appears whole or not at all, because a service may be reading it.
        let mut file = tempfile::Builder::new().prefix(".made-").tempfile_in(folder)?;
        file.write_all(&made.bytes)?;
        fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(&path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|e| Refusal::failed(format!("`{}` cannot be written: {e}", path.display())))?;
    Ok((path, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_told_with_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| made(folder).map(|made| made.name).unwrap_err();
        let empty = refused(folder.path());
        assert!(empty.message.ends_with("has no Cargo.toml, so there is nothing to make"), "{empty:?}");
        assert!(empty.hints[0].contains("--lang rust"), "{empty:?}");
        fs::write(folder.path().join("a.py"), "").unwrap();
        assert!(refused(folder.path()).hints[0].contains("a script is a plugin as it is"));
        assert!(refused(&folder.path().join("no")).message.starts_with("there is no folder"));
    }

    #[test]
    fn a_plugin_is_put_once() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = folder.path().join("jobs");
        let made = Made { name: "a".to_owned(), bytes: vec![1] };
        assert_eq!(put(&made, &jobs).unwrap(), (jobs.join("a.wasm"), true));
        assert_eq!(put(&made, &jobs).unwrap(), (jobs.join("a.wasm"), false));
        let other = Made { bytes: vec![2], ..made };
        assert_eq!(put(&other, &jobs).unwrap(), (jobs.join("a.wasm"), true));
        assert_eq!(jobs.read_dir().unwrap().count(), 1, "and nothing is left behind");
    }
}
