//! A file that the person asked to check: whether it is one of those that are read, or why it is
//! not.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::nearest;

use crate::catalog::manifest_files::is_hidden;
use crate::catalog::manifest_files::is_manifest;
use crate::catalog::near::near_path;
use crate::catalog::survey::is_plugin;
use crate::catalog::workspace::SETTINGS_FILE;
use crate::catalog::workspace::Workspace;

/// The files that were read, links resolved.
pub(crate) struct FilesRead<'a> {
    workspace: &'a Workspace,
    manifests: &'a [String],
    real: BTreeSet<PathBuf>,
}

impl<'a> FilesRead<'a> {
    pub(crate) fn new(workspace: &'a Workspace, manifests: &'a [String]) -> Self {
        let real = manifests.iter().filter_map(|path| Path::new(path).canonicalize().ok()).collect();
        Self { workspace, manifests, real }
    }

    /// Checks that `path` is one of the files read; `real` is where it leads.
    ///
    /// # Errors
    ///
    /// Returns a diagnostic that says why the file is not read.
    pub(crate) fn look_for(&self, path: &Path, real: &Path) -> Result<(), Diagnostic> {
        let is_settings = path.file_name().is_some_and(|name| name == SETTINGS_FILE);
        if self.real.iter().any(|file| file.starts_with(real)) || is_settings {
            return Ok(());
        }
        let (shown, jobs) = (path.display(), self.workspace.jobs.display());
        let folder = self.workspace.jobs.canonicalize().unwrap_or_else(|_| self.workspace.jobs.clone());
        let (reason, help) = match real.strip_prefix(&folder) {
            Err(_) => {
                let own = if real.is_dir() { Some(path) } else { path.parent() };
                let own = own.filter(|own| !own.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let help =
                    format!("to check it as a separate jobs folder: `jobcontrol --jobs {} check`", own.display());
                (format!("is outside the jobs folder `{jobs}`"), Some(help).filter(|_| is_manifest(path)))
            }
            Ok(_) if real.is_dir() => ("has no manifests below it".to_owned(), None),
            Ok(inside) if inside.iter().any(is_hidden) => {
                ("is hidden, and hidden files are not read".to_owned(), Some("rename it without the dot".to_owned()))
            }
            Ok(_) if is_plugin(path) => {
                ("is a plugin".to_owned(), Some(format!("`jobcontrol inspect {shown}` shows what it exports")))
            }
            Ok(_) if is_manifest(path) => ("cannot be read as a manifest".to_owned(), None),
            Ok(_) => {
                let help = match path.file_stem() {
                    Some(stem) if is_manifest(Path::new(stem)) => format!("rename it to `{}`", stem.display()),
                    _ => "the name of a manifest ends in `.yaml` or `.yml`".to_owned(),
                };
                ("is not a manifest by its name".to_owned(), Some(help))
            }
        };
        let problem = Diagnostic::of(Code::NotAManifest, format!("`{shown}` is not read: it {reason}"));
        Err(problem.file(shown.to_string()).maybe_help(help))
    }

    /// Suggests a manifest for a file that does not exist.
    pub(crate) fn near(&self, path: &Path) -> Option<String> {
        let name = |path: &'a str| Path::new(path).file_name().and_then(|name| name.to_str());
        let near = nearest(path.file_name()?.to_str()?, self.manifests.iter().filter_map(|path| name(path)));
        let near = near.and_then(|near| self.manifests.iter().find(|path| name(path) == Some(near)));
        near.cloned().or_else(|| near_path(path, |path| path.is_dir() || is_manifest(path)))
    }

    /// Returns whether a manifest is one of the `wanted` files or below one. If nothing is wanted,
    /// every manifest is.
    pub(crate) fn is_wanted(path: &str, wanted: &[PathBuf]) -> bool {
        let real = Path::new(path).canonicalize().ok();
        wanted.is_empty() || real.is_some_and(|file| wanted.iter().any(|path| file.starts_with(path)))
    }
}
