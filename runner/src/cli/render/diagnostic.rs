//! Shows mistakes in a person's files: path, line and column, the line itself, a caret, and how to
//! fix it.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::Annotation;
use annotate_snippets::AnnotationKind;
use annotate_snippets::Level;
use annotate_snippets::Message;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Label;
use jobcontrol_core::diagnostic::MAX_DIAGNOSTIC;
use jobcontrol_core::diagnostic::Severity;
use jobcontrol_core::diagnostic::Source;

use super::page::Page;
use crate::show::escape::clean;
use crate::show::escape::one_line;

/// Shows all problems with an empty line between two, then their number, and where to read more.
pub(crate) fn report(problems: &[Diagnostic]) -> Page {
    let renderer = Renderer::styled();
    let mut page = Page::default();
    for problem in problems {
        page.drawn(&bounded(&one(&renderer, problem)));
        page.gap();
    }
    if let Some(first) = problems.iter().min_by_key(|problem| problem.severity()) {
        page.line(format!("{}; run `jobcontrol explain {}` for more", counted(problems), first.code));
    }
    page
}

/// Counts the problems of each severity.
fn counted(problems: &[Diagnostic]) -> String {
    let count = |severity: Severity| {
        let count = problems.iter().filter(|problem| problem.severity() == severity).count();
        (count > 0).then(|| format!("{count} {}{}", severity.name(), if count == 1 { "" } else { "s" }))
    };
    [Severity::Error, Severity::Warning].into_iter().filter_map(count).collect::<Vec<_>>().join(", ")
}

/// Cuts a drawn diagnostic to whole lines of at most [`MAX_DIAGNOSTIC`] bytes: paths and lines of a
/// file may be long.
fn bounded(drawn: &str) -> Cow<'_, str> {
    const CUT: &str = "\x1b[0m  .. (cut)";
    if drawn.len() <= MAX_DIAGNOSTIC {
        return Cow::Borrowed(drawn);
    }
    let room = drawn.floor_char_boundary(MAX_DIAGNOSTIC - CUT.len());
    let whole = drawn[..room].rfind('\n').map_or(0, |end| end + 1);
    Cow::Owned(format!("{}{CUT}", &drawn[..whole]))
}

fn one(renderer: &Renderer, problem: &Diagnostic) -> String {
    let no_lines: [Message<'_>; 0] = [];
    let level = if problem.is_warning() { Level::WARNING } else { Level::ERROR };
    let title = level.primary_title(one_line(&problem.message));
    let mut group = title.id(problem.code.id()).elements(no_lines);
    if let Some(label) = &problem.label {
        // Places in the same file are drawn in one snippet, the others in separate ones.
        let (near, far): (Vec<_>, Vec<_>) =
            problem.related.iter().partition(|other| Arc::ptr_eq(&other.source, &label.source));
        group = group.element(snippet(&label.source, Some(label), &near));
        for other in far {
            group = group.element(snippet(&other.source, None, &[other]));
        }
    }
    for help in &problem.help {
        group = group.element(Level::HELP.message(one_line(help)));
    }
    renderer.render(&[group])
}

/// Returns the lines that contain the places, so that a long file is not rendered as a whole.
fn snippet<'a>(source: &'a Source, primary: Option<&'a Label>, context: &[&'a Label]) -> Snippet<'a, Annotation<'a>> {
    let all = primary.into_iter().chain(context.iter().copied());
    let (mut start, mut end) = (source.text.len(), 0);
    for label in all {
        start = start.min(label.span.start);
        end = end.max(label.span.end);
    }
    // A span that begins or ends inside a character is extended to the whole character.
    let start = source.text[..source.text.floor_char_boundary(start)].rfind('\n').map_or(0, |at| at + 1);
    let end = source.text.ceil_char_boundary(end).max(start);
    let end = source.text[end..].find('\n').map_or(source.text.len(), |at| end + at);
    let text = source.text[start..end].trim_end_matches('\r');
    let end = start + text.len();
    // The position in the escaped text.
    let place = |at: usize| clean(&text[..at.clamp(start, end) - start]).len();
    let range = |label: &Label| -> Range<usize> {
        let from = place(source.text.floor_char_boundary(label.span.start));
        let to = place(source.text.ceil_char_boundary(label.span.end));
        from..to.max(from)
    };
    let annotation = |kind: AnnotationKind, label: &'a Label| {
        let annotation = kind.span(range(label));
        if label.text.is_empty() { annotation } else { annotation.label(one_line(&label.text)) }
    };
    Snippet::source(clean(text))
        .path(one_line(&source.path))
        .line_start(source.position(start).0)
        .annotations(primary.map(|label| annotation(AnnotationKind::Primary, label)))
        .annotations(context.iter().map(|label| annotation(AnnotationKind::Context, label)))
}
