//! `new`: creates a folder to start from.

use clap::Args;
use clap::ValueEnum;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::Out;
use super::render::Page;
use crate::request::template;
use crate::request::template::Form;

/// What to make.
#[derive(Args, Debug)]
pub(super) struct NewArgs {
    /// The name of the folder, and the id of its job
    name: String,
    /// The language of the job
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: Lang,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    /// JavaScript
    Js,
    /// TypeScript
    Ts,
    /// Python
    Python,
    /// Rust
    Rust,
}

#[derive(Serialize)]
struct MadeJson {
    files: Vec<String>,
}

pub(super) fn new(out: &Out, args: &NewArgs) -> Result<u8, CliError> {
    let form = match args.lang {
        Lang::Js => Form::JavaScript,
        Lang::Ts => Form::TypeScript,
        Lang::Python => Form::Python,
        Lang::Rust => Form::Rust,
    };
    let files = template::make(&args.name, form)?;
    if out.is_json() {
        out.json(&MadeJson { files })?;
        return Ok(error::DONE);
    }
    let mut page = Page::default();
    files.iter().for_each(|file| page.line(file.as_str()));
    page.gap();
    let make = if form == Form::Rust { "jobcontrol make && " } else { "" };
    page.line(format!("cd {0} && {make}jobcontrol run {0}", args.name));
    out.answer(page)?;
    Ok(error::DONE)
}
