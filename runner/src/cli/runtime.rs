//! `runtime`: the interpreters of scripts.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_sandbox::Language;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::Out;
use super::render::text::table;
use crate::app::App;
use crate::request::interpreter;

/// What to do with the interpreters.
#[derive(Subcommand, Debug)]
pub(super) enum RuntimeCommand {
    /// Install the interpreter of a language, once for all jobs of this user
    Install(InstallArgs),
    /// List the languages of scripts, and the interpreter of each
    List,
}

/// Which interpreter to install.
#[derive(Args, Debug)]
pub(super) struct InstallArgs {
    /// The language
    #[arg(value_enum)]
    language: Installable,
    /// Install this file, made on another machine, instead of building the interpreter
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Write the interpreter to this file for other machines, and do not install it
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    to: Option<PathBuf>,
}

/// Languages whose interpreters do not come with the program.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Installable {
    /// CPython 3.14, 25 MB
    Python,
}

#[derive(Serialize)]
struct RuntimeJson<'a> {
    language: &'a str,
    digest: Option<String>,
}

pub(super) fn runtime(app: &App, out: &Out, command: &RuntimeCommand) -> Result<u8, CliError> {
    match command {
        RuntimeCommand::Install(args) => install(app, out, args),
        RuntimeCommand::List => list(app, out),
    }
}

fn install(app: &App, out: &Out, args: &InstallArgs) -> Result<u8, CliError> {
    let Installable::Python = args.language;
    let bytes = match &args.from {
        Some(file) => fs::read(file).map_err(|e| CliError::usage(format!("`{}`: {e}", file.display())))?,
        None => interpreter::python(&|what| out.say(what))?,
    };
    interpreter::is_one(app.plugins(), &bytes)?;
    if let Some(file) = &args.to {
        fs::write(file, &bytes).map_err(|e| CliError::failed(format!("`{}`: {e}", file.display())))?;
        out.answer(format!("{} ({})\n", file.display(), show_bytes(bytes.len() as u64)))?;
        return Ok(error::DONE);
    }
    let failed = |e: std::io::Error| CliError::failed(format!("the interpreter cannot be installed: {e}"));
    let digest = app.plugins().runtimes().install(Language::Python, &bytes).map_err(failed)?;
    out.answer(format!("installed Python ({}), sha256:{digest}\n", show_bytes(bytes.len() as u64)))?;
    Ok(error::DONE)
}

fn list(app: &App, out: &Out) -> Result<u8, CliError> {
    let runtimes = app.plugins().runtimes();
    let all = [Language::JavaScript, Language::Python].map(|language| (language.name(), runtimes.current(language)));
    if out.is_json() {
        let shapes =
            all.map(|(language, digest)| RuntimeJson { language, digest: digest.map(|digest| digest.to_string()) });
        out.json(&shapes)?;
        return Ok(error::DONE);
    }
    let row = |(language, digest): &(&str, Option<std::sync::Arc<str>>)| {
        let told = digest.as_ref().map_or_else(|| "not installed".to_owned(), |digest| format!("sha256:{digest}"));
        vec![(*language).to_owned(), told]
    };
    out.answer(table(&["LANGUAGE", "INTERPRETER"], all.iter().map(row).collect()))?;
    Ok(error::DONE)
}
