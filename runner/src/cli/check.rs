//! `check`: shows all mistakes in the manifests, for people, for programs, or as SARIF.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::check::Graph;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;

use super::error;
use super::error::CliError;
use super::flags::Format;
use super::jobs::empty_folder;
use super::render::Out;
use super::render::diagnostic;
use super::render::sarif;
use crate::app::App;
use crate::catalog::asked::FilesRead;
use crate::catalog::load::Catalog;
use crate::catalog::workspace::Workspace;
use crate::request::refusal::Refusal;
use crate::show::json::CheckJson;

pub(super) fn check(app: &App, out: &Out, paths: &[PathBuf], deny_warnings: bool) -> Result<u8, CliError> {
    let workspace = &app.settings.workspace;
    let catalog = Catalog::load(workspace).map_err(CliError::usage)?;
    let wanted = wanted(workspace, &catalog.manifests, paths)?;
    let counts = Counts::of(&catalog.manifests, &catalog.graph, &wanted);
    let mut problems = about(catalog.diagnostics_and_warnings(), &wanted);
    add_unread(&mut problems, workspace, &catalog.manifests, &wanted);
    problems.extend(empty_folder(app, &catalog));
    let code = report(out, &problems, counts)?;
    Ok(if deny_warnings && !problems.is_empty() { error::UNCHECKED } else { code })
}

/// A requested file, as it was typed and with its links resolved.
pub(super) struct Wanted {
    typed: PathBuf,
    real: PathBuf,
}

/// Resolves the requested files. `manifests` holds the names to suggest for a mistyped one.
pub(super) fn wanted(workspace: &Workspace, manifests: &[String], paths: &[PathBuf]) -> Result<Vec<Wanted>, CliError> {
    let resolve = |path: &PathBuf| match path.canonicalize() {
        Ok(real) => Ok(Wanted { typed: path.clone(), real }),
        // A link to a missing file is reported as a mistake of the folder.
        Err(_) if path.is_symlink() => Ok(Wanted { typed: path.clone(), real: path.clone() }),
        Err(error) => Err(missing(path, &error, FilesRead::new(workspace, manifests).near(path))),
    };
    paths.iter().map(resolve).collect()
}

/// Keeps the problems that are in these files, or in no file.
pub(super) fn about(mut problems: Vec<Diagnostic>, wanted: &[Wanted]) -> Vec<Diagnostic> {
    problems.retain(|problem| {
        let Some(path) = problem.path().filter(|_| !wanted.is_empty()) else { return true };
        // A path that cannot be resolved, such as a dangling link, is compared with what was typed.
        let real = Path::new(path).canonicalize();
        wanted.iter().any(|wanted| match &real {
            Ok(real) => real.starts_with(&wanted.real),
            Err(_) => Path::new(path).starts_with(&wanted.typed),
        })
    });
    problems
}

/// Reports each requested file that is not read, and why.
pub(super) fn add_unread(
    problems: &mut Vec<Diagnostic>,
    workspace: &Workspace,
    manifests: &[String],
    wanted: &[Wanted],
) {
    if wanted.is_empty() {
        return;
    }
    let read = FilesRead::new(workspace, manifests);
    for path in wanted {
        if let Err(problem) = read.look_for(&path.typed, &path.real) {
            // The warning of the folder says the same.
            problems.retain(|other| other.code != Code::NotRead || Path::new(other.path().unwrap_or("")) != path.typed);
            problems.push(problem);
        }
    }
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) manifests: usize,
    pub(super) jobs: usize,
}

impl Counts {
    /// Counts the requested manifests, and their jobs as far as they can be read.
    pub(super) fn of(manifests: &[String], graph: &Graph, wanted: &[Wanted]) -> Self {
        if wanted.is_empty() {
            return Self { manifests: manifests.len(), jobs: graph.dependencies.len() };
        }
        let real: Vec<_> = wanted.iter().map(|path| path.real.clone()).collect();
        let own: BTreeSet<&str> =
            manifests.iter().map(String::as_str).filter(|path| FilesRead::is_wanted(path, &real)).collect();
        let jobs = graph.jobs.values().filter(|checked| own.contains(checked.job.place.source.path.as_str()));
        Self { manifests: own.len(), jobs: jobs.count() }
    }

    /// Returns the message for the case that nothing is wrong.
    pub(super) fn all_good(self) -> String {
        format!("{self}: all good")
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        write!(f, "{} in {}", count(self.jobs, "job"), count(self.manifests, "manifest"))
    }
}

/// Shows mistakes in the requested format.
pub(super) fn report(out: &Out, problems: &[Diagnostic], counts: Counts) -> Result<u8, CliError> {
    let is_sound = problems.iter().all(Diagnostic::is_warning);
    match out.format {
        Format::Json => out.json(&CheckJson::new(counts.manifests, counts.jobs, problems))?,
        Format::Sarif => out.json(&sarif::log(problems))?,
        _ if problems.is_empty() => out.answer(counts.all_good())?,
        _ => {
            let mut page = diagnostic::report(problems);
            if is_sound {
                page.line(format!("{counts}: no errors"));
            }
            out.answer(page)?;
        }
    }
    Ok(if is_sound { error::DONE } else { error::UNCHECKED })
}

fn missing(path: &Path, error: &std::io::Error, near: Option<String>) -> CliError {
    let refusal = Refusal::usage(format!("`{}`: {error}", path.display()));
    refusal.did_you_mean(near).into()
}
