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
use jobcontrol_core::check::check;
use jobcontrol_core::check::closure;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Source;
use jobcontrol_core::diagnostic::Span;
use jobcontrol_core::diagnostic::collected;
use jobcontrol_core::job::Job;
use jobcontrol_core::last_good::FileVersion;
use jobcontrol_core::last_good::Files;
use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::manifest;
use jobcontrol_core::manifest::Context;
use jobcontrol_core::manifest::Parsed;
use jobcontrol_sandbox::FilePolicy;
use jobcontrol_sandbox::Granted;
use walkdir::WalkDir;

use crate::execute::plugins::Kept;
use crate::execute::plugins::PluginFinder;

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
    /// Plugins that the store keeps.
    pub kept: Kept,
}

impl Workspace {
    /// Whether the same is found and allowed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let said = |workspace: &Self| (workspace.jobs.clone(), workspace.plugins.clone());
        said(self) == said(other) && self.context == other.context && self.files == other.files
    }
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

/// A job as its manifest has it now, whether its plugin fits or not.
pub enum Today {
    /// This.
    Job(Box<Job>),
    /// There is none any more.
    Gone,
    /// Nobody knows, for this reason: its manifest, or the folder, cannot be read.
    Unknown(String),
}

/// How a job stands in the folder.
pub fn today(workspace: &Workspace, id: &str) -> Today {
    if !workspace.jobs.exists() {
        return Today::Gone;
    }
    let folder = match read_folder(workspace) {
        Ok(folder) => folder,
        Err(reason) => return Today::Unknown(reason),
    };
    let mistake = || folder.broken.get(id).and_then(|problems| problems.first());
    let problem = mistake().or_else(|| {
        // It may stand in a file that cannot be read.
        folder.problems.first().filter(|_| !folder.jobs.iter().any(|job| job.id == id))
    });
    match (problem, folder.jobs.iter().find(|job| job.id == id)) {
        (Some(problem), _) => Today::Unknown(problem.message.clone()),
        (None, Some(job)) => Today::Job(Box::new(job.clone())),
        (None, None) => Today::Gone,
    }
}

/// The digests of plugins that jobs pin.
///
/// # Errors
///
/// What cannot be read, and may pin one, in words.
pub fn pinned_plugins(workspace: &Workspace) -> Result<BTreeSet<String>, String> {
    let folder = read_folder(workspace)?;
    if let Some(problem) = folder.problems.iter().chain(folder.broken.values().flatten()).next() {
        return Err(format!("the manifests do not check: {}", problem.message));
    }
    Ok(folder.jobs.into_iter().filter_map(|job| job.function.digest).collect())
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
    let found = jobs.into_iter().map(|job| {
        let lookup = finder.find(&job);
        (job, lookup)
    });
    let found = found.collect();
    let mut catalog = Catalog { problems, manifests, ..together(workspace, found, broken) };
    finder.mention_hidden(&mut catalog.graph);
    catalog
}

/// Checks jobs with the plugins that were found for them, and looks at what they are to be granted.
fn together(workspace: &Workspace, found: Vec<(Job, Lookup)>, broken: BTreeMap<String, Vec<Diagnostic>>) -> Catalog {
    let mut granted = BTreeMap::new();
    let mut refused: Vec<(String, Diagnostic)> = Vec::new();
    for (job, _) in &found {
        let (grants, problems) = grant(workspace, job);
        // Of two jobs with one id the first has it.
        granted.entry(job.id.clone()).or_insert(grants);
        refused.extend(problems.into_iter().map(|problem| (job.id.clone(), problem)));
    }
    let (jobs, lookups): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let mut graph = check(jobs, &lookups, broken);
    for (job, problem) in refused {
        graph.broken.entry(job).or_default().push(problem);
    }
    Catalog { graph, granted, ..Catalog::default() }
}

/// A folder as it was read at one time, file by file.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The files.
    pub(super) files: Files,
    /// All of them checked together.
    pub(super) catalog: Catalog,
}

impl Reading {
    /// Reads and checks a folder; plugins in `known` have not changed since they were read.
    ///
    /// # Errors
    ///
    /// The folder itself cannot be read.
    pub(super) fn take(workspace: &Workspace, known: HashMap<PathBuf, Lookup>) -> Result<Self, String> {
        let (read, problems) = read_files(workspace)?;
        let mut finder = PluginFinder::with(workspace, known);
        let files = read.into_iter().map(|ReadFile { path, source, parsed }| {
            let Parsed { jobs, broken, problems } = parsed;
            let found = jobs.into_iter().map(|job| {
                let lookup = finder.find(&job);
                (job, lookup)
            });
            let jobs = found.collect();
            (path, Arc::new(FileVersion { source, jobs, broken, problems }))
        });
        let files: Files = files.collect();
        let mut catalog = Catalog::of(workspace, files.values());
        finder.mention_hidden(&mut catalog.graph);
        catalog.problems.extend(problems);
        Ok(Self { files, catalog })
    }
}

