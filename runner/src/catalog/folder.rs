//! The files of a jobs folder, before their plugins are looked up.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Source;
use jobcontrol_core::job::Job;
use jobcontrol_core::last_good::Files;
use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::manifest;
use jobcontrol_core::manifest::Parsed;
use walkdir::WalkDir;

use crate::catalog::manifest_files::hidden_manifests;
use crate::catalog::manifest_files::is_hidden;
use crate::catalog::manifest_files::is_manifest;
use crate::catalog::manifest_files::not_read;
use crate::catalog::near::near_path;
use crate::catalog::workspace::SETTINGS_FILE;
use crate::catalog::workspace::Workspace;

/// What was read from a folder, before plugins are looked up.
#[derive(Default)]
pub(super) struct Folder {
    pub(super) jobs: Vec<Job>,
    pub(super) broken: BTreeMap<String, Vec<Diagnostic>>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// The manifests, as the person would type them.
    pub(super) manifests: Vec<String>,
}

/// A manifest as it was read, before plugins are looked up.
pub(super) struct ReadFile {
    pub(super) path: String,
    pub(super) source: Option<Arc<Source>>,
    pub(super) parsed: Parsed,
}

pub(super) fn read_folder(workspace: &Workspace) -> Result<Folder, String> {
    let (files, found) = read_files(workspace, &Files::new())?;
    let (warnings, problems) = found.into_iter().partition(Diagnostic::is_warning);
    let mut read = Folder { problems, warnings, ..Folder::default() };
    for file in files {
        read.manifests.push(file.path);
        let parsed = file.parsed;
        read.warnings.extend(parsed.warnings);
        read.jobs.extend(parsed.jobs);
        read.problems.extend(parsed.problems);
        parsed.broken.into_iter().for_each(|(id, found)| read.broken.entry(id).or_default().extend(found));
    }
    Ok(read)
}

/// Lists the entries below the jobs folder. Skips hidden entries, and links to folders outside,
/// which it adds to `outside`.
pub(super) fn walk(folder: &Path, outside: &mut Vec<PathBuf>) -> Vec<Result<walkdir::DirEntry, walkdir::Error>> {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    // A link to a folder elsewhere could make the walk cover the whole machine.
    let leaves = |entry: &walkdir::DirEntry| {
        let linked = entry.path_is_symlink() && entry.file_type().is_dir();
        linked && !entry.path().canonicalize().is_ok_and(|target| target.starts_with(&real))
    };
    let inside = |entry: &walkdir::DirEntry| {
        let leaves = entry.depth() > 0 && leaves(entry);
        if leaves {
            outside.push(entry.path().to_owned());
        }
        entry.depth() == 0 || (!is_hidden(entry.file_name()) && !leaves)
    };
    let mut entries: Vec<_> = walk.filter_entry(inside).collect();
    // A link to a folder above the jobs never reaches the filter: the walk reports it as a loop.
    entries.retain(|entry| {
        let looped = entry.as_ref().err().and_then(|error| error.path().zip(error.loop_ancestor()));
        let Some((link, target)) = looped else { return true };
        let leaves = !target.canonicalize().is_ok_and(|target| target.starts_with(&real));
        if leaves && !link.file_name().is_some_and(is_hidden) {
            outside.push(link.to_owned());
        }
        !leaves
    });
    entries
}

/// Returns the manifests of the jobs folder, and what is wrong with the folder itself, including
/// warnings. `before` holds files that were read by the same rules: a file with the same text is
/// not parsed again.
pub(super) fn read_files(workspace: &Workspace, before: &Files) -> Result<(Vec<ReadFile>, Vec<Diagnostic>), String> {
    let folder = &workspace.jobs;
    let shown = folder.display();
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "is missing" };
        let near = near_path(folder, Path::is_dir).map(|near| format!("; did you mean `{near}`?"));
        let near = near.unwrap_or_default();
        return Err(format!("the jobs folder `{shown}` {what}; name the right one with `--jobs DIR`{near}"));
    }
    folder.canonicalize().map_err(|e| format!("the jobs folder `{shown}` cannot be read: {e}"))?;
    let (mut files, mut problems, mut outside) = (Vec::new(), Vec::new(), Vec::new());
    for entry in walk(folder, &mut outside) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                problems.push(unread(error.path().unwrap_or(folder), &error));
                continue;
            }
        };
        let path = entry.path();
        if entry.depth() == 0 || !is_manifest(path) {
            if entry.file_type().is_dir() {
                problems.extend(hidden_manifests(path).iter().filter_map(|path| not_read(path)));
            } else {
                problems.extend(not_read(path));
            }
            continue;
        }
        if entry.file_type().is_dir() {
            let message = format!("`{}` is a folder with the name of a manifest", path.display());
            let problem = Diagnostic::of(Code::FolderNamedAsManifest, message);
            problems.push(problem.file(path.display().to_string()).help("rename it without the ending"));
            continue;
        }
        let shown = path.display().to_string();
        let (source, parsed) = match read_text(path) {
            Ok(text) => match before.get(&shown).and_then(|file| Some((file, file.source.as_ref()?))) {
                Some((file, source)) if source.text == text => (Some(Arc::clone(source)), file.parsed()),
                _ => {
                    let source = Arc::new(Source { path: shown.clone(), text });
                    let within = path.parent().unwrap_or(folder).display().to_string();
                    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
                    let parsed = manifest::parse(&source, &within, stem, &workspace.context);
                    (Some(source), parsed)
                }
            },
            Err(problem) => (None, Parsed { problems: vec![*problem], ..Parsed::default() }),
        };
        files.push(ReadFile { path: shown, source, parsed });
    }
    for path in outside {
        let message = format!("`{}` is a link to a folder outside the jobs folder", path.display());
        let problem = Diagnostic::of(Code::LinkOutside, message);
        problems.push(
            problem.file(path.display().to_string()).help("name that folder with `--jobs`, or copy the jobs here"),
        );
    }
    Ok((files, problems))
}

/// Describes why an entry of the folder could not be read.
fn unread(path: &Path, error: &walkdir::Error) -> Diagnostic {
    let file = path.display().to_string();
    let is_missing = error.io_error().is_some_and(|error| error.kind() == ErrorKind::NotFound);
    let message = match error.io_error() {
        _ if is_missing && path.is_symlink() => format!("`{file}` is a link whose target does not exist"),
        Some(error) => format!("`{file}` cannot be read: {error}"),
        None => format!("`{file}` cannot be read: {error}"),
    };
    Diagnostic::of(Code::Unreadable, message).file(file)
}

fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let shown = path.display();
    let wrong = |code: Code, message: String, help: Option<&str>| {
        Box::new(Diagnostic::of(code, message).file(shown.to_string()).maybe_help(help.map(str::to_owned)))
    };
    let unreadable = |e: std::io::Error| wrong(Code::Unreadable, format!("`{shown}` cannot be read: {e}"), None);
    if path.file_name().is_some_and(|name| name == SETTINGS_FILE) {
        let message = format!("`{shown}` is below the jobs folder, where anybody who writes jobs can change it");
        let help = "move it to the folder where jobcontrol is run";
        return Err(wrong(Code::SettingsAmongJobs, message, Some(help)));
    }
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(wrong(Code::Unreadable, format!("`{shown}` is not a regular file"), None));
    }
    if metadata.len() > limits::MANIFEST {
        let message =
            format!("`{shown}` has {} bytes, a manifest may have {}", metadata.len(), show_bytes(limits::MANIFEST));
        return Err(wrong(Code::TooLarge, message, Some("split it into several files")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    manifest::decode(&shown.to_string(), bytes)
}
