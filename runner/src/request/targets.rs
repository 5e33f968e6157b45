//! Which jobs a person names, and whether their graph is sound.

use std::collections::BTreeSet;

use jobcontrol_core::check::Graph;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::collected;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::glob::GlobError;
use jobcontrol_core::glob::JobGlob;
use jobcontrol_core::plan;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;
use crate::catalog::load::Name;
use crate::catalog::load::job_names;
use crate::catalog::workspace::Workspace;
use crate::request::refusal::Place;
use crate::request::refusal::Refusal;

/// Refuses targets that do not exist, or whose dependency graph has mistakes.
///
/// # Errors
///
/// Returns a refusal if a job does not exist, or with the mistakes in the manifests of its graph.
pub fn sound(catalog: &Catalog, targets: &[&str]) -> Result<(), Refusal> {
    let known = |id: &&str| catalog.graph.jobs.contains_key(*id) || catalog.graph.broken.contains_key(*id);
    if let Some(id) = targets.iter().find(|id| !known(id)) {
        // It may be in one of the files that cannot be read.
        if catalog.problems.is_empty() {
            return Err(no_job(catalog, id));
        }
        let message = format!("there is no job `{id}` in the files that can be read");
        let near = nearest(id, catalog.graph.dependencies.keys().map(String::as_str));
        let missing = Diagnostic::of(Code::NoSuchJob, message);
        let missing = missing.maybe_help(near.map(|near| format!("did you mean `{near}`?")));
        // The files that mention it come first.
        let mut others: Vec<Diagnostic> = catalog.problems.clone();
        others.sort_by_key(|problem| !problem.label.as_ref().is_some_and(|label| names(&label.source.text, id)));
        return Err(Refusal::unchecked(std::iter::once(missing).chain(others).collect()));
    }
    // The targets come first, then their dependencies.
    let of_targets = |id: &&str| targets.contains(id);
    let closure = catalog.graph.closure(targets.iter().copied());
    let (own, needed): (Vec<&str>, Vec<&str>) = closure.iter().copied().partition(of_targets);
    let wrong = |ids: &[&str]| collected(ids.iter().filter_map(|id| catalog.graph.broken.get(*id)).flatten());
    let mut problems = wrong(&own);
    problems.extend(wrong(&needed));
    if !problems.is_empty() {
        // A missing job may be in a file that cannot be read.
        if !closure.iter().all(known) {
            problems.extend(collected(&catalog.problems));
        }
        return Err(Refusal::unchecked(problems));
    }
    Ok(())
}

/// Returns whether a text contains the id as a word.
fn names(text: &str, id: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(id).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part) && !text[at + id.len()..].chars().next().is_some_and(part)
    })
}

/// Creates a refusal because a job does not exist, with a suggestion.
pub fn no_job(catalog: &Catalog, id: &str) -> Refusal {
    let near = nearest(id, catalog.graph.dependencies.keys().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if id.contains(['/', '.']) => {
            "a job is named by its id, not by its file; `jobcontrol jobs` lists them".to_owned()
        }
        None => "`jobcontrol jobs` lists them".to_owned(),
    };
    Refusal::not_found(format!("there is no job `{id}`")).hint(help)
}

/// Returns the jobs with a tag in the current manifests, including jobs whose manifests have
/// mistakes.
///
/// # Errors
///
/// Returns a refusal if no job has the tag, or if the folder cannot be read.
pub fn tagged(workspace: &Workspace, tag: &str) -> Result<BTreeSet<String>, Refusal> {
    Ok(with_tag(&job_names(workspace).map_err(Refusal::usage)?, tag)?.collect())
}

fn with_tag<'a>(names: &'a [Name], tag: &'a str) -> Result<impl Iterator<Item = String> + 'a, Refusal> {
    let mut with = names.iter().filter(move |job| job.tags.iter().any(|other| other == tag)).peekable();
    if with.peek().is_none() {
        let tags = names.iter().flat_map(|job| &job.tags).map(String::as_str);
        return Err(Refusal::not_found(format!("no job has the tag `{tag}`")).did_you_mean(nearest(tag, tags)));
    }
    Ok(with.map(|job| job.id.clone()))
}

/// Jobs by names, patterns such as `sales-*`, tags, or all of them.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Names and patterns.
    pub named: &'a [String],
    /// Tags.
    pub tags: &'a [String],
    /// All jobs.
    pub all: bool,
}

