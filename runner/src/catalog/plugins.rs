//! Finds the plugin of the function that a job names: a file, or bytes from the store.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::check::Graph;
use jobcontrol_core::check::Lookup;
use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::job::Job;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_sandbox::missing_imports;

use crate::catalog::near::near_path;
use crate::catalog::survey::is_plugin;
use crate::catalog::workspace::Workspace;

/// Reads a plugin from the bytes that the store keeps for a digest. `shown` is the former name of
/// its file, perhaps without its ending.
///
/// # Errors
///
/// Returns a message if the bytes do not match the digest, or if this version cannot read them.
pub(crate) fn kept_plugin(workspace: &Workspace, bytes: Vec<u8>, shown: &Path, digest: &str) -> Result<Plugin, String> {
    let shown = kept_name(&bytes, shown);
    let plugin = workspace.reader.read_bytes(bytes.into(), &shown).map_err(|problem| problem.message)?;
    if *plugin.digest == *digest {
        return Ok(plugin);
    }
    Err(format!("the plugin sha256:{digest} in the store does not have this digest: the store is damaged"))
}

/// Returns the name of the file that had these bytes, with its ending.
pub(crate) fn kept_name(bytes: &[u8], shown: &Path) -> PathBuf {
    let mut shown = shown.to_owned();
    if shown.extension().is_none() {
        shown.set_extension(if bytes.starts_with(b"\0asm") { "wasm" } else { "wat" });
    }
    shown
}

/// Finds plugins, and reads each file once.
pub(super) struct PluginFinder<'a> {
    workspace: &'a Workspace,
    allowed: Vec<PathBuf>,
    read: HashMap<PathBuf, Lookup>,
    /// Names of plugins by folder, for help.
    names: HashMap<PathBuf, BTreeSet<String>>,
    /// Plugins of jobs that pin a digest that the file no longer has.
    kept: HashMap<String, Lookup>,
    /// By job, a plugin with the same name in a later folder.
    hidden: BTreeMap<String, PathBuf>,
}

