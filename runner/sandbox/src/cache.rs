//! The folder of compiled plugins. Its contents are trusted as code, so only the owner may write
//! there. An entry that has changed since it was put there is not used.

use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use jobcontrol_core::limits::MAX_COMPILE_TIME;
use sha2::Digest;
use sha2::Sha256;
use tempfile::NamedTempFile;

/// The file extension of entries.
const ENTRY: &str = "cwasm";
/// The file extension of an entry's seal, which holds the entry's digest and the state of its file
/// at the time.
const SEAL: &str = "seal";
/// The file extension of plugins' descriptions.
const DESCRIPTION: &str = "plugin";
/// The start of the names of files that are not yet entries.
const UNFINISHED: &str = ".new-";
/// How often the last use of an entry is recorded.
const NOTE_USE: Duration = Duration::from_secs(24 * 60 * 60);

/// What pruning removed, or would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The number of compiled plugins.
    pub entries: u64,
    /// The size of all removed files in bytes.
    pub bytes: u64,
}

/// Selects the entries to remove.
pub struct PruneCache<'a> {
    /// Removes entries not used for this long, and those of other engines. `None` keeps both.
    pub unused: Option<Duration>,
    /// Selects the plugins (SHA-256, hexadecimal) whose entries are removed, however recently they
    /// were used.
    pub gone: &'a dyn Fn(&str) -> bool,
    /// Only count, and remove nothing.
    pub dry_run: bool,
}

/// [`PruneCache`], with the rest of what decides.
pub(crate) struct Prune<'a> {
    pub(crate) unused: Option<Duration>,
    pub(crate) gone: &'a dyn Fn(&str) -> bool,
    pub(crate) dry_run: bool,
    /// The end of the names of descriptions that this version reads.
    pub(crate) reader: String,
}

/// A cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// The end of the names of this engine's entries.
    engine: String,
}

impl Cache {
    /// Opens the cache in a folder, and creates the folder if it is missing. `engine` distinguishes
    /// this engine's entries from others. Returns `None` if the folder belongs to another user, who
    /// may have put anything there.
    ///
    /// # Errors
    ///
    /// Returns an error if other users can write to the folder, or if it cannot be created.
    pub(crate) fn open(folder: &Path, engine: u64) -> Result<Option<Self>, String> {
        let shown = folder.display();
        let failed = |e: std::io::Error| format!("the cache folder `{shown}`: {e}");
        if folder.exists() && !folder.is_dir() {
            return Err(format!(
                "the cache folder `{shown}` is not a folder: choose another with `cache:` in jobcontrol.yaml"
            ));
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let metadata = std::fs::metadata(folder).map_err(failed)?;
        if metadata.uid() != user() {
            return Ok(None);
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(format!(
                "the cache folder `{shown}` is open to other users: run `chmod 700 {shown}`, or choose another with \
                 `cache:` in jobcontrol.yaml"
            ));
        }
        Ok(Some(Self { folder: folder.to_owned(), engine: format!("{engine:016x}") }))
    }

    /// Returns the stored description of a plugin if it is intact.
    pub(crate) fn description(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(format!("{key}-{}.{DESCRIPTION}", self.engine));
        let kept = std::fs::read(ours(&path)?).ok()?;
        let (digest, description) = kept.split_at_checked(Sha256::output_size())?;
        let is_whole = Sha256::new().chain_update(key).chain_update(description).finalize().as_slice() == digest;
        is_whole.then(|| description.to_vec())
    }

    /// Stores a plugin's description. [`Self::description`] detects one that a crash cut short.
    ///
    /// # Errors
    ///
    /// Returns an error if the disk is full or the folder cannot be written to.
    pub(crate) fn put_description(&self, key: &str, description: &[u8]) -> std::io::Result<()> {
        let mut file = self.begin()?;
        file.write_all(&Sha256::new().chain_update(key).chain_update(description).finalize())?;
        file.write_all(description)?;
        file.persist(self.folder.join(format!("{key}-{}.{DESCRIPTION}", self.engine))).map_err(|e| e.error)?;
        Ok(())
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}-{}.{ENTRY}", self.engine))
    }

    /// Returns the entry of a key if it exists and has not changed since it was put there.
    pub(crate) fn get(&self, key: &str) -> Option<PathBuf> {
        let entry = self.entry(key);
        let said = std::fs::read_to_string(ours(&entry.with_extension(SEAL))?).ok()?;
        // A seal under another entry's name belongs to that other entry.
        let (digest, state) = said.trim_end().strip_prefix(key)?.strip_prefix(' ')?.split_once(' ')?;
        let mut file = File::open(ours(&entry)?).ok()?;
        let metadata = file.metadata().ok()?;
        if self::state(&metadata) != state {
            // The file was copied, restored or touched, so compare its content.
            if digest_of(&mut file).ok()? != digest {
                return None;
            }
            self.seal(key, &entry, digest).ok()?;
        } else if metadata.modified().ok()?.elapsed().is_ok_and(|age| age > NOTE_USE) {
            file.set_modified(SystemTime::now()).ok()?;
            self.seal(key, &entry, digest).ok()?;
        }
        Some(entry)
    }

