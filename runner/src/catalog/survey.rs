//! Lists the files that a catalog is made of, and the state of each, without reading them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_sandbox::is_script;

use crate::catalog::folder::walk;
use crate::catalog::manifest_files::is_manifest;
use crate::catalog::trail::trail;
use crate::catalog::workspace::Workspace;

/// The metadata that changes when a file is written, replaced, or given other rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The files and folders that were seen at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Manifests, plugins and the operator's file; `None` for a link to a file that does not exist.
    pub(super) files: BTreeMap<PathBuf, Option<State>>,
    /// The folders of these files, links resolved, each with its device and inode.
    pub(super) folders: BTreeMap<PathBuf, (u64, u64)>,
    /// The names that roots and links lead through, which may appear, disappear or be replaced.
    pub(super) names: BTreeSet<PathBuf>,
    /// The folders of these names, which are watched only for them, each with its device and inode.
    pub(super) around: BTreeMap<PathBuf, (u64, u64)>,
}

/// Returns whether a catalog reads files with this name.
pub(super) fn matters(path: &Path) -> bool {
    is_manifest(path) || is_plugin(path)
}

/// Returns whether the file is a plugin by its name, or a file that a script may import.
pub(super) fn is_plugin(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "wasm" || ext == "wat") || is_script(path)
}

impl Survey {
    /// Looks at the jobs, the plugin folders, the operator's file, and, by their paths, plugins
    /// that are elsewhere.
    pub(super) fn take<'a>(workspace: &Workspace, config: &Path, plugins: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut survey = Self::default();
        let mut outside = Vec::new();
        for entry in walk(&workspace.jobs, &mut outside) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    // A link to a file that does not exist, perhaps not yet.
                    error.path().filter(|path| matters(path)).iter().for_each(|path| survey.file(path));
                    continue;
                }
            };
            if entry.file_type().is_dir() {
                survey.folder(entry.path());
                if entry.path_is_symlink() {
                    survey.way(entry.path());
                }
            }
            if matters(entry.path()) {
                survey.file(entry.path());
            }
        }
        outside.iter().for_each(|path| survey.file(path));
        for folder in &workspace.plugins {
            survey.folder(folder);
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| is_plugin(path)).for_each(|path| survey.file(&path));
        }
        for plugin in plugins {
            // Those below the jobs and those of the plugin folders have been seen by now.
            if !survey.files.contains_key(plugin) {
                survey.file(plugin);
                survey.way(plugin);
            }
        }
        survey.file(config);
        for root in workspace.plugins.iter().chain([&workspace.jobs]) {
            survey.way(root);
        }
        survey.way(config);
        survey
    }

    /// Returns whether everything in `other` is the same in this survey.
    pub(super) fn extends(&self, other: &Self) -> bool {
        let same = |(path, state): (&PathBuf, _)| self.files.get(path) == Some(state);
        self.folders == other.folders && other.files.iter().all(same)
    }

    fn folder(&mut self, path: &Path) {
        if let (Ok(real), Ok(metadata)) = (path.canonicalize(), path.metadata()) {
            self.folders.insert(real, (metadata.dev(), metadata.ino()));
        }
    }

    fn file(&mut self, path: &Path) {
        let Ok(link) = path.symlink_metadata() else { return };
        let target = path.metadata().ok();
        self.files.insert(path.to_owned(), target.as_ref().map(State::of));
        if link.is_symlink() {
            self.way(path);
        }
    }

    /// Adds each name that a path leads through, with its folder: links on the way may be
    /// redirected, folders may be replaced, and missing files may appear.
    fn way(&mut self, path: &Path) {
        for (folder, name) in trail(path) {
            if let Ok(metadata) = folder.metadata() {
                self.names.insert(folder.join(name));
                self.around.insert(folder, (metadata.dev(), metadata.ino()));
            }
        }
    }
}
