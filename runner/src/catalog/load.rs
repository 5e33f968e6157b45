//! Turns a folder into checked jobs, with what each was granted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::check::Lookup;
use jobcontrol_core::check::check;
use jobcontrol_core::check::closure;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::collected;
use jobcontrol_core::job::Job;
use jobcontrol_core::last_good::FileVersion;
use jobcontrol_core::last_good::Files;
use jobcontrol_core::manifest::Parsed;
use jobcontrol_core::manifest::ids_of_text;
use jobcontrol_sandbox::Granted;

use crate::catalog::folder::Folder;
use crate::catalog::folder::ReadFile;
use crate::catalog::folder::read_files;
use crate::catalog::folder::read_folder;
use crate::catalog::grants::grant;
use crate::catalog::plugins::PluginFinder;
use crate::catalog::workspace::Workspace;

/// All jobs of a folder as they are now.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The jobs that fit, and what is wrong with the others.
    pub graph: Graph,
    /// What is wrong with whole files.
    pub problems: Vec<Diagnostic>,
    /// What each job was granted.
    pub granted: BTreeMap<String, Granted>,
    /// Warnings about what works but is probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The manifests that were found, as the person would type them.
    pub manifests: Vec<String>,
}

impl Catalog {
    /// Returns everything that is wrong, in the order of files and lines.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        collected(self.problems.iter().chain(self.graph.broken.values().flatten()))
    }

    /// Returns the same as [`Catalog::diagnostics`], with the warnings.
    pub fn diagnostics_and_warnings(&self) -> Vec<Diagnostic> {
        collected(self.problems.iter().chain(self.graph.broken.values().flatten()).chain(&self.warnings))
    }

    /// Returns a job with what it is granted.
    pub fn job(&self, id: &str) -> Option<(CheckedJob, Granted)> {
        let checked = self.graph.jobs.get(id)?.clone();
        Some((checked, self.granted.get(id).cloned().unwrap_or_default()))
    }

    /// Returns ids that seem to be in files that cannot be read.
    pub fn unread_ids(&self) -> Vec<String> {
        let sources = self.problems.iter().filter_map(|problem| Some(&*problem.label.as_ref()?.source.text));
        sources.collect::<BTreeSet<_>>().into_iter().flat_map(ids_of_text).collect()
    }

    /// Returns whether nothing is wrong; warnings do not count.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.graph.broken.is_empty()
    }

    /// Reads and checks a folder.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder itself cannot be read.
    pub fn load(workspace: &Workspace) -> Result<Self, String> {
        Ok(checked(workspace, read_folder(workspace)?))
    }

    /// Does the same as [`Catalog::load`], but reads only the plugins that `targets` need, as long
    /// as nothing is wrong with them.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder itself cannot be read.
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
            let some = Folder { jobs, manifests: folder.manifests.clone(), ..Folder::default() };
            let partial = checked(workspace, some);
            if partial.is_sound() {
                return Ok(Self { problems: folder.problems, ..partial });
            }
        }
        Ok(checked(workspace, folder))
    }
}

/// The id, the title and the tags of a job.
#[derive(Clone, Debug)]
pub struct Name {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// Returns the name of every job in a folder, without reading plugins.
///
/// # Errors
///
/// Returns an error if the folder itself cannot be read.
pub fn job_names(workspace: &Workspace) -> Result<Vec<Name>, String> {
    let name = |job: Job| Name { id: job.id, title: job.title, tags: job.tags };
    Ok(read_folder(workspace)?.jobs.into_iter().map(name).collect())
}

fn checked(workspace: &Workspace, folder: Folder) -> Catalog {
    let Folder { jobs, broken, problems, warnings, manifests } = folder;
    let mut finder = PluginFinder::new(workspace);
    let found = jobs.into_iter().map(|job| {
        let lookup = finder.find(&job);
        (job, lookup)
    });
    let found = found.collect();
    let mut catalog = Catalog { problems, warnings, manifests, ..together(workspace, found, broken) };
    finder.mention_hidden(&mut catalog.graph);
    catalog
}

/// Checks jobs with the plugins that were found for them, and resolves what they are granted.
fn together(workspace: &Workspace, found: Vec<(Job, Lookup)>, broken: BTreeMap<String, Vec<Diagnostic>>) -> Catalog {
    let mut granted = BTreeMap::new();
    let mut refused: Vec<(String, Diagnostic)> = Vec::new();
    for (job, plugin) in &found {
        let (grants, problems) = grant(workspace, job, plugin.as_deref().ok());
        // If two jobs have the same id, the first one counts.
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

/// A folder as it was read at one moment, file by file.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The files.
    pub(super) files: Files,
    /// All of them checked together.
    pub(super) catalog: Catalog,
}

impl Reading {
    /// Reads and checks a folder. `before` holds files that were read by the same rules. Plugins in
    /// `known` have not changed since they were read.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder itself cannot be read.
    pub(super) fn take(workspace: &Workspace, before: &Files, known: HashMap<PathBuf, Lookup>) -> Result<Self, String> {
        let (read, found) = read_files(workspace, before)?;
        let (mut warnings, problems): (Vec<_>, Vec<_>) = found.into_iter().partition(Diagnostic::is_warning);
        let mut finder = PluginFinder::with(workspace, known);
        let files = read.into_iter().map(|ReadFile { path, source, parsed }| {
            let Parsed { jobs, broken, problems, warnings: of_file } = parsed;
            warnings.extend(of_file.iter().cloned());
            let found = jobs.into_iter().map(|job| {
                let lookup = finder.find(&job);
                (job, lookup)
            });
            let jobs = found.collect();
            (path, Arc::new(FileVersion { source, jobs, broken, problems, warnings: of_file }))
        });
        let files: Files = files.collect();
        let mut catalog = Catalog::of(workspace, files.values());
        catalog.manifests = files.keys().cloned().collect();
        finder.mention_hidden(&mut catalog.graph);
        catalog.problems.extend(problems);
        catalog.warnings = warnings;
        Ok(Self { files, catalog })
    }
}

impl Catalog {
    /// Checks versions of files together.
    pub(super) fn of<'a>(workspace: &Workspace, files: impl IntoIterator<Item = &'a Arc<FileVersion>>) -> Self {
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        let mut broken: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
        for file in files {
            found.extend(file.jobs.iter().cloned());
            problems.extend(file.problems.iter().cloned());
            for (id, wrong) in &file.broken {
                broken.entry(id.clone()).or_default().extend(wrong.iter().cloned());
            }
        }
        Self { problems, ..together(workspace, found, broken) }
    }
}
