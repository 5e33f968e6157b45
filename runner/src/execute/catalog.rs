//! A folder to checked jobs, with what each was granted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::check::Graph;
use jobcontrol_core::check::Lookup;
use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::check::check;
use jobcontrol_core::check::closure;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Source;
use jobcontrol_core::diagnostic::Span;
use jobcontrol_core::diagnostic::collected;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::job::Job;
use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::manifest;
use jobcontrol_core::manifest::Context;
use jobcontrol_sandbox::FilePolicy;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::missing_imports;
use jobcontrol_sandbox::read_plugin;
use walkdir::WalkDir;

/// The operator's file, which may not lie among the jobs.
pub const SETTINGS_FILE: &str = "jobcontrol.yaml";

/// Where jobs and plugins are, and what jobs may be given.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The jobs folder as the person named it.
    pub jobs: PathBuf,
    /// Folders where plugins are looked for after the manifest's own.
    pub plugins: Vec<PathBuf>,
    /// What manifests are read with.
    pub context: Context,
    /// What folders may be granted.
    pub files: FilePolicy,
}

/// All of a folder's jobs as they are now.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The jobs that fit, and what is wrong with the others.
    pub graph: Graph,
    /// What is wrong with whole files.
    pub problems: Vec<Diagnostic>,
    /// What each job was granted.
    pub granted: BTreeMap<String, Granted>,
    /// How many manifests were found.
    pub manifests: usize,
}

impl Catalog {
    /// Everything that is wrong, in the order of files and lines.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        collected(self.problems.iter().chain(self.graph.broken.values().flatten()))
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.graph.broken.is_empty()
    }

    /// Reads and checks a folder.
    ///
    /// # Errors
    ///
    /// The folder itself cannot be read.
    pub fn load(workspace: &Workspace) -> Result<Self, String> {
        Ok(checked(workspace, read_folder(workspace)?))
    }

    /// As [`Catalog::load`], reading only the plugins that `targets` need, as long as nothing is wrong with them.
    ///
    /// # Errors
    ///
    /// The folder itself cannot be read.
    pub fn load_for(workspace: &Workspace, targets: &[&str]) -> Result<Self, String> {
        let folder = read_folder(workspace)?;
        let mut by_id: HashMap<&str, Vec<&Job>> = HashMap::new();
        folder.jobs.iter().for_each(|job| by_id.entry(&job.id).or_default().push(job));
        let needed = closure(targets.iter().copied(), |id| {
            let named = by_id.get(id).into_iter().flatten();
            named.flat_map(|job| job.dependency_ids()).map(|(id, _)| id).collect()
        });
        let all_can_be_read = needed.iter().all(|id| by_id.contains_key(id) && !folder.broken.contains_key(*id));
        if all_can_be_read {
            let jobs = folder.jobs.iter().filter(|job| needed.contains(job.id.as_str())).cloned().collect();
            let some = Folder { jobs, manifests: folder.manifests, ..Folder::default() };
            let partial = checked(workspace, some);
            if partial.is_sound() {
                return Ok(Self { problems: folder.problems, ..partial });
            }
        }
        Ok(checked(workspace, folder))
    }
}

/// What was read of a folder, before plugins are looked for.
#[derive(Default)]
struct Folder {
    jobs: Vec<Job>,
    broken: BTreeMap<String, Vec<Diagnostic>>,
    problems: Vec<Diagnostic>,
    manifests: usize,
}

fn checked(workspace: &Workspace, folder: Folder) -> Catalog {
    let Folder { jobs, broken, problems, manifests } = folder;
    let mut finder = PluginFinder::new(workspace);
    let lookups: Vec<_> = jobs.iter().map(|job| finder.find(job)).collect();
    let mut granted = BTreeMap::new();
    let mut refused: Vec<(String, Diagnostic)> = Vec::new();
    for job in &jobs {
        let (grants, problems) = grant(workspace, job);
        granted.insert(job.id.clone(), grants);
        refused.extend(problems.into_iter().map(|problem| (job.id.clone(), problem)));
    }
    let mut graph = check(jobs, &lookups, broken);
    finder.mention_hidden(&mut graph);
    for (job, problem) in refused {
        graph.broken.entry(job).or_default().push(problem);
    }
    Catalog { graph, problems, granted, manifests }
}