impl Catalog {
    /// Versions of files, checked together.
    pub(super) fn of<'a>(workspace: &Workspace, files: impl IntoIterator<Item = &'a Arc<FileVersion>>) -> Self {
        let (mut found, mut problems, mut manifests) = (Vec::new(), Vec::new(), 0);
        let mut broken: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
        for file in files {
            manifests += 1;
            found.extend(file.jobs.iter().cloned());
            problems.extend(file.problems.iter().cloned());
            for (id, wrong) in &file.broken {
                broken.entry(id.clone()).or_default().extend(wrong.iter().cloned());
            }
        }
        Self { problems, manifests, ..together(workspace, found, broken) }
    }
}

/// A manifest as it was read, before plugins are looked for.
struct ReadFile {
    path: String,
    source: Option<Arc<Source>>,
    parsed: Parsed,
}

fn read_folder(workspace: &Workspace) -> Result<Folder, String> {
    let (files, problems) = read_files(workspace)?;
    let mut read = Folder { problems, manifests: files.len(), ..Folder::default() };
    for file in files {
        let parsed = file.parsed;
        read.jobs.extend(parsed.jobs);
        read.problems.extend(parsed.problems);
        parsed.broken.into_iter().for_each(|(id, found)| read.broken.entry(id).or_default().extend(found));
    }
    Ok(read)
}

/// Below the jobs folder: what is hidden, or leads out of it, is passed over; the latter is noted.
pub(super) fn walk(folder: &Path, outside: &mut Vec<PathBuf>) -> Vec<Result<walkdir::DirEntry, walkdir::Error>> {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    // A link to a folder elsewhere could lead through the whole machine.
    let leaves = |entry: &walkdir::DirEntry| {
        let linked = entry.path_is_symlink() && entry.file_type().is_dir();
        linked && !entry.path().canonicalize().is_ok_and(|target| target.starts_with(&real))
    };
    let inside = |entry: &walkdir::DirEntry| {
        let leaves = entry.depth() > 0 && leaves(entry);
        if leaves {
            outside.push(entry.path().to_owned());
        }
        entry.depth() == 0 || (!hidden(entry.file_name()) && !leaves)
    };
    let mut entries: Vec<_> = walk.filter_entry(inside).collect();
    // A link to a folder above the jobs never reaches the filter: the walk reports it as a loop.
    entries.retain(|entry| {
        let looped = entry.as_ref().err().and_then(|error| error.path().zip(error.loop_ancestor()));
        let Some((link, target)) = looped else { return true };
        let leaves = !target.canonicalize().is_ok_and(|target| target.starts_with(&real));
        if leaves && !link.file_name().is_some_and(hidden) {
            outside.push(link.to_owned());
        }
        !leaves
    });
    entries
}

fn read_files(workspace: &Workspace) -> Result<(Vec<ReadFile>, Vec<Diagnostic>), String> {
    let folder = &workspace.jobs;
    let shown = folder.display();
    if !folder.is_dir() {
        let what = if folder.exists() { "is no folder" } else { "is missing" };
        return Err(format!("the jobs folder `{shown}` {what}; name the right one with `--jobs DIR`"));
    }
    folder.canonicalize().map_err(|e| format!("the jobs folder `{shown}` cannot be read: {e}"))?;
    let (mut files, mut problems, mut outside) = (Vec::new(), Vec::new(), Vec::new());
    for entry in walk(folder, &mut outside) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let message = format!("the jobs folder cannot be read: {error}");
                let file = error.path().unwrap_or(folder).display().to_string();
                problems.push(Diagnostic::of(Code::Unreadable, message).file(file));
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
            problems.push(problem.file(path.display().to_string()).help("rename it without the ending"));
            continue;
        }
        let shown = path.display().to_string();
        let (source, parsed) = match read_text(path) {
            Ok(text) => {
                let source = Arc::new(Source { path: shown.clone(), text });
                let within = path.parent().unwrap_or(folder).display().to_string();
                let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
                let parsed = manifest::parse(&source, &within, stem, &workspace.context);
                (Some(source), parsed)
            }
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
