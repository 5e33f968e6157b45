//! One mistake in a user's files, with its places.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::code::Code;
use super::code::Severity;
use super::names::listed;
use super::source::Source;
use super::source::Span;
use crate::failure::cut_bytes;

/// Largest text of one mistake, in bytes: nobody reads more, and a plugin controls part of it.
pub const MAX_DIAGNOSTIC: usize = 4 << 10;
/// Largest message, in bytes.
const MESSAGE: usize = 1_024;
/// Largest text of all labels together, in bytes.
const LABELS: usize = 1_024;
/// Largest text of all help together, in bytes.
const HELP: usize = 1_900;

/// A place in a file, with a few words about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file.
    pub source: Arc<Source>,
    /// The place.
    pub span: Span,
    /// The text beside the caret; may be empty.
    pub text: String,
}

/// One mistake in a user's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake it is.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// The place of the mistake. `None` if it concerns a whole file or folder, which the message
    /// then names.
    pub label: Option<Label>,
    /// The whole file or folder, as the user would type it, if there is no place.
    pub file: Option<String>,
    /// The job that calls the plugin, if the mistake is in the plugin and affects every job that
    /// calls it.
    pub caller: Option<String>,
    /// Other places that belong to the mistake, such as the first of two duplicates.
    pub related: Vec<Label>,
    /// How to fix it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// Creates a mistake at a place.
    pub fn at(code: Code, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        let label = Label { source: Arc::clone(source), span, text: String::new() };
        Self { label: Some(label), ..Self::of(code, message) }
    }

    /// Creates a mistake of a whole file or folder.
    pub fn of(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        cut_to(&mut message, MESSAGE);
        Self { code, message, label: None, file: None, caller: None, related: Vec::new(), help: Vec::new() }
    }

    /// Sets the file or folder that the mistake concerns as a whole.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Returns how bad the mistake is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Returns whether it is only a warning, which stops nothing.
    pub fn is_warning(&self) -> bool {
        self.severity() == Severity::Warning
    }

    /// Returns the file that the mistake concerns, as the user would type it.
    pub fn path(&self) -> Option<&str> {
        self.label.as_ref().map(|label| label.source.path.as_str()).or(self.file.as_deref())
    }

    /// Sets the text beside the caret.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        let mut text = text.into();
        cut_to(&mut text, LABELS - self.label_bytes());
        if let Some(label) = &mut self.label {
            label.text = text;
        }
        self
    }

    /// Adds a help line that says how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.push_help(help.into());
        self
    }

    /// Adds a help line, if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        help.into_iter().for_each(|help| self.push_help(help));
        self
    }

    /// Adds another place that belongs to the mistake.
    #[must_use]
    pub fn related(mut self, source: &Arc<Source>, span: Span, text: impl Into<String>) -> Self {
        self.push_related(Label { source: Arc::clone(source), span, text: text.into() });
        self
    }

    fn push_help(&mut self, mut help: String) {
        let left = HELP - self.help.iter().map(String::len).sum::<usize>();
        cut_to(&mut help, left);
        if !help.is_empty() {
            self.help.push(help);
        }
    }

    fn push_related(&mut self, mut label: Label) {
        cut_to(&mut label.text, LABELS - self.label_bytes());
        self.related.push(label);
    }

    fn label_bytes(&self) -> usize {
        self.label.iter().chain(&self.related).map(|label| label.text.len()).sum()
    }

    /// Returns the key to sort mistakes by: the file, then the place.
    pub fn order(&self) -> (&str, usize) {
        (self.path().unwrap_or(""), self.label.as_ref().map_or(0, |label| label.span.start))
    }
}

/// Cuts a text to at most `max` bytes, including the mark that says so.
fn cut_to(text: &mut String, max: usize) {
    const SAID: usize = ".. (cut)".len();
    if text.len() > max {
        cut_bytes(text, max.saturating_sub(SAID));
        text.truncate(text.floor_char_boundary(max));
    }
}

/// Number of other callers whose lines are shown; the rest are only named.
const CALLERS_SHOWN: usize = 2;

/// Sorts mistakes by file and line, and merges equal mistakes of a plugin into one that lists the
/// jobs that call it.
pub fn collected<'a>(problems: impl IntoIterator<Item = &'a Diagnostic>) -> Vec<Diagnostic> {
    let mut sorted: Vec<_> = problems.into_iter().collect();
    sorted.sort_by(|a, b| a.order().cmp(&b.order()));
    // An error makes a warning at the same place redundant.
    let errors: BTreeSet<_> = sorted.iter().filter(|problem| !problem.is_warning()).map(|p| p.order()).collect();
    sorted.retain(|problem| !problem.is_warning() || problem.label.is_none() || !errors.contains(&problem.order()));
    let mut out: Vec<Diagnostic> = Vec::new();
    let mut seen: HashMap<(Code, &str, &[String]), usize> = HashMap::new();
    let mut callers: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for problem in sorted {
        let first = match &problem.caller {
            Some(_) => *seen.entry((problem.code, &problem.message, &problem.help)).or_insert(out.len()),
            None => out.len(),
        };
        match (out.get_mut(first), &problem.caller, &problem.label) {
            (Some(shown), Some(caller), Some(label)) if shown.related.len() < CALLERS_SHOWN => {
                shown.push_related(Label { text: format!("`{caller}` too"), ..label.clone() });
            }
            (Some(_), Some(caller), _) => callers.entry(first).or_default().push(caller),
            _ => out.push(problem.clone()),
        }
    }
    for (at, names) in callers {
        out[at].push_help(format!("it stops {} too", listed(names.into_iter())));
    }
    out
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.label {
            let (line, column) = label.source.position(label.span.start);
            write!(f, "{}:{line}:{column}: ", label.source.path)?;
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_bounded_whatever_is_said_in_it() {
        let source = Arc::new(Source { path: "x.yaml".into(), text: "abcdefgh".into() });
        let long = "é".repeat(1 << 20);
        let mut all = Diagnostic::at(Code::NotCallable, &source, Span::new(1, 2), &long).label(&long);
        for _ in 0..100 {
            all = all.help(&long).maybe_help(Some(long.clone())).related(&source, Span::new(1, 2), &long);
        }
        let labels = all.label.iter().chain(&all.related).map(|label| label.text.len()).sum::<usize>();
        let help = all.help.iter().map(String::len).sum::<usize>();
        assert!(all.message.ends_with(".. (cut)") && all.help[0].ends_with(".. (cut)"), "{all:?}");
        assert!(all.message.len() + labels + help <= MAX_DIAGNOSTIC);
    }

    #[test]
    fn a_mistake_of_a_plugin_is_shown_once_with_all_who_call_it() {
        let source = Arc::new(Source { path: "x.yaml".into(), text: "abcdefgh".into() });
        let of = |at: usize, caller: &str| Diagnostic {
            caller: Some(caller.to_owned()),
            ..Diagnostic::at(Code::PluginDamaged, &source, Span::new(at, at + 1), "damaged").help("copy it")
        };
        let own = Diagnostic::at(Code::UnknownKey, &source, Span::new(2, 3), "own");
        let all = [of(4, "e"), of(0, "a"), of(1, "b"), of(3, "d"), own.clone(), of(5, "f")];
        let shown = collected(&all);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[1], own);
        let texts: Vec<_> = shown[0].related.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(texts, ["`b` too", "`d` too"]);
        assert_eq!(shown[0].help, ["copy it", "it stops `e`, `f` too"]);
    }
}