impl<'a> PluginFinder<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        Self::with(workspace, HashMap::new())
    }

    /// Creates a finder with plugins that were read before and have not changed.
    pub(super) fn with(workspace: &'a Workspace, read: HashMap<PathBuf, Lookup>) -> Self {
        let folders = std::iter::once(&workspace.jobs).chain(&workspace.plugins);
        let allowed = folders.filter_map(|folder| folder.canonicalize().ok()).collect();
        Self { workspace, allowed, read, kept: HashMap::new(), names: HashMap::new(), hidden: BTreeMap::new() }
    }

    /// Returns the plugin of a job: its file, or, if the job pins a digest that the file does not
    /// have, the one that the store keeps.
    pub(super) fn find(&mut self, job: &Job) -> Lookup {
        let file = self.file_of(job);
        let Some(digest) = &job.function.digest else {
            return file;
        };
        if file.as_ref().is_ok_and(|plugin| *plugin.digest == **digest) {
            return file;
        }
        let workspace = self.workspace;
        let kept = self.kept.entry(digest.clone()).or_insert_with(|| {
            let shown = Path::new(&job.place.folder).join(&job.function.plugin);
            let shown = shown.components().collect::<PathBuf>();
            let bytes = workspace.stored_plugins.bytes(digest);
            let kept =
                bytes.and_then(|bytes| bytes.map(|bytes| kept_plugin(workspace, bytes, &shown, digest)).transpose());
            match kept {
                Ok(Some(plugin)) => missing_imports(&plugin).map_or(Ok(Arc::new(plugin)), Err),
                Ok(None) => Err(unkept(&job.function, file.as_deref().ok(), digest)),
                Err(reason) => Err(PluginProblem::new(Code::PluginPinned, reason)),
            }
        });
        kept.clone()
    }

    fn file_of(&mut self, job: &Job) -> Lookup {
        let path = self.locate(job)?;
        if let Some(known) = self.read.get(&path) {
            return known.clone();
        }
        let lookup = self.allowed(&path).and_then(|()| {
            let plugin = self.workspace.reader.read_file(&path, &path)?;
            missing_imports(&plugin).map_or(Ok(Arc::new(plugin)), Err)
        });
        self.read.insert(path, lookup.clone());
        lookup
    }

    fn locate(&mut self, job: &Job) -> Result<PathBuf, PluginProblem> {
        let (folder, function) = (&job.place.folder, &job.function);
        let written = Path::new(&function.plugin);
        let folder = Path::new(folder);
        if written.components().count() > 1 || written.extension().is_some() || function.plugin.starts_with('.') {
            let path: PathBuf = folder.join(written).components().collect();
            if path.exists() {
                return Ok(path);
            }
            let mut problem = self.missing(&function.plugin, &[path], &[]);
            let beside = folder.join(written);
            if let Some(near) = near_path(&beside, |path| path.is_file() && is_plugin(path)) {
                let near = Path::new(&near);
                let near = near.strip_prefix(folder).unwrap_or(near);
                let dot = if function.plugin.starts_with("./") { "./" } else { "" };
                problem.help.insert(0, format!("did you mean `{dot}{}`?", near.display()));
            } else if let Some(name) = written.file_name().filter(|name| folder.join(name).exists()) {
                let near = format!("did you mean `./{}`? a path is relative to the manifest", name.display());
                problem.help.insert(0, near);
            }
            return Err(problem);
        }
        let folders: Vec<_> =
            std::iter::once(folder.to_owned()).chain(self.workspace.plugins.iter().cloned()).collect();
        let tried: Vec<_> = folders
            .iter()
            .flat_map(|folder| ["wasm", "wat"].map(|ext| folder.join(format!("{}.{ext}", function.plugin))))
            .collect();
        // A path that exists but is not a file is reported when it is read.
        let mut found = tried.iter().filter(|path| path.exists());
        let Some(path) = found.next() else {
            return Err(self.missing(&function.plugin, &tried, &folders));
        };
        match found.next() {
            Some(other) if other.parent() == path.parent() => {
                let beside = path.parent() == Some(folder);
                Err(ambiguous(function, path, other, beside))
            }
            Some(other) => {
                self.hidden.insert(job.id.clone(), other.clone());
                Ok(path.clone())
            }
            None => Ok(path.clone()),
        }
    }

    fn missing(&mut self, name: &str, tried: &[PathBuf], folders: &[PathBuf]) -> PluginProblem {
        let mut help = Vec::new();
        for folder in folders {
            let names = self.names.entry(folder.clone()).or_insert_with(|| plugin_names(folder));
            if let (Some(near), true) = (nearest(name, names.iter().map(String::as_str)), help.is_empty()) {
                help.push(format!("did you mean `{near}`?"));
            }
        }
        let tried = tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        help.push(format!("looked for {tried}"));
        PluginProblem { code: Code::NoSuchPlugin, message: format!("there is no plugin `{name}`"), help }
    }

    /// Adds a hint to each missing function: another plugin with the same name may have it.
    pub(super) fn mention_hidden(&self, graph: &mut Graph) {
        for (job, other) in &self.hidden {
            let problems = graph.broken.get_mut(job).into_iter().flatten();
            for problem in problems.filter(|problem| problem.code == Code::NoSuchFunction) {
                problem.help.push(format!(
                    "`{}` has the same name; the plugin beside the manifest wins, then the plugin folders in order",
                    other.display()
                ));
            }
        }
    }

    /// Refuses files outside the jobs and plugin folders, even through links.
    fn allowed(&self, path: &Path) -> Result<(), PluginProblem> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.allowed.iter().any(|folder| real.starts_with(folder)) {
            return Ok(());
        }
        let message = format!("`{}` is outside the jobs folder and the plugin folders", path.display());
        let help = "list its folder in jobcontrol.yaml: `plugins: [FOLDER]`";
        Err(PluginProblem::new(Code::PluginOutside, message).help(help))
    }
}

fn ambiguous(function: &FunctionRef, one: &Path, other: &Path, beside: bool) -> PluginProblem {
    let named = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    let message = format!("`{}` may mean `{}` or `{}`", function.plugin, one.display(), other.display());
    let mut problem = PluginProblem::new(Code::AmbiguousPlugin, message);
    if beside {
        let write = |path: &Path| {
            let plugin = format!("./{}", named(path));
            format!("`{}`", FunctionRef { plugin, ..function.clone() })
        };
        problem = problem.help(format!("write {} or {}", write(one), write(other)));
    }
    problem.help("delete the outdated one")
}

/// Returns the names of a folder's plugins, without their endings.
fn plugin_names(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let plugins = files.filter(|path| is_plugin(path));
    plugins.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

/// Reports that neither the file nor the store has the digest that the job pins.
fn unkept(function: &FunctionRef, file: Option<&Plugin>, digest: &str) -> PluginProblem {
    let message =
        format!("no plugin `{}` with the pinned digest was found, neither on disk nor in the store", function.plugin);
    let problem = PluginProblem::new(Code::PluginPinned, message);
    let problem = match file {
        Some(plugin) => {
            let today = FunctionRef { digest: Some(plugin.digest.to_string()), ..function.clone() };
            problem.help(format!("to take `{}` as it is today, write `{today}`", plugin.path.display()))
        }
        None => problem.help("there is no file with that name either"),
    };
    problem.help(format!("the store keeps the plugins of its builds, and has none with sha256:{digest}"))
}
