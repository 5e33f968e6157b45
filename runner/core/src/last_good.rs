//! Chooses which version of each manifest is used while some of them are broken: today's, or the
//! last good one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::check::Graph;
use crate::check::Lookup;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::job::Job;
use crate::manifest::Parsed;
use crate::plan::dependents;

/// A manifest as it was read at one time, with its plugins at that time.
#[derive(Clone, Debug, Default)]
pub struct FileVersion {
    /// Its text; `None` if it could not be read.
    pub source: Option<Arc<Source>>,
    /// The jobs that could be read, each with the lookup result of its plugin.
    pub jobs: Vec<(Job, Lookup)>,
    /// The ids of the jobs that could not be read, with all problems of each.
    pub broken: Vec<(String, Vec<Diagnostic>)>,
    /// Problems of the file itself.
    pub problems: Vec<Diagnostic>,
    /// Warnings about things that work but are probably not intended.
    pub warnings: Vec<Diagnostic>,
}

impl FileVersion {
    /// Returns the content of the file as it was before plugins were looked up.
    pub fn parsed(&self) -> Parsed {
        Parsed {
            jobs: self.jobs.iter().map(|(job, _)| job.clone()).collect(),
            broken: self.broken.clone(),
            problems: self.problems.clone(),
            warnings: self.warnings.clone(),
        }
    }

    fn ids(&self) -> BTreeSet<&str> {
        let readable = self.jobs.iter().map(|(job, _)| job.id.as_str());
        readable.chain(self.broken.iter().map(|(id, _)| id.as_str())).collect()
    }

    /// Returns whether the text, the problems and the plugins are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let digests = |version: &Self| -> Vec<Option<Arc<str>>> {
            version.jobs.iter().map(|(_, plugin)| Some(Arc::clone(&plugin.as_ref().ok()?.digest))).collect()
        };
        self.source == other.source && self.problems == other.problems && digests(self) == digests(other)
    }

    /// Returns whether it has a mistake that no other file can fix.
    fn is_wrong_alone(&self) -> bool {
        !self.problems.is_empty() || !self.broken.is_empty() || self.jobs.iter().any(|(_, plugin)| plugin.is_err())
    }

    /// Returns a copy without the jobs with these ids.
    fn without(&self, ids: &BTreeSet<String>) -> Self {
        let mut rest = self.clone();
        rest.jobs.retain(|(job, _)| !ids.contains(&job.id));
        rest.broken.retain(|(id, _)| !ids.contains(id));
        rest
    }
}

/// Versions of files by path.
pub type Files = BTreeMap<String, Arc<FileVersion>>;

/// The last version of each file that had no problems.
#[derive(Clone, Debug, Default)]
pub struct LastGood {
    files: Files,
}

/// The versions of a folder's files that are used.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The versions that are used; those that have been good for longest come first.
    pub used: Vec<Arc<FileVersion>>,
    /// The files whose last good version stays in use and works.
    pub kept: Vec<String>,
    /// The last good versions from now on.
    pub last_good: LastGood,
}

impl LastGood {
    /// Creates the state after a read that found no problems.
    pub fn of(today: &Files) -> Self {
        Self { files: today.clone() }
    }

    /// Decides which version of each file is used. `check` combines versions into a graph; if two
    /// jobs have the same id, the first one gets it.
    ///
    /// A file with a mistake falls back to its last good version, including its plugins. Files that
    /// would not fit that version fall back with it. So do files from which a job has moved to a
    /// file that is not good yet, so that no job is lost while it moves.
    ///
    /// A file that replaces a deleted one inherits its last good version. The jobs of a deleted
    /// file without a replacement are gone.
    pub fn choose(&self, today: &Files, mut check: impl FnMut(&[Arc<FileVersion>]) -> Graph) -> Choice {
        let last = self.inherited(today);
        let mut fallen: BTreeSet<String> = BTreeSet::new();
        let mut stuck: BTreeSet<String> = BTreeSet::new();
        loop {
            let used = selected(today, &last, &fallen, &stuck);
            let graph = check(&used.values().cloned().collect::<Vec<_>>());
            let faulty = faulty(&graph, &used);
            let may_fall = |path: &&str| last.contains_key(*path) && !fallen.contains(*path);
            // First the files that are wrong regardless of the others: the rest may fit their last
            // good version.
            let alone = |path: &&str| used.get(&(true, &(*path).to_owned())).is_some_and(|v| v.is_wrong_alone());
            let mut falls: BTreeSet<&str> = faulty.iter().copied().filter(alone).filter(may_fall).collect();
            if falls.is_empty() {
                falls.extend(faulty.iter().copied().filter(may_fall));
            }
            let unsettled = fallen.iter().map(String::as_str).chain(faulty.iter().copied());
            falls.extend(givers(today, &last, unsettled).into_iter().filter(|path| may_fall(path)));
            let newly_stuck = faulty.iter().any(|path| !last.contains_key(*path) && !stuck.contains(*path));
            if falls.is_empty() && !newly_stuck {
                // Then the files that have no mistake themselves, but need a job that is broken.
                let broken: Vec<&str> = graph.broken.keys().map(String::as_str).collect();
                let needy = dependents(&graph, &broken);
                let hampered = used
                    .iter()
                    .filter(|(_, version)| version.jobs.iter().any(|(job, _)| needy.contains(job.id.as_str())));
                falls.extend(hampered.map(|((_, path), _)| path.as_str()).filter(may_fall));
            }
            if falls.is_empty() && !newly_stuck {
                let works = |path: &&String| !faulty.contains(path.as_str()) && !last[*path].is_same(&today[*path]);
                let kept = fallen.iter().filter(works).cloned().collect();
                let good = |path: &&String| fallen.contains(*path) || !faulty.contains(path.as_str());
                let version = |path: &String| if fallen.contains(path) { &last[path] } else { &today[path] };
                let files = today.keys().filter(good).map(|path| (path.clone(), Arc::clone(version(path))));
                let last_good = Self { files: files.collect() };
                return Choice { kept, last_good, used: used.values().cloned().collect() };
            }
            stuck.extend(faulty.iter().filter(|path| !last.contains_key(**path)).map(|path| (*path).to_owned()));
            let falls: Vec<String> = falls.into_iter().map(str::to_owned).collect();
            fallen.extend(falls);
        }
    }

