//! What the YAML parser reports about a text besides its values: where it gives up, which brackets
//! are open there, which anchors are never used, and which parts it takes for comments.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_saphyr::granit_parser::Event;
use serde_saphyr::granit_parser::Marker;
use serde_saphyr::granit_parser::Options;
use serde_saphyr::granit_parser::Parser;
use serde_saphyr::granit_parser::ScalarStyle;
use serde_saphyr::granit_parser::StructureStyle;
use serde_saphyr::granit_parser::options;

fn silent() -> Options {
    options! { emit_comments: false }
}

fn offset(text: &str, marker: Marker) -> usize {
    let by_character = || text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
    marker.byte_offset().unwrap_or_else(by_character).min(text.len())
}

/// Returns the byte at which the parser gives up, or `None` if the text is YAML.
pub(super) fn first_error(text: &str) -> Option<usize> {
    let error = Parser::new_from_str_with_options(text, silent()).find_map(Result::err)?;
    Some(offset(text, *error.marker()))
}

/// Returns the brackets that are open where the parser gives up, from the outside in, and how far
/// it came. Where brackets may be a key, the parser reports none of them before all of them have
/// ended.
pub(super) fn open_brackets(text: &str) -> (Vec<(usize, char)>, usize) {
    let mut reached = 0;
    let mut open: Vec<Option<(usize, char)>> = Vec::new();
    for event in Parser::new_from_str_with_options(text, silent()) {
        let Ok((event, span)) = event else { break };
        reached = offset(text, span.start).max(reached);
        match event {
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                let at = offset(text, span.start);
                let bracket = text[at..].chars().next().filter(|c| style == StructureStyle::Flow && "[{".contains(*c));
                open.push(bracket.map(|c| (at, c)));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            _ => {}
        }
    }
    (open.into_iter().flatten().collect(), reached)
}

/// Returns the anchors that have a value before the parser gives up.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let events = Parser::new_from_str_with_options(text, options! { emit_anchor_events: true, emit_comments: false });
    let names = events.map_while(Result::ok).filter_map(|(event, _)| match event {
        Event::Anchor(_, name) => Some(name.into_owned()),
        _ => None,
    });
    names.collect()
}

/// Parts of a text that its author may not have meant.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    /// Anchors that no alias uses.
    pub(super) unused: Vec<(String, Range<usize>)>,
    /// Comments on the line of a value, with the plain scalar before them; `None` if the value is
    /// empty.
    pub(super) cut: Vec<(Option<Range<usize>>, Range<usize>)>,
}

/// Reads a YAML text a second time, for its comments and anchors.
pub(super) fn remarks(text: &str) -> Remarks {
    let mut remarks = Remarks::default();
    let mut anchors: BTreeMap<usize, (String, Range<usize>)> = BTreeMap::new();
    let mut plain: Vec<Range<usize>> = Vec::new();
    let mut comments: Vec<Range<usize>> = Vec::new();
    for event in Parser::new_from_str_with_options(text, options! { emit_anchor_events: true, emit_comments: true }) {
        let Ok((event, span)) = event else { break };
        let range = offset(text, span.start)..offset(text, span.end);
        match event {
            Event::Anchor(id, name) => drop(anchors.insert(id, (name.into_owned(), range))),
            Event::Alias(id) => drop(anchors.remove(&id)),
            Event::Scalar(_, ScalarStyle::Plain, ..) if !range.is_empty() => plain.push(range),
            Event::Comment(..) => comments.push(range),
            _ => {}
        }
    }
    remarks.unused = anchors.into_values().collect();
    plain.sort_by_key(|range| range.start);
    for comment in comments {
        let line = text[..comment.start].rfind('\n').map_or(0, |end| end + 1);
        let before = text[line..comment.start].trim_end();
        let end = line + before.len();
        let found = plain.partition_point(|range| range.start < comment.start);
        let scalar = found.checked_sub(1).map(|at| plain[at].clone());
        // The range of a scalar may include the spaces after it.
        let touches =
            |range: &Range<usize>| range.start < end && text[range.clone()].trim_end().len() + range.start == end;
        if let Some(scalar) = scalar.filter(touches) {
            remarks.cut.push((Some(scalar.start..end), comment));
        } else if before.ends_with(':') {
            remarks.cut.push((None, comment));
        }
    }
    remarks
}