impl Choice<'_> {
    /// Returns the chosen jobs, each once.
    ///
    /// # Errors
    ///
    /// Returns a refusal if no job matches a pattern or a tag, or if the folder cannot be read.
    pub fn of_folder(&self, workspace: &Workspace) -> Result<Vec<String>, Refusal> {
        // Plain names are looked up later, when their jobs are read.
        let needs_names = self.all || !self.tags.is_empty() || self.named.iter().any(|name| is_glob(name));
        let names = if needs_names { job_names(workspace).map_err(Refusal::usage)? } else { Vec::new() };
        self.of_names(&names)
    }

    /// Does the same as [`Choice::of_folder`] among jobs that were read before. Patterns, tags and
    /// `all` match only the jobs that `may` allows, so that they reveal no others.
    ///
    /// # Errors
    ///
    /// Returns a refusal if no job matches a name, a pattern or a tag, or if a name is given twice.
    pub(crate) fn of_catalog(&self, catalog: &Catalog, may: impl Fn(&str) -> bool) -> Result<Vec<String>, Refusal> {
        for (at, name) in self.named.iter().enumerate().filter(|(_, name)| !is_glob(name)) {
            let twice = self.named[..at].contains(name);
            let twice = twice.then(|| Refusal::usage(format!("`{name}` is named twice")));
            if let Some(refusal) = twice.or_else(|| known_in(catalog, name).err()) {
                return Err(refusal.at(Place::Target(Some(at))));
            }
        }
        let ids = catalog.graph.dependencies.keys().chain(catalog.graph.broken.keys());
        let ids: BTreeSet<&String> = ids.filter(|id| may(id)).collect();
        let name = |id: &String| {
            let job = catalog.graph.jobs.get(id).map(|checked| &checked.job);
            let tags = job.map(|job| job.tags.clone()).unwrap_or_default();
            Name { id: id.clone(), title: None, tags }
        };
        self.of_names(&ids.into_iter().map(name).collect::<Vec<_>>())
    }

    fn of_names(&self, names: &[Name]) -> Result<Vec<String>, Refusal> {
        let mut chosen: Vec<String> = Vec::new();
        let mut choose = |id: String| {
            if !chosen.contains(&id) {
                chosen.push(id);
            }
        };
        if self.all {
            if names.is_empty() {
                return Err(Refusal::not_found("there are no jobs"));
            }
            names.iter().for_each(|job| choose(job.id.clone()));
        }
        for (at, name) in self.named.iter().enumerate() {
            if !is_glob(name) {
                choose(name.clone());
                continue;
            }
            let place = Place::Target(Some(at));
            let glob: JobGlob =
                name.parse().map_err(|error: GlobError| Refusal::usage(error.to_string()).at(place.clone()))?;
            let mut fitting = names.iter().filter(|job| glob.fits(&job.id)).peekable();
            if fitting.peek().is_none() {
                let refusal = Refusal::not_found(format!("no job matches `{name}`")).at(place);
                return Err(refusal.hint("`jobcontrol jobs` lists them"));
            }
            fitting.for_each(|job| choose(job.id.clone()));
        }
        for tag in self.tags {
            with_tag(names, tag)?.for_each(&mut choose);
        }
        Ok(chosen)
    }
}

/// Returns whether a name is a pattern.
pub(crate) fn is_glob(name: &str) -> bool {
    name.contains('*')
}

/// Refuses a name that neither a manifest nor the store has. The store keeps the builds of removed
/// jobs.
///
/// # Errors
///
/// Returns a refusal if the job does not exist, or if the store cannot be read.
pub fn known_job(workspace: &Workspace, storage: &dyn Storage, job: &str) -> Result<(), Refusal> {
    let any = BuildFilter { limit: 1, brief: true, ..BuildFilter::job(job) };
    if !storage.get_job_builds(&any)?.is_empty() {
        return Ok(());
    }
    // If the manifests cannot be read, the job may exist.
    Catalog::load(workspace).map_or(Ok(()), |catalog| known_in(&catalog, job))
}

/// Refuses a name that no manifest of a catalog has.
///
/// # Errors
///
/// Returns a refusal if the job does not exist.
pub fn known_in(catalog: &Catalog, job: &str) -> Result<(), Refusal> {
    let known = catalog.graph.dependencies.contains_key(job) || catalog.graph.broken.contains_key(job);
    if known || catalog.unread_ids().iter().any(|id| id == job) { Ok(()) } else { Err(no_job(catalog, job)) }
}

/// A graph in which all dependents of the targets can be built.
pub struct Sound {
    /// The graph.
    pub graph: Graph,
    /// The dependents of the targets that cannot be built.
    pub left_out: Vec<String>,
}

/// With `revdeps`, removes from the graph the dependents of `targets` that cannot be built. They do
/// not prevent other builds: whatever depends on them has a broken graph, too, and is removed as
/// well.
pub fn without_broken(catalog: &Catalog, targets: &[&str], revdeps: bool) -> Sound {
    let mut graph = catalog.graph.clone();
    let mut left_out = Vec::new();
    if revdeps {
        let broken = |id: &&str| !catalog.graph.problems_of([*id]).is_empty() || !catalog.graph.jobs.contains_key(*id);
        let dependents = plan::dependents(&catalog.graph, targets);
        left_out = dependents.into_iter().filter(broken).map(str::to_owned).collect();
        graph.dependencies.retain(|id, _| !left_out.contains(id));
    }
    Sound { graph, left_out }
}