    /// Returns the last good versions by today's paths.
    fn inherited(&self, today: &Files) -> Files {
        let mut last: Files = BTreeMap::new();
        let mut gone: Vec<&Arc<FileVersion>> = Vec::new();
        for (path, version) in &self.files {
            if today.contains_key(path) {
                last.insert(path.clone(), Arc::clone(version));
            } else {
                gone.push(version);
            }
        }
        for (path, version) in today.iter().filter(|(path, _)| !self.files.contains_key(*path)) {
            let ids = version.ids();
            if let Some(at) = gone.iter().position(|old| !old.ids().is_disjoint(&ids)) {
                last.insert(path.clone(), Arc::clone(gone.remove(at)));
            }
        }
        last
    }
}

/// Returns the versions in use, keyed by whether they are today's and by path. If two jobs have the
/// same id, the older version gets it.
fn selected<'a>(
    today: &'a Files,
    last: &Files,
    fallen: &BTreeSet<String>,
    stuck: &BTreeSet<String>,
) -> BTreeMap<(bool, &'a String), Arc<FileVersion>> {
    let owned = |but: &str| -> BTreeSet<String> {
        let others = last.iter().filter(|(path, _)| *path != but);
        let others = others.flat_map(|(path, old)| {
            let version = if fallen.contains(path) { old } else { &today[path] };
            version.ids().into_iter().filter(|id| old.ids().contains(id)).map(str::to_owned).collect::<Vec<_>>()
        });
        others.collect()
    };
    let version = |(path, version): (&'a String, &Arc<FileVersion>)| {
        if fallen.contains(path) {
            ((false, path), Arc::clone(&last[path]))
        } else if stuck.contains(path) {
            ((true, path), Arc::new(version.without(&owned(path))))
        } else {
            ((true, path), Arc::clone(version))
        }
    };
    today.iter().map(version).collect()
}

/// Returns the files that have a problem.
fn faulty<'a>(graph: &Graph, used: &BTreeMap<(bool, &'a String), Arc<FileVersion>>) -> BTreeSet<&'a str> {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    for (id, problems) in &graph.broken {
        // A job of a cycle is broken without a report, except for the first one.
        if problems.is_empty() {
            ids.insert(id);
        }
        paths.extend(problems.iter().filter_map(Diagnostic::path));
    }
    let wrong = |version: &FileVersion, path: &str| {
        let here = |job: &Job| paths.contains(job.place.source.path.as_str()) || ids.contains(job.id.as_str());
        let own = !version.problems.is_empty() || !version.broken.is_empty() || paths.contains(path);
        own || version.jobs.iter().any(|(job, _)| here(job))
    };
    used.iter().filter(|((_, path), version)| wrong(version, path)).map(|((_, path), _)| path.as_str()).collect()
}