    /// Creates a temporary file to write an entry to.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be written to.
    pub(crate) fn begin(&self) -> std::io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)
    }

    /// Makes a finished file the entry of a key.
    ///
    /// # Errors
    ///
    /// Returns an error if the disk is full or the folder cannot be written to.
    pub(crate) fn put(&self, key: &str, file: NamedTempFile) -> std::io::Result<PathBuf> {
        let entry = self.entry(key);
        file.as_file().sync_all()?;
        let digest = digest_of(&mut file.reopen()?)?;
        file.persist(&entry).map_err(|e| e.error)?;
        self.seal(key, &entry, &digest)?;
        Ok(entry)
    }

    fn seal(&self, key: &str, entry: &Path, digest: &str) -> std::io::Result<()> {
        let mut file = self.begin()?;
        writeln!(file, "{key} {digest} {}", state(&std::fs::metadata(entry)?))?;
        file.persist(entry.with_extension(SEAL)).map_err(|e| e.error)?;
        Ok(())
    }

    /// Removes entries of other engines, unused entries, and files that dead processes left behind.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be read or a file cannot be removed.
    pub(crate) fn prune(&self, what: &Prune<'_>) -> std::io::Result<Pruned> {
        let mut pruned = Pruned::default();
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            let Ok(metadata) = std::fs::symlink_metadata(&path) else {
                // Another process has just removed it.
                continue;
            };
            let age = metadata.modified()?.elapsed().unwrap_or_default();
            if !metadata.is_file() || !self.goes(&path, age, what) {
                continue;
            }
            pruned.entries += u64::from(path.extension().is_some_and(|ext| ext == ENTRY));
            pruned.bytes += metadata.len();
            if !what.dry_run {
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
        }
        Ok(pruned)
    }

    fn goes(&self, path: &Path, age: Duration, what: &Prune<'_>) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(UNFINISHED) {
            // No process writes to it for longer than a compilation may take.
            return age > MAX_COMPILE_TIME;
        }
        let is = |kind: &str| path.extension().is_some_and(|ext| ext == kind);
        let ours = is(ENTRY) || is(SEAL) || is(DESCRIPTION);
        let Some((key, engine)) = path.file_stem().and_then(|stem| stem.to_str()?.rsplit_once('-')).filter(|_| ours)
        else {
            return false;
        };
        let plugin = key.split('-').next().unwrap_or(key);
        if is(DESCRIPTION) {
            let idle = what.unused.is_some_and(|unused| engine != what.reader || age > unused);
            return idle || (what.gone)(plugin);
        }
        let orphan = !path.with_extension(ENTRY).exists() && age > MAX_COMPILE_TIME;
        // A seal is removed together with its entry, and the age of the entry decides.
        let used = std::fs::metadata(path.with_extension(ENTRY)).and_then(|entry| entry.modified());
        let age = used.ok().and_then(|used| used.elapsed().ok()).unwrap_or(age);
        let idle = what.unused.is_some_and(|unused| engine != self.engine || age > unused);
        orphan || idle || (what.gone)(plugin)
    }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the path if only this user can have written the file. Any other file may have been put
/// there while the folder was open to others.
fn ours(path: &Path) -> Option<&Path> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let alone = metadata.uid() == user() && metadata.mode() & 0o022 == 0 && metadata.nlink() == 1;
    (metadata.is_file() && alone).then_some(path)
}

/// Describes the state of a file: values that change on each write and that a writer cannot set.
fn state(metadata: &std::fs::Metadata) -> String {
    let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    format!("{} {} {seconds}.{nanoseconds:09}", metadata.len(), metadata.ino())
}

