//! `completions`: a script for a shell, and the completions that this script requests.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use clap_complete::CompleteEnv;
use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::flags::settings;
use super::render::Out;
use crate::catalog::load::Name;
use crate::catalog::load::job_names;
use crate::settings::Options;

/// The variable that the script sets to the name of the shell.
const VARIABLE: &str = "JOBCONTROL_COMPLETE";

/// Answers a shell that asks for completions of a command line. Returns false if no shell asks.
pub(super) fn complete<C: CommandFactory>(arguments: &[OsString]) -> bool {
    let here = std::env::current_dir().ok();
    let env = CompleteEnv::with_factory(C::command).var(VARIABLE);
    // A shell shows no errors from here.
    env.try_complete(arguments.iter().cloned(), here.as_deref()).unwrap_or(true)
}

/// Returns a parser of the shells that have a script.
pub(super) fn shell() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(Shells::builtins().names())
}

#[derive(Serialize)]
struct ScriptJson<'a> {
    shell: &'a str,
    script: String,
}

/// Prints the script of a shell.
pub(super) fn script(out: &Out, shell: &str) -> Result<u8, CliError> {
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(shell) {
        completer.write_registration(VARIABLE, "jobcontrol", "jobcontrol", "jobcontrol", &mut script)?;
    }
    if out.is_json() {
        out.json(&ScriptJson { shell, script: String::from_utf8_lossy(&script).into_owned() })?;
    } else {
        out.raw(&script)?;
    }
    Ok(error::DONE)
}

/// Returns the ids of all jobs, with their titles.
pub(super) fn jobs() -> Vec<CompletionCandidate> {
    let candidate = |job: Name| CompletionCandidate::new(job.id).help(job.title.map(Into::into));
    all().into_iter().map(candidate).collect()
}

/// Returns the tags of all jobs.
pub(super) fn tags() -> Vec<CompletionCandidate> {
    let tags: BTreeSet<String> = all().into_iter().flat_map(|job| job.tags).collect();
    tags.into_iter().map(CompletionCandidate::new).collect()
}

/// Returns the jobs of the folder that the unfinished command line names. Errors are ignored here:
/// they are reported when the command is run.
fn all() -> Vec<Name> {
    let given: Vec<String> = std::env::args().collect();
    let option = |name: &str, variable: &str| {
        let next = |at: usize| given.get(at + 1).cloned();
        let written = given.iter().enumerate().find_map(|(at, argument)| match argument.strip_prefix(name)? {
            "" => next(at),
            value => value.strip_prefix('=').map(str::to_owned),
        });
        written.or_else(|| std::env::var(variable).ok()).map(PathBuf::from)
    };
    let jobs = option("--jobs", "JOBCONTROL_JOBS");
    let options = Options { jobs, config: option("--config", "JOBCONTROL_CONFIG"), ..Options::default() };
    settings(&options).ok().and_then(|settings| job_names(&settings.workspace).ok()).unwrap_or_default()
}
