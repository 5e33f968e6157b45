//! Where output goes, and in which colours.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::process::ExitCode;

use anstream::AutoStream;
use anstream::ColorChoice;
use anstyle::AnsiColor;
use anstyle::Style;
use jobcontrol_core::diagnostic::MAX_DIAGNOSTIC;
use jobcontrol_core::failure::cut_bytes;
use serde::Serialize;

use super::diagnostic;
use super::page::Page;
use super::shortened::FULL;
use super::shortened::RETVAL_LINES;
use super::shortened::shortened;
use crate::cli::error;
use crate::cli::error::CliError;
use crate::cli::flags::Color;
use crate::cli::flags::Format;
use crate::cli::stdout::stdout_is_open;
use crate::request::refusal::Refusal;
use crate::request::refusal::RefusalKind;
use crate::show::escape::clean;
use crate::show::escape::clean_json;
use crate::show::escape::one_line;
use crate::show::json::ErrorJson;

/// Where a command prints, and how.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) format: Format,
    choice: ColorChoice,
    /// Whether each JSON document is printed on one line.
    lines: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether return values are shown in full.
    pub(crate) full: bool,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Formats a text in a style.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

impl Out {
    pub(crate) fn new(format: Format, color: Color, quiet: bool, verbose: bool, full: bool) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { format, choice, lines: false, quiet, verbose, full }
    }

    /// Returns the same output with each JSON document on one line, for commands that print
    /// several.
    pub(crate) fn in_lines(&self) -> Self {
        Self { lines: true, ..self.clone() }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints the result of the command on standard output.
    pub(crate) fn answer(&self, page: impl Into<Page>) -> Result<(), CliError> {
        stdout_is_open()?;
        let mut stdout = AutoStream::new(io::stdout(), self.choice).lock();
        stdout.write_all(page.into().as_str().as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Prints what a build returned. On a terminal, the value is indented below a line that names
    /// the build, and shortened unless the full value is requested. Elsewhere it is printed as it
    /// is, with a line end if it has none.
    pub(crate) fn returned(&self, job: &str, build: u64, value: &str) -> Result<(), CliError> {
        if self.is_for_people() {
            let mut page = Page::from(format!("{job}: build {build} returned"));
            page.quote(if self.full { value.to_owned() } else { shortened(value, RETVAL_LINES, FULL) });
            return self.answer(page);
        }
        let end = if value.is_empty() || value.ends_with('\n') { "" } else { "\n" };
        self.raw(format!("{value}{end}").as_bytes())
    }

    /// Returns whether standard output is a terminal, so that a person reads the result.
    pub(crate) fn is_for_people(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Prints a drawing that consists of our own lines, such as a graph of ids.
    pub(crate) fn drawn(&self, text: &str) -> Result<(), CliError> {
        let mut page = Page::default();
        page.drawn(text);
        self.answer(page)
    }

    /// Prints bytes as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), CliError> {
        stdout_is_open()?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Prints one JSON document.
    pub(crate) fn json(&self, document: &impl Serialize) -> Result<(), CliError> {
        if self.lines {
            return self.json_line(document);
        }
        let text = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
        self.document(text)
    }

    /// Prints one JSON document on one line.
    pub(crate) fn json_line(&self, document: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(document).map_err(io::Error::other)?;
        self.document(text)
    }

    fn document(&self, mut text: String) -> Result<(), CliError> {
        text.push('\n');
        self.raw(clean_json(&text).as_bytes())
    }

    /// Prints a message on standard error. If standard error is gone, the program still goes on.
    pub(crate) fn say(&self, page: impl Into<Page>) {
        let mut stderr = AutoStream::new(io::stderr(), self.choice).lock();
        let _ = stderr.write_all(page.into().as_str().as_bytes());
    }

    /// Prints a warning on standard error.
    pub(crate) fn warn(&self, message: &str) {
        self.say(format!("{}: {}", styled(YELLOW, "warning"), bounded(message)));
    }

    /// Returns whether output on standard error is coloured.
    pub(crate) fn is_coloured(&self) -> bool {
        match self.choice {
            ColorChoice::Auto => anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never,
            choice => choice != ColorChoice::Never,
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        io::stderr().is_terminal() && !self.quiet
    }

    /// Asks for a line on the terminal. Returns `None` if there is no terminal.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        {
            let mut stderr = AutoStream::new(io::stderr(), self.choice).lock();
            let _ = write!(stderr, "{} ", one_line(question)).and_then(|()| stderr.flush());
        }
        let mut line = String::new();
        io::stdin().read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    }
}

/// Prints an error on standard error.
pub(crate) fn error(out: &Out, error: &CliError) {
    match error {
        CliError::Closed => {}
        CliError::Refused(refusal) if refusal.kind == RefusalKind::Unchecked => {
            out.say(diagnostic::report(&refusal.diagnostics));
        }
        CliError::Refused(refusal) => out.say(format!("{}: {}", styled(RED, "error"), bounded(&refusal.text()))),
    }
}

/// Cuts a message to the maximal length of a diagnostic, because part of it may come from a plugin.
fn bounded(message: &str) -> String {
    let mut text = clean(message).into_owned();
    cut_bytes(&mut text, MAX_DIAGNOSTIC);
    text
}

/// Prints an error for programs, as the only JSON document of the command.
pub(crate) fn error_document(out: &Out, error: &CliError) {
    if let CliError::Refused(refusal) = error
        && out.is_json()
    {
        let Refusal { kind, message, hints, diagnostics, .. } = &**refusal;
        // If it cannot be written, there is no reader to notify.
        let _ = out.json(&ErrorJson::new(kind.name(), message, hints, diagnostics));
    }
}

/// Prints for programs that a bug ended the command.
pub(crate) fn bug_document(out: &Out) {
    let hints = ["standard error says where".to_owned()];
    let _ = out.json(&ErrorJson::new("bug", "this is a bug in jobcontrol, please report it", &hints, &[]));
}

/// Prints help, the version, or what is wrong with the command line.
pub(crate) fn clap_message(error: &clap::Error) {
    let _ = error.print();
}

/// Returns what is wrong with the command line, without the usage text for people.
pub(crate) fn clap_text(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let message = text.split("\n\n").next().unwrap_or_default().trim();
    message.strip_prefix("error: ").unwrap_or(message).to_owned()
}

/// Returns the exit code of the process that compiles: its output is binary, its error message one
/// line.
pub(crate) fn interpreter_result(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

/// Reports a panic as a bug. Panics in decoders of plugins are not reported: their input is not
/// trusted, and each panic there is caught and reported as a mistake of the plugin.
pub(crate) fn announce_bugs() {
    std::panic::set_hook(Box::new(|info| {
        let decoder = info.location().is_some_and(|location| {
            ["wit-component", "wit-parser", "wasmparser", "wast-"].iter().any(|name| location.file().contains(name))
        });
        if !decoder {
            let message = Page::from(format!("this is a bug in jobcontrol, please report it: {info}"));
            let _ = io::stderr().write_all(message.as_str().as_bytes());
        }
    }));
}

/// Quits at once with the exit code of an interrupted run.
pub(crate) fn quit_now() -> ! {
    #[expect(clippy::exit, reason = "a second Ctrl-C quits at once")]
    std::process::exit(error::INTERRUPTED.into())
}
