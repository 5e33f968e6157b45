//! `check`: all that is wrong with the manifests, for people, for programs, or as SARIF.

use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Diagnostic;

use super::error;
use super::error::CliError;
use super::flags::Format;
use super::jobs::empty_folder;
use super::render::Out;
use super::render::diagnostic;
use super::render::sarif;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::show::json::CheckJson;

pub(super) fn check(app: &App, out: &Out, paths: &[PathBuf]) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::usage)?;
    let mut problems = about(catalog.diagnostics(), &wanted(paths)?);
    problems.extend(empty_folder(app, &catalog));
    let jobs = if problems.is_empty() { catalog.graph.jobs.len() } else { catalog.graph.dependencies.len() };
    if problems.is_empty() && out.format == Format::Human {
        out.answer(all_good(catalog.manifests, jobs))?;
        return Ok(error::DONE);
    }
    report(out, &problems, catalog.manifests, jobs)
}

/// The files that the person asks for, links resolved.
pub(super) fn wanted(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    paths.iter().map(|path| path.canonicalize().map_err(|e| missing(path, &e))).collect()
}

/// What stands in these files, or in no file.
pub(super) fn about(mut problems: Vec<Diagnostic>, wanted: &[PathBuf]) -> Vec<Diagnostic> {
    problems.retain(|problem| {
        let file = problem.path().and_then(|path| PathBuf::from(path).canonicalize().ok());
        wanted.is_empty() || file.is_none_or(|file| wanted.iter().any(|path| file.starts_with(path)))
    });
    problems
}

pub(super) fn all_good(manifests: usize, jobs: usize) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{} in {}: all good", count(jobs, "job"), count(manifests, "manifest"))
}

/// Shows mistakes in the format that was asked for.
pub(super) fn report(out: &Out, problems: &[Diagnostic], manifests: usize, jobs: usize) -> Result<u8, CliError> {
    match out.format {
        Format::Json => out.json(&CheckJson::new(manifests, jobs, problems))?,
        Format::Sarif => out.json(&sarif::log(problems))?,
        _ => out.answer(diagnostic::report(problems))?,
    }
    Ok(if problems.is_empty() { error::DONE } else { error::UNCHECKED })
}

fn missing(path: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format!("`{}`: {error}", path.display()))
}
