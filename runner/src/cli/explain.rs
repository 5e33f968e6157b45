//! `explain`: what the code of a mistake means.

use std::fmt::Write;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Example;
use jobcontrol_core::diagnostic::nearest;

use super::error;
use super::error::CliError;
use super::render::BOLD;
use super::render::Out;
use super::render::styled;
use crate::show::json::CodeJson;

pub(super) fn explain(out: &Out, code: Option<&str>) -> Result<u8, CliError> {
    match code {
        None if out.is_json() => out.json(&Code::ALL.iter().copied().map(CodeJson::new).collect::<Vec<_>>())?,
        None => out.answer(&list())?,
        Some(text) => {
            let code = Code::find(text).ok_or_else(|| unknown(text))?;
            if out.is_json() {
                out.json(&CodeJson::new(code))?;
            } else {
                out.answer(&describe(code))?;
            }
        }
    }
    Ok(error::DONE)
}

fn unknown(text: &str) -> CliError {
    let near = nearest(text, Code::ALL.iter().map(|code| code.id()));
    let near = near.map(|near| format!("did you mean `{near}`?"));
    let help = near.unwrap_or_else(|| "`jobcontrol explain` lists all of them".to_owned());
    CliError::not_found(format!("there is no code `{text}`; {help}"))
}

fn list() -> String {
    let mut text = String::new();
    for code in Code::ALL {
        let _ = writeln!(text, "{}  {}", styled(BOLD, code), code.title());
    }
    text
}

fn describe(code: Code) -> String {
    let explanation = code.explanation();
    let mut text = format!("{}\n\n{}\n", styled(BOLD, format_args!("{code}: {}", code.title())), explanation.meaning);
    for (heading, examples) in [("Wrong:", &explanation.wrong), ("Right:", &explanation.right)] {
        let _ = write!(text, "\n{}\n", styled(BOLD, heading));
        examples.iter().for_each(|example| show(&mut text, example));
    }
    text
}

fn show(text: &mut String, example: &Example) {
    text.push('\n');
    if let Some(file) = example.file {
        let _ = writeln!(text, "  {file}");
    }
    for line in example.text.lines() {
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
}
