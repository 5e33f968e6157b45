//! `explain`: what a diagnostic code means.

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Example;
use jobcontrol_core::diagnostic::nearest;

use super::error;
use super::error::CliError;
use super::render::BOLD;
use super::render::Out;
use super::render::Page;
use super::render::styled;
use crate::show::json::CodeJson;

pub(super) fn explain(out: &Out, code: Option<&str>) -> Result<u8, CliError> {
    match code {
        None if out.is_json() => out.json(&Code::ALL.iter().copied().map(CodeJson::new).collect::<Vec<_>>())?,
        None => out.answer(list())?,
        Some(text) => {
            let code = Code::find(text).ok_or_else(|| unknown(text))?;
            if out.is_json() {
                out.json(&CodeJson::new(code))?;
            } else {
                out.answer(describe(code))?;
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

fn list() -> Page {
    let mut page = Page::default();
    for code in Code::ALL {
        page.line(format!("{}  {}", styled(BOLD, code), code.title()));
    }
    page
}

fn describe(code: Code) -> Page {
    let explanation = code.explanation();
    let mut page = Page::from(styled(BOLD, format_args!("{code}: {}", code.title())));
    page.gap();
    explanation.meaning.lines().for_each(|line| page.line(line));
    for (heading, examples) in [("Wrong:", &explanation.wrong), ("Right:", &explanation.right)] {
        page.gap();
        page.line(styled(BOLD, heading));
        examples.iter().for_each(|example| show(&mut page, example));
    }
    page
}

fn show(page: &mut Page, example: &Example) {
    page.gap();
    if let Some(file) = example.file {
        page.line(format!("  {file}"));
    }
    for line in example.text.lines() {
        page.line(format!("    {line}").trim_end());
    }
}
