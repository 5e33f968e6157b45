//! `check`: all that is wrong with the manifests, for people, for programs, or as SARIF.

use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Diagnostic;

use super::Format;
use super::error;
use super::error::CliError;
use super::jobs::empty_folder;
use super::render::Out;
use super::render::diagnostic;
use super::render::json::CheckJson;
use super::render::sarif;
use crate::app::App;
use crate::execute::catalog::Catalog;

pub(super) fn check(app: &App, out: &Out, paths: &[PathBuf]) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::Usage)?;
    let wanted: Vec<_> =
        paths.iter().map(|path| path.canonicalize().map_err(|e| missing(path, &e))).collect::<Result<_, _>>()?;
    let concerns = |problem: &Diagnostic| {
        let file = problem.path().and_then(|path| PathBuf::from(path).canonicalize().ok());
        wanted.is_empty() || file.is_none_or(|file| wanted.iter().any(|path| file.starts_with(path)))
    };
    let mut problems = catalog.diagnostics();
    problems.retain(|problem| concerns(problem));
    problems.extend(empty_folder(app, &catalog));
    if problems.is_empty() && out.format == Format::Human {
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (jobs, manifests) = (count(catalog.graph.jobs.len(), "job"), count(catalog.manifests, "manifest"));
        out.answer(&format!("{jobs} in {manifests}: all good"))?;
        return Ok(error::DONE);
    }
    report(out, &problems, catalog.manifests, catalog.graph.dependencies.len())
}

/// Shows mistakes in the format that was asked for.
pub(super) fn report(out: &Out, problems: &[Diagnostic], manifests: usize, jobs: usize) -> Result<u8, CliError> {
    match out.format {
        Format::Json => out.json(&CheckJson::new(manifests, jobs, problems))?,
        Format::Sarif => out.json(&sarif::log(problems))?,
        _ => out.answer(&diagnostic::report(problems))?,
    }
    Ok(if problems.is_empty() { error::DONE } else { error::UNCHECKED })
}

fn missing(path: &Path, error: &std::io::Error) -> CliError {
    CliError::Usage(format!("`{}`: {error}", path.display()))
}