/// Returns the files that have lost a job to one of `takers`: their last good version has it, and
/// today's version does not.
fn givers<'a>(today: &'a Files, last: &Files, takers: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut givers = BTreeSet::new();
    for taker in takers {
        let had = last.get(taker).map(|version| version.ids()).unwrap_or_default();
        let taken: BTreeSet<&str> = today.get(taker).map(|version| version.ids()).unwrap_or_default();
        let taken: BTreeSet<&str> = taken.difference(&had).copied().collect();
        for (path, version) in today.iter().filter(|(path, _)| *path != taker) {
            let given = |old: &Arc<FileVersion>| old.ids().difference(&version.ids()).any(|id| taken.contains(id));
            if last.get(path).is_some_and(given) {
                givers.insert(path.as_str());
            }
        }
    }
    givers
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::check::PluginProblem;
    use crate::check::check;
    use crate::diagnostic::Code;
    use crate::manifest::Context;
    use crate::manifest::parse;
    use crate::plugin::Plugin;
    use crate::plugin::PluginKind;
    use crate::types::Signature;
    use crate::types::Type;

    fn plugin(digest: &str, functions: &[&str]) -> Lookup {
        let function = |name: &&str| {
            let (name, result) = ((*name).to_owned(), Some(Type::String));
            Arc::new(Signature { interface: None, name, params: Vec::new(), result, docs: None, command: false })
        };
        Ok(Arc::new(Plugin {
            path: PathBuf::from("p.wasm"),
            kind: PluginKind::Component,
            digest: digest.into(),
            bytes: Arc::from([]),
            functions: functions.iter().map(function).collect(),
            refused: Vec::new(),
            imports: Vec::new(),
            misfit: None,
            stock_adapter: false,
            language: None,
            script: None,
        }))
    }

    /// Creates files from `ID NEEDS..; ID NEEDS..`. A job that begins with `?` calls a function
    /// that does not exist; `!` is not YAML.
    fn folder(files: &[(&str, &str)], plugin: &Lookup) -> Files {
        let file = |(path, jobs): &(&str, &str)| {
            let mut text = String::from("jobs:\n");
            for job in jobs.split("; ").filter(|job| !job.is_empty()) {
                let mut words = job.split(' ');
                let id = words.next().unwrap();
                if id == "!" {
                    text.push_str("{ [\n");
                    continue;
                }
                let function = if id.starts_with('?') { "gone" } else { "f" };
                let needs = words.collect::<Vec<_>>().join(", ");
                let id = id.trim_start_matches('?');
                text.push_str(&format!("  - {{ id: {id}, function: \"p:{function}\", dependencies: [{needs}] }}\n"));
            }
            let source = Arc::new(Source { path: (*path).to_owned(), text });
            let parsed = parse(&source, "jobs", "stem", &Context::default());
            let jobs = parsed.jobs.into_iter().map(|job| (job, plugin.clone())).collect();
            let Parsed { broken, problems, warnings, .. } = parsed;
            let version = FileVersion { source: Some(source), jobs, broken, problems, warnings };
            ((*path).to_owned(), Arc::new(version))
        };
        files.iter().map(file).collect()
    }

    fn together(versions: &[Arc<FileVersion>]) -> Graph {
        let mut broken: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
        for (id, problems) in versions.iter().flat_map(|version| &version.broken) {
            broken.entry(id.clone()).or_default().extend(problems.iter().cloned());
        }
        let (jobs, lookups): (Vec<_>, Vec<_>) =
            versions.iter().flat_map(|version| version.jobs.iter().cloned()).unzip();
        check(jobs, &lookups, broken)
    }

    /// Returns what is used after reading `readings` one after the other: `ID@FILE` of each job
    /// that can run, and the files that are kept.
    fn after(readings: &[&[(&str, &str)]]) -> (String, String) {
        let good = plugin("one", &["f"]);
        let readings: Vec<_> = readings.iter().map(|files| folder(files, &good)).collect();
        show(&choices(&readings))
    }

    fn choices(readings: &[Files]) -> Choice {
        let mut choice = Choice::default();
        for today in readings {
            choice = choice.last_good.choose(today, together);
        }
        choice
    }

    fn show(choice: &Choice) -> (String, String) {
        let graph = together(&choice.used);
        let runs = graph.jobs.values().filter(|job| {
            let closure = graph.closure([job.job.id.as_str()]);
            closure.iter().all(|id| graph.jobs.contains_key(*id) && !graph.broken.contains_key(*id))
        });
        let runs: Vec<_> = runs.map(|job| format!("{}@{}", job.job.id, job.job.place.source.path)).collect();
        (runs.join(" "), choice.kept.join(" "))
    }

    fn used(jobs: &str, kept: &str) -> (String, String) {
        (jobs.to_owned(), kept.to_owned())
    }

    #[test]
    fn a_broken_file_keeps_its_last_good_version_until_it_is_mended() {
        assert_eq!(after(&[&[("a", "x"), ("b", "y x")], &[("a", "!"), ("b", "y x")]]), used("x@a y@b", "a"));
        // Other files without mistakes are used as they are now.
        assert_eq!(after(&[&[("a", "x"), ("b", "y x")], &[("a", "!"), ("b", "y x; z")]]), used("x@a y@b z@b", "a"));
        assert_eq!(after(&[&[("a", "x")], &[("a", "?x")], &[("a", "!")]]), used("x@a", "a"));
        assert_eq!(after(&[&[("a", "x")], &[("a", "!")], &[("a", "x; z")]]), used("x@a z@a", ""));
    }

    #[test]
    fn a_file_that_never_was_good_stops_only_itself() {
        assert_eq!(after(&[&[("a", "x"), ("b", "?y; z")]]), used("x@a z@b", ""));
        assert_eq!(after(&[&[("a", "x")], &[("a", "x"), ("b", "!")]]), used("x@a", ""));
        // It takes no job from a file that already has it.
        assert_eq!(after(&[&[("b", "x")], &[("a", "x; y"), ("b", "x")]]), used("x@b y@a", ""));
        assert_eq!(after(&[&[("b", "x")], &[("a", "?x; y"), ("b", "x")]]), used("x@b y@a", ""));
    }

    #[test]
    fn a_file_that_is_gone_takes_its_jobs_along() {
        assert_eq!(after(&[&[("a", "x"), ("b", "y")], &[("b", "y")]]), used("y@b", ""));
        // Jobs that need them are refused, and work again when they are back.
        assert_eq!(after(&[&[("a", "x"), ("b", "y x")], &[("b", "y x")]]), used("", ""));
        assert_eq!(
            after(&[&[("a", "x"), ("b", "y x")], &[("b", "y x")], &[("a", "x"), ("b", "y x")]]),
            used("x@a y@b", "")
        );
    }

    #[test]
    fn a_renamed_file_inherits_what_was_good() {
        assert_eq!(after(&[&[("a", "x")], &[("b", "x")]]), used("x@b", ""));
        assert_eq!(after(&[&[("a", "x")], &[("b", "?x")]]), used("x@a", "b"));
        assert_eq!(after(&[&[("a", "x")], &[("b", "?x")], &[("b", "!")]]), used("x@a", "b"));
    }

    #[test]
    fn a_job_that_moves_is_never_lost_nor_there_twice() {
        let before: &[(&str, &str)] = &[("a", "x; y"), ("b", "z")];
        // The file that the job left is broken, or the file that received it, or both, or neither.
        assert_eq!(after(&[before, &[("a", "?y"), ("b", "z; x")]]), used("x@a y@a z@b", "a b"));
        assert_eq!(after(&[before, &[("a", "y"), ("b", "?z; x")]]), used("x@a y@a z@b", "a b"));
        assert_eq!(after(&[before, &[("a", "y"), ("b", "z; ?x")]]), used("x@a y@a z@b", "a b"));
        assert_eq!(after(&[before, &[("a", "!"), ("b", "z; ?x")]]), used("x@a y@a z@b", "a b"));
        assert_eq!(after(&[before, &[("a", "y"), ("b", "z; x")]]), used("x@b y@a z@b", ""));
        // The job moves to a file that is new and broken.
        assert_eq!(after(&[before, &[("a", "y"), ("b", "z"), ("c", "?x")]]), used("x@a y@a z@b", "a"));
    }

    #[test]
    fn what_fits_only_the_broken_version_stays_as_it_was() {
        let before: &[(&str, &str)] = &[("a", "x"), ("b", "y x")];
        // `b` needs a job that only the broken version of `a` has.
        assert_eq!(after(&[before, &[("a", "x; n; ?m"), ("b", "y n")]]), used("x@a y@b", "a b"));
        // `b` needs a job that is broken in a file that is new.
        assert_eq!(after(&[before, &[("a", "x"), ("b", "y n"), ("c", "?n")]]), used("x@a y@b", "b"));
        // Both wait for each other now.
        assert_eq!(after(&[before, &[("a", "x y"), ("b", "y x")]]), used("x@a y@b", "a"));
    }

    #[test]
    fn a_plugin_that_lost_a_function_stays_for_those_who_call_it() {
        let files: &[(&str, &str)] = &[("a", "x")];
        let today = [folder(files, &plugin("one", &["f"])), folder(files, &plugin("two", &["g"]))];
        let choice = choices(&today);
        assert_eq!(show(&choice), used("x@a", "a"));
        assert_eq!(&*together(&choice.used).jobs["x"].plugin.digest, "one");
        let damaged = Err(PluginProblem::new(Code::PluginDamaged, "damaged"));
        let today = [folder(files, &plugin("one", &["f"])), folder(files, &damaged)];
        assert_eq!(show(&choices(&today)), used("x@a", "a"));
        let today = [folder(files, &damaged), folder(files, &plugin("two", &["f"]))];
        assert_eq!(&*together(&choices(&today).used).jobs["x"].plugin.digest, "two");
    }
}