fn read_folder(workspace: &Workspace) -> Result<Folder, String> {
    let folder = &workspace.jobs;
    let shown = folder.display();
    if !folder.is_dir() {
        let what = if folder.exists() { "is no folder" } else { "is missing" };
        return Err(format!("the jobs folder `{shown}` {what}; name the right one with `--jobs DIR`"));
    }
    let mut read = Folder::default();
    let real = folder.canonicalize().map_err(|e| format!("the jobs folder `{shown}` cannot be read: {e}"))?;
    let hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    // A link to a folder elsewhere could lead through the whole machine.
    let leaves = |entry: &walkdir::DirEntry| {
        let linked = entry.path_is_symlink() && entry.file_type().is_dir();
        linked && !entry.path().canonicalize().is_ok_and(|target| target.starts_with(&real))
    };
    let mut outside = Vec::new();
    let inside = |entry: &walkdir::DirEntry| {
        let leaves = entry.depth() > 0 && leaves(entry);
        if leaves {
            outside.push(entry.path().to_owned());
        }
        entry.depth() == 0 || (!hidden(entry.file_name()) && !leaves)
    };
    for entry in walk.filter_entry(inside) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let message = format!("the jobs folder cannot be read: {error}");
                let file = error.path().unwrap_or(folder).display().to_string();
                read.problems.push(Diagnostic::of(Code::Unreadable, message).file(file));
                continue;
            }
        };
        let path = entry.path();
        if entry.depth() == 0 || !path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml") {
            continue;
        }
        if entry.file_type().is_dir() {
            let message = format!("`{}` is a folder with the name of a manifest", path.display());
            let problem = Diagnostic::of(Code::FolderNamedAsManifest, message);
            read.problems.push(problem.file(path.display().to_string()).help("rename it without the ending"));
            continue;
        }
        read.manifests += 1;
        match read_text(path) {
            Ok(text) => {
                let source = Arc::new(Source { path: path.display().to_string(), text });
                let within = path.parent().unwrap_or(folder).display().to_string();
                let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
                let parsed = manifest::parse(&source, &within, stem, &workspace.context);
                read.jobs.extend(parsed.jobs);
                read.problems.extend(parsed.problems);
                parsed.broken.into_iter().for_each(|(id, found)| read.broken.entry(id).or_default().extend(found));
            }
            Err(problem) => read.problems.push(*problem),
        }
    }
    for path in outside {
        let message = format!("`{}` is a link to a folder outside the jobs folder", path.display());
        let problem = Diagnostic::of(Code::LinkOutside, message);
        read.problems.push(
            problem.file(path.display().to_string()).help("name that folder with `--jobs`, or copy the jobs here"),
        );
    }
    Ok(read)
}

fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let shown = path.display();
    let wrong = |code: Code, message: String, help: Option<&str>| {
        Box::new(Diagnostic::of(code, message).file(shown.to_string()).maybe_help(help.map(str::to_owned)))
    };
    let unreadable = |e: std::io::Error| wrong(Code::Unreadable, format!("`{shown}` cannot be read: {e}"), None);
    if path.file_name().is_some_and(|name| name == SETTINGS_FILE) {
        let message = format!("`{shown}` lies below the jobs folder, where anybody who writes jobs can change it");
        let help = "move it to the folder where jobcontrol is run";
        return Err(wrong(Code::SettingsAmongJobs, message, Some(help)));
    }
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(wrong(Code::Unreadable, format!("`{shown}` is no regular file"), None));
    }
    if metadata.len() > limits::MANIFEST {
        let message =
            format!("`{shown}` is {} bytes, a manifest may have {}", metadata.len(), show_bytes(limits::MANIFEST));
        return Err(wrong(Code::TooLarge, message, Some("split it into several files")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    manifest::decode(&shown.to_string(), bytes)
}

/// Finds plugins, each file read once.
struct PluginFinder<'a> {
    workspace: &'a Workspace,
    allowed: Vec<PathBuf>,
    read: HashMap<PathBuf, Lookup>,
    /// By job, a plugin of the same name in a folder that comes later.
    hidden: BTreeMap<String, PathBuf>,
}

impl<'a> PluginFinder<'a> {
    fn new(workspace: &'a Workspace) -> Self {
        let folders = std::iter::once(&workspace.jobs).chain(&workspace.plugins);
        let allowed = folders.filter_map(|folder| folder.canonicalize().ok()).collect();
        Self { workspace, allowed, read: HashMap::new(), hidden: BTreeMap::new() }
    }

    fn find(&mut self, job: &Job) -> Lookup {
        let path = self.locate(job)?;
        if let Some(known) = self.read.get(&path) {
            return known.clone();
        }
        let lookup = self.allowed(&path).and_then(|()| {
            let plugin = read_plugin(&path, &path)?;
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
            let mut problem = missing(&function.plugin, &[path], &[]);
            if let Some(name) = written.file_name().filter(|name| folder.join(name).exists()) {
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
        // Reading it says what is wrong with one that is no file.
        let mut found = tried.iter().filter(|path| path.exists());
        let Some(path) = found.next() else {
            return Err(missing(&function.plugin, &tried, &folders));
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

    /// Says of a function that is missing that another plugin of the name may have it.
    fn mention_hidden(&self, graph: &mut Graph) {
        for (job, other) in &self.hidden {
            let problems = graph.broken.get_mut(job).into_iter().flatten();
            for problem in problems.filter(|problem| problem.code == Code::NoSuchFunction) {
                problem.help.push(format!(
                    "`{}` has the same name; the plugin beside the manifest comes first, then the plugin folders in order",
                    other.display()
                ));
            }
        }
    }

    /// Nothing outside the jobs and plugin folders, through links either.
    fn allowed(&self, path: &Path) -> Result<(), PluginProblem> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.allowed.iter().any(|folder| real.starts_with(folder)) {
            return Ok(());
        }
        let message = format!("`{}` lies outside the jobs folder and the plugin folders", path.display());
        let help = "list its folder in jobcontrol.yaml: `plugins: [FOLDER]`";
        Err(PluginProblem::new(Code::PluginOutside, message).help(help))
    }
}

fn ambiguous(function: &FunctionRef, one: &Path, other: &Path, beside: bool) -> PluginProblem {
    let named = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    let message = format!("`{}` may be `{}` or `{}`", function.plugin, one.display(), other.display());
    let mut problem = PluginProblem::new(Code::AmbiguousPlugin, message);
    if beside {
        let write = |path: &Path| {
            let plugin = format!("./{}", named(path));
            format!("`{}`", FunctionRef { plugin, ..function.clone() })
        };
        problem = problem.help(format!("write {} or {}", write(one), write(other)));
    }
    problem.help("delete the one that is old")
}

fn missing(name: &str, tried: &[PathBuf], folders: &[PathBuf]) -> PluginProblem {
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let is_plugin = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "wasm" || ext == "wat");
    let plugins = files.map(|entry| entry.path()).filter(is_plugin);
    let stems: BTreeSet<_> = plugins.filter_map(|p| Some(p.file_stem()?.to_str()?.to_owned())).collect();
    let mut help = Vec::new();
    if let Some(near) = nearest(name, stems.iter().map(String::as_str)) {
        help.push(format!("did you mean `{near}`?"));
    }
    let tried = tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
    help.push(format!("looked for {tried}"));
    PluginProblem { code: Code::NoSuchPlugin, message: format!("there is no plugin `{name}`"), help }
}

pub(super) fn grant(workspace: &Workspace, job: &Job) -> (Granted, Vec<Diagnostic>) {
    let mut granted = Granted::default();
    let mut problems = Vec::new();
    let at = |code: Code, span: Span, message: String| Diagnostic::at(code, &job.place.source, span, message);
    for files in &job.grants.files {
        let host: PathBuf = Path::new(&job.place.folder).join(&files.host).components().collect();
        match workspace.files.resolve(&host, &files.guest, files.write) {
            Ok(folder) => granted.folders.push(folder),
            Err(message) => problems.push(at(Code::FolderRefused, files.span, message)),
        }
    }
    for variable in &job.grants.env {
        let known = workspace.context.environment.0.get(&variable.name);
        match (&variable.value, known) {
            (Some(value), _) | (None, Some(Some(value))) => {
                granted.variables.push((variable.name.clone(), value.clone()));
            }
            (None, Some(None)) => {
                let message = format!("the environment variable `{}` is not set", variable.name);
                problems.push(at(Code::VariableNotSet, variable.span, message));
            }
            (None, None) => {
                let message = format!("`{}` may not be taken from the environment", variable.name);
                let help = format!("list it in jobcontrol.yaml: `environment: [{}]`", variable.name);
                problems.push(at(Code::VariableNotAllowed, variable.span, message).help(help));
            }
        }
    }
    (granted, problems)
}
