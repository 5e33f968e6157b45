//! Waits for changes of source code.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use notify::Event;
use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher;
use walkdir::DirEntry;
use walkdir::WalkDir;

/// A change is over when nothing happens for this long.
const QUIET: Duration = Duration::from_millis(50);

/// Folders that toolchains write to, which are not watched.
const WRITTEN: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Endings of files that a plugin is built from.
const ENDINGS: [&str; 3] = ["rs", "toml", "wit"];

/// The source code below a folder.
pub(crate) struct Sources {
    root: PathBuf,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    wake: Sender<()>,
    wakes: Receiver<()>,
}

impl Sources {
    /// Begins to watch. No later change is missed.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot report changes.
    pub(crate) fn watch(root: &Path) -> notify::Result<Self> {
        let (wake, wakes) = bounded(1);
        let told = wake.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| concerns(&event)) {
                // If there is no room, a wake-up is pending already.
                let _ = told.try_send(());
            }
        })?;
        let mut sources = Self { root: root.to_owned(), watcher, watched: BTreeSet::new(), wake, wakes };
        sources.follow()?;
        Ok(sources)
    }

    /// Returns a sender that ends a wait.
    pub(crate) fn waker(&self) -> Sender<()> {
        self.wake.clone()
    }

    /// Waits for a change, and then until it is over.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot report changes of a new folder.
    pub(crate) fn changed(&mut self) -> notify::Result<()> {
        let _ = self.wakes.recv();
        while self.wakes.recv_timeout(QUIET).is_ok() {}
        self.follow()
    }

    /// Watches the folders that exist now.
    fn follow(&mut self) -> notify::Result<()> {
        let is_source = |entry: &DirEntry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || !(name.starts_with('.') || WRITTEN.contains(&&*name))
        };
        let entries = WalkDir::new(&self.root).into_iter().filter_entry(is_source).filter_map(Result::ok);
        let folders = entries.filter(|entry| entry.file_type().is_dir()).map(DirEntry::into_path);
        let folders: BTreeSet<PathBuf> = folders.collect();
        self.watched.retain(|folder| folders.contains(folder));
        for folder in folders {
            if !self.watched.contains(&folder) {
                self.watcher.watch(&folder, RecursiveMode::NonRecursive)?;
                self.watched.insert(folder);
            }
        }
        Ok(())
    }
}

/// Returns whether an event is a change of source code, or of a folder that may contain it.
fn concerns(event: &Event) -> bool {
    let is_source = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.contains(&ending)) || ending.is_none() && path.is_dir()
    };
    !matches!(event.kind, EventKind::Access(_)) && (event.need_rescan() || event.paths.iter().any(is_source))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changes_of_source_are_told_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        write("src/lib.rs");
        write("target/debug/a.rs");
        let mut sources = Sources::watch(folder.path()).unwrap();
        write("target/debug/b.rs");
        write("jobs.db");
        assert!(sources.wakes.recv_timeout(Duration::from_millis(200)).is_err());
        write("src/lib.rs");
        sources.changed().unwrap();
        write("src/new/a.rs");
        sources.changed().unwrap();
        write("src/new/b.rs");
        sources.changed().unwrap();
        sources.waker().send(()).unwrap();
        sources.changed().unwrap();
    }
}
