//! `secrets`: which of the operator's secrets can be read.

use clap::Subcommand;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::GREEN;
use super::render::Out;
use super::render::Page;
use super::render::RED;
use super::render::styled;
use crate::app::App;
use crate::show::escape::one_line;

/// What to do with the secrets of the operator's file.
#[derive(Subcommand, Debug)]
pub(super) enum SecretsCommand {
    /// Read each secret of jobcontrol.yaml as a build would, and say which are available; values
    /// are never shown
    Check,
}

#[derive(Serialize)]
struct SecretJson {
    name: String,
    source: String,
    ready: bool,
    problem: Option<String>,
}

pub(super) fn secrets(app: &App, out: &Out, command: &SecretsCommand) -> Result<u8, CliError> {
    let SecretsCommand::Check = command;
    let found = app.secrets().map_err(|error| CliError::failed(error.to_string()))?;
    let all_ready = found.iter().all(|secret| secret.problem.is_none());
    let code = if all_ready { error::DONE } else { error::FAILED };
    if out.is_json() {
        let shape = |secret: crate::execute::secrets::Standing| SecretJson {
            name: secret.name,
            source: secret.source,
            ready: secret.problem.is_none(),
            problem: secret.problem,
        };
        out.json(&found.into_iter().map(shape).collect::<Vec<_>>())?;
        return Ok(code);
    }
    let mut page = Page::default();
    let width = found.iter().map(|secret| secret.name.len()).max().unwrap_or(0);
    for secret in &found {
        let (style, state, text) = match &secret.problem {
            None => (GREEN, "ready  ", &secret.source),
            Some(problem) => (RED, "missing", problem),
        };
        page.line(format!("{:<width$}  {}  {}", secret.name, styled(style, state), one_line(text)));
    }
    if found.is_empty() {
        page.line("jobcontrol.yaml has no secrets");
    }
    out.answer(page)?;
    Ok(code)
}
