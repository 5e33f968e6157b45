//! Mistakes in a person's files: path, line and column, the line itself, a caret, and what would mend it.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::AnnotationKind;
use annotate_snippets::Level;
use annotate_snippets::Message;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Label;
use jobcontrol_core::diagnostic::Source;

/// All of them, with an empty line between two, their number, and where to read more.
pub(crate) fn report(problems: &[Diagnostic]) -> String {
    let renderer = Renderer::styled();
    let mut text = String::new();
    for problem in problems {
        text.push_str(&one(&renderer, problem));
        text.push_str("\n\n");
    }
    if let Some(first) = problems.first() {
        let count = match problems.len() {
            1 => "1 error".to_owned(),
            n => format!("{n} errors"),
        };
        let _ = writeln!(text, "{count}; `jobcontrol explain {}` tells more", first.code);
    }
    text
}

fn one(renderer: &Renderer, problem: &Diagnostic) -> String {
    let no_lines: [Message<'_>; 0] = [];
    let mut group = Level::ERROR.primary_title(problem.message.as_str()).id(problem.code.id()).elements(no_lines);
    if let Some(label) = &problem.label {
        // Places of the same file stand in one picture, the others in pictures of their own.
        let (near, far): (Vec<_>, Vec<_>) =
            problem.related.iter().partition(|other| Arc::ptr_eq(&other.source, &label.source));
        group = group.element(snippet(&label.source, Some(label), &near));
        for other in far {
            group = group.element(snippet(&other.source, None, &[other]));
        }
    }
    for help in &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The lines that the places are on; a long file is not handed over whole.
fn snippet<'a>(
    source: &'a Source,
    primary: Option<&'a Label>,
    context: &[&'a Label],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let all = primary.into_iter().chain(context.iter().copied());
    let (mut start, mut end) = (source.text.len(), 0);
    for label in all {
        start = start.min(label.span.start);
        end = end.max(label.span.end);
    }
    // A place that cuts a character in half is shown with the whole of it.
    let start = source.text[..source.text.floor_char_boundary(start)].rfind('\n').map_or(0, |at| at + 1);
    let end = source.text.ceil_char_boundary(end).max(start);
    let end = source.text[end..].find('\n').map_or(source.text.len(), |at| end + at);
    let text = source.text[start..end].trim_end_matches('\r');
    let end = start + text.len();
    let range = |label: &Label| -> Range<usize> {
        let from = source.text.floor_char_boundary(label.span.start).clamp(start, end) - start;
        let to = source.text.ceil_char_boundary(label.span.end).clamp(start, end) - start;
        from..to.max(from)
    };
    let annotation = |kind: AnnotationKind, label: &'a Label| {
        let annotation = kind.span(range(label));
        if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
    };
    Snippet::source(text)
        .path(source.path.as_str())
        .line_start(source.position(start).0)
        .annotations(primary.map(|label| annotation(AnnotationKind::Primary, label)))
        .annotations(context.iter().map(|label| annotation(AnnotationKind::Context, label)))
}