fn digest_of(file: &mut File) -> std::io::Result<String> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(HEXLOWER.encode(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NONE: Prune<'_> =
        Prune { unused: Some(Duration::MAX), gone: &|_| false, dry_run: false, reader: String::new() };

    fn cache(engine: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let cache = Cache::open(folder.path(), engine).unwrap().unwrap();
        (folder, cache)
    }

    fn put(cache: &Cache, key: &str) -> PathBuf {
        let mut file = cache.begin().unwrap();
        file.write_all(b"compiled code").unwrap();
        cache.put(key, file).unwrap()
    }

    #[test]
    fn an_entry_is_found_until_it_is_changed() {
        let (_folder, cache) = cache(1);
        assert_eq!(cache.get("a"), None);
        let entry = put(&cache, "a");
        assert_eq!(cache.get("a"), Some(entry.clone()));
        // The same length and the same times, as a tamperer would leave them.
        let before = std::fs::metadata(&entry).unwrap().modified().unwrap();
        std::fs::write(&entry, b"c0mpiled code").unwrap();
        File::options().append(true).open(&entry).unwrap().set_modified(before).unwrap();
        assert_eq!(cache.get("a"), None);
        put(&cache, "a");
        assert!(cache.get("a").is_some());
    }

    #[test]
    fn a_copy_of_the_folder_serves_and_a_cut_entry_or_seal_does_not() {
        let (_folder, cache) = cache(1);
        let entry = put(&cache, "a");
        let copy = entry.with_extension("copy");
        std::fs::copy(&entry, &copy).unwrap();
        std::fs::rename(&copy, &entry).unwrap();
        assert!(cache.get("a").is_some());
        File::options().write(true).open(&entry).unwrap().set_len(5).unwrap();
        assert_eq!(cache.get("a"), None);
        put(&cache, "a");
        std::fs::write(entry.with_extension(SEAL), "").unwrap();
        assert_eq!(cache.get("a"), None);
        std::fs::remove_file(entry.with_extension(SEAL)).unwrap();
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn what_another_user_may_have_put_there_is_not_used() {
        let (_folder, cache) = cache(1);
        let entry = put(&cache, "a");
        put(&cache, "b");
        // Under the name of another plugin, with the seal that belongs to the entry.
        for kind in [ENTRY, SEAL] {
            std::fs::rename(entry.with_extension(kind), cache.entry("b").with_extension(kind)).unwrap();
        }
        assert_eq!(cache.get("b"), None);
        let entry = put(&cache, "a");
        std::fs::hard_link(&entry, entry.with_extension("copy")).unwrap();
        assert_eq!(cache.get("a"), None);
        std::fs::remove_file(entry.with_extension("copy")).unwrap();
        assert!(cache.get("a").is_some());
        std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert_eq!(cache.get("a"), None);
        std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&entry, entry.with_extension("moved")).unwrap();
        std::os::unix::fs::symlink(entry.with_extension("moved"), &entry).unwrap();
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn a_description_is_found_unless_it_is_damaged_or_anothers() {
        let (folder, cache) = cache(1);
        cache.put_description("a", b"functions").unwrap();
        assert_eq!(cache.description("a").as_deref(), Some(&b"functions"[..]));
        let path = |key: &str| folder.path().join(format!("{key}-{}.{DESCRIPTION}", cache.engine));
        std::fs::copy(path("a"), path("b")).unwrap();
        assert_eq!(cache.description("b"), None);
        File::options().write(true).open(path("a")).unwrap().set_len(40).unwrap();
        assert_eq!(cache.description("a"), None);
        File::options().write(true).open(path("a")).unwrap().set_len(3).unwrap();
        assert_eq!(cache.description("a"), None);
    }

    #[test]
    fn pruning_takes_other_engines_unused_and_unwanted_entries() {
        let (folder, cache) = cache(1);
        let old = Cache { engine: format!("{:016x}", 2), ..cache.clone() };
        put(&old, "a");
        put(&cache, "a");
        put(&cache, "b");
        std::fs::write(folder.path().join("notes.txt"), "the user's own").unwrap();
        let dry = cache.prune(&Prune { dry_run: true, ..NONE }).unwrap();
        let pruned = cache.prune(&NONE).unwrap();
        assert_eq!((dry, pruned.entries, old.get("a")), (pruned, 1, None));
        assert!(cache.get("a").is_some() && cache.get("b").is_some());
        put(&old, "a");
        put(&old, "b");
        cache.prune(&Prune { unused: None, gone: &|digest| digest == "b", ..NONE }).unwrap();
        assert!(cache.get("a").is_some() && cache.get("b").is_none());
        assert!(old.get("a").is_some() && old.get("b").is_none(), "of any engine, and these alone");
        let entry = cache.get("a").unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(100);
        File::options().append(true).open(entry).unwrap().set_modified(long_ago).unwrap();
        cache.prune(&Prune { unused: Some(Duration::from_secs(99)), ..NONE }).unwrap();
        assert_eq!(cache.get("a"), None);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(Cache::open(folder.path(), 1).unwrap_err().contains("is open to other users"));
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Cache::open(&file, 1).unwrap_err().contains("is not a folder"));
    }
}
