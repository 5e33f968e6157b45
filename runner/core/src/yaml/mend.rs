//! What the author of a text that is not YAML may have meant. Each guess is tried: it is shown only if the text parses
//! past the place of the error once it is applied.

use std::cell::Cell;
use std::ops::Range;

use crate::diagnostic::Span;

use super::line::Line;
use super::line::invalid_escape;
use super::line::is_word;
use super::line::open_quote;
use super::line::quoted;
use super::parser;

/// How many guesses are tried at most,
const TRIES: usize = 64;
/// and how many bytes they may have together, since each try reads the file up to its place.
const TRIED_BYTES: usize = 16 << 20;
/// How far above the error a quote that was never closed is looked for, and the columns that other lines begin in.
const LINES_ABOVE: usize = 200;

/// What is wrong, where, and what would mend it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mend {
    pub(super) message: String,
    pub(super) span: Span,
    pub(super) help: String,
}

/// Looks for what would mend a text that the parser gave up on at the byte `at`. `keys` are the known keys of the file.
pub(super) fn mend<'a>(text: &'a str, at: usize, keys: &'a [&'a str]) -> Option<Mend> {
    let tries = Cell::new((TRIED_BYTES / text.len().max(1)).clamp(1, TRIES));
    let at = text.floor_char_boundary(at.min(text.len()));
    let here = Line::around(text, at);
    let before = here.previous(text);
    let here = if here.is_blank() { before.unwrap_or(here) } else { here };
    let before = here.previous(text);
    let search = Search { text, at, keys, tries };
    let lines = [Some(here), before];
    let each = |guess: Guess<'a>| lines.iter().flatten().find_map(|line| guess(&search, *line));
    each(Search::unusual_space)
        .or_else(|| each(Search::space_after_colon))
        .or_else(|| each(Search::space_after_dash))
        .or_else(|| each(Search::space_in_function))
        .or_else(|| each(Search::escape))
        .or_else(|| search.open_quote(here))
        .or_else(|| search.comma(here))
        .or_else(|| search.bracket(here))
        .or_else(|| search.quote_in_flow(here))
        .or_else(|| search.open_bracket(here))
        .or_else(|| each(Search::quote))
        .or_else(|| each(Search::colon))
        .or_else(|| search.indent(here))
        .or_else(|| search.text_of_lines(here, before))
}

struct Search<'a> {
    text: &'a str,
    /// Where the parser gave up.
    at: usize,
    keys: &'a [&'a str],
    tries: Cell<usize>,
}

type Guess<'a> = fn(&Search<'a>, Line<'_>) -> Option<Mend>;

impl Search<'_> {
    /// Whether the text parses past the place of the error with `by` in place of `range`.
    fn passes(&self, range: Range<usize>, by: &str) -> bool {
        let Some(left) = self.tries.get().checked_sub(1) else {
            return false;
        };
        self.tries.set(left);
        let edited = format!("{}{by}{}", &self.text[..range.start], &self.text[range.end..]);
        let Some(error) = parser::first_error(&edited) else {
            return true;
        };
        let place = if range.end <= self.at { self.at + by.len() - range.len() } else { range.start + by.len() };
        let place = edited.floor_char_boundary(place.min(edited.len()));
        let line = Line::around(&edited, place);
        // Several values may stand on one line of brackets; else the parser has to come to the next line.
        let in_brackets = edited[line.start..place].contains(['[', '{']);
        error > if in_brackets { place } else { line.end() }
    }

    /// The mistake on `line` that the parser found, or `span` if it was found further down.
    fn place(&self, line: Line<'_>, span: Range<usize>) -> Span {
        if line.start <= self.at && self.at < line.end() {
            Span::new(self.at, self.at + token(&self.text[self.at..]))
        } else {
            Span::new(span.start, span.end)
        }
    }

    fn unusual_space(&self, line: Line<'_>) -> Option<Mend> {
        let unusual = |c: char| c.is_whitespace() && !c.is_ascii();
        let (first, space) = line.text.char_indices().find(|(_, c)| unusual(*c))?;
        let mended: String = line.text.chars().map(|c| if unusual(c) { ' ' } else { c }).collect();
        let start = line.start + first;
        self.passes(line.range(), &mended).then(|| Mend {
            message: format!("U+{:04X} looks like a space, and YAML does not take it for one", u32::from(space)),
            span: Span::new(start, start + space.len_utf8()),
            help: "put an ordinary space in its place".to_owned(),
        })
    }

    fn space_after_colon(&self, line: Line<'_>) -> Option<Mend> {
        let (start, content) = line.content();
        let (key, value) = content.split_once(':')?;
        if !is_word(key) || value.is_empty() || value.starts_with([' ', '\t', '/', ':']) {
            return None;
        }
        let end = start + key.len() + 1;
        self.passes(end..end, " ").then(|| Mend {
            message: format!("the colon after `{key}` has no space behind it"),
            span: Span::new(start, start + token(content).max(key.len() + 1 + token(value))),
            help: format!("write `{key}: {}`", line.clip(value)),
        })
    }

    fn space_after_dash(&self, line: Line<'_>) -> Option<Mend> {
        let (start, content) = line.content();
        let rest = content.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with(['-', ' ']))?;
        let written = format!("`- {}`", line.clip(rest));
        // The lines below may begin beside what follows the dash as it is now.
        let help = if self.passes(start + 1..start + 1, " ") {
            format!("write {written}")
        } else if line.indent() > 0 && self.passes(start - 1..start + 1, "- ") {
            format!("write {written}, and begin the lines below it beside what follows the dash")
        } else {
            return None;
        };
        let span = Span::new(start, start + token(content));
        Some(Mend { message: "the dash has no space behind it".to_owned(), span, help })
    }

    fn space_in_function(&self, line: Line<'_>) -> Option<Mend> {
        let value = line.value().filter(|value| value.key == Some("function"))?;
        let (plugin, export) = value.text.split_once(": ")?;
        let (plugin, export) = (plugin.trim(), export.trim());
        self.passes(value.range(), &format!("{plugin}:{export}")).then(|| Mend {
            message: "a function has no space in it".to_owned(),
            span: self.place(line, value.range()),
            help: format!("write `function: {plugin}:{export}`, with no space after the second colon"),
        })
    }

    /// A backslash in double quotes that begins no escape.
    fn escape(&self, line: Line<'_>) -> Option<Mend> {
        let (scalar, backslash) = invalid_escape(line.text)?;
        let inner = &line.text[scalar.start + 1..scalar.end - 1];
        let range = line.start + scalar.start..line.start + scalar.end;
        let escape: String = line.text[backslash..].chars().take(2).collect();
        let single = format!("'{inner}'");
        let double = || format!("\"{}\"", inner.replace('\\', "\\\\"));
        let written = if inner.contains(['\'', '"']) { double() } else { single };
        self.passes(range, &written).then(|| Mend {
            message: format!("a backslash in double quotes begins an escape, and there is no `{escape}`"),
            span: Span::new(line.start + backslash, line.start + backslash + escape.len()),
            help: if written.starts_with('\'') {
                format!("in single quotes a backslash is only a backslash: `{}`", line.clip(&written))
            } else {
                format!("write two backslashes for each: `{}`", line.clip(&written))
            },
        })
    }

    /// `{ left: 1 right: 2 }` or `["a" "b"]`
    fn comma(&self, line: Line<'_>) -> Option<Mend> {
        let before = line.before(self.at)?.trim_end_matches(':');
        if before.trim_end().ends_with(['"', '\'']) && before.contains(['[', '{']) {
            let end = line.start + before.trim_end().len();
            let span = Span::new(self.at, self.at + token(&self.text[self.at..]));
            let help = "put a comma between two entries".to_owned();
            let message = "a comma is missing before this entry".to_owned();
            if self.passes(end..end, ",") {
                return Some(Mend { message, span, help });
            }
        }
        let word = before.rfind(' ').map_or(0, |space| space + 1);
        let key = &before[word..];
        let value = before[..word].trim_end();
        let ends = value.ends_with(|c: char| c.is_ascii_digit() || "\"']}".contains(c))
            || ["true", "false", "null"].iter().any(|end| value.ends_with(end));
        let at = line.start + value.len();
        let fits = is_word(key) && ends && value.contains(['[', '{']);
        (fits && self.passes(at..at, ",")).then(|| Mend {
            message: format!("a comma is missing before `{key}`"),
            span: Span::new(line.start + word, line.start + word + key.len()),
            help: "put a comma between two entries".to_owned(),
        })
    }

    /// A bracket that closes nothing, or what another bracket opened.
    fn bracket(&self, line: Line<'_>) -> Option<Mend> {
        let open = parser::open_brackets(self.text).last().copied();
        let start = self.at.max(line.start);
        let (at, bracket) = self.text.get(start..line.end())?.char_indices().find(|(_, c)| matches!(c, ']' | '}'))?;
        let place = start + at;
        let span = Span::new(place, place + 1);
        if place == self.at && self.passes(place..place + 1, "") {
            let message = format!("this `{bracket}` closes nothing");
            return Some(Mend { message, span, help: "take it away".to_owned() });
        }
        let (_, opening) = open?;
        let right = if opening == '[' { "]" } else { "}" };
        (!right.contains(bracket) && self.passes(place..place + 1, right)).then(|| Mend {
            message: format!("`{opening}` is closed with `{bracket}`"),
            span,
            help: format!("write `{right}`"),
        })
    }

    /// An entry of brackets that has to be quoted.
    fn quote_in_flow(&self, line: Line<'_>) -> Option<Mend> {
        let before = line.before(self.at)?;
        let opening = before.rfind(['[', '{', ','])? + 1;
        let key = before[opening..].find(": ").map_or(0, |colon| colon + 2);
        let start = opening + key;
        let start = start + (line.text[start..].len() - line.text[start..].trim_start().len());
        let end = line.text[start..].find([',', ']', '}']).map_or(line.text.len(), |end| start + end);
        let entry = line.text[start..end].trim_end();
        if entry.is_empty() || entry.starts_with(['"', '\'', '[', '{']) {
            return None;
        }
        let written = quoted(entry);
        let range = line.start + start..line.start + start + entry.len();
        let key = line.text[opening..start].trim();
        self.passes(range.clone(), &written).then(|| Mend {
            message: unquoted(entry),
            span: self.place(line, range),
            help: format!("put the value in quotes: `{}`", line.clip(format!("{key} {written}").trim())),
        })
    }

    /// A bracket that is closed nowhere, at the place where it was opened.
    fn open_bracket(&self, here: Line<'_>) -> Option<Mend> {
        let open = parser::open_brackets(self.text);
        let (innermost, bracket) = *open.last()?;
        let line = Line::around(self.text, innermost);
        let closers: String = open.iter().rev().map(|(_, c)| if *c == '[' { ']' } else { '}' }).collect();
        let closer = if bracket == '[' { ']' } else { '}' };
        let place = Span::new(innermost, innermost + 1);
        if let Some(hash) = line.text.find(" #").filter(|hash| line.text[*hash..].contains(closer)) {
            let (start, entry) = line.entry_around(hash + 1)?;
            let written = quoted(entry);
            if self.passes(line.start + start..line.start + start + entry.len(), &written) {
                return Some(Mend {
                    message: format!("` #` begins a comment, so the `{bracket}` before it is not closed"),
                    span: Span::new(line.start + hash + 1, line.end()),
                    help: format!("put the value in quotes: `{}`", line.clip(&written)),
                });
            }
        }
        let message = format!("this `{bracket}` is not closed");
        let end = line.start + line.code().trim_end_matches(',').len();
        if self.passes(end..end, &closers) {
            return Some(Mend { message, span: place, help: format!("close it with `{closers}`") });
        }
        let last = if here.start > line.start { here.previous(self.text)? } else { here };
        let end = last.start + last.code().len();
        let number = self.text[..last.start].matches('\n').count() + 1;
        self.passes(end..end, &closers).then(|| Mend {
            message,
            span: place,
            help: format!("close it with `{closers}` at the end of line {number}"),
        })
    }

    /// A quote that is closed nowhere, or only by the next one, at the place where it was opened.
    fn open_quote(&self, here: Line<'_>) -> Option<Mend> {
        let lines = std::iter::successors(Some(here), |line| line.previous(self.text)).take(LINES_ABOVE);
        lines.filter_map(|line| Some((line, open_quote(line.text)?))).find_map(|(line, (start, quote))| {
            let whole = line.text.trim_end();
            let ends = [whole.trim_end_matches([' ', ']', '}', ',']).len(), whole.len()];
            let closed = ends
                .into_iter()
                .find(|end| *end > start && self.passes(line.start + end..line.start + end, &quote.to_string()))?;
            let value = &line.text[start..closed];
            Some(Mend {
                message: format!("this `{quote}` is not closed"),
                span: Span::new(line.start + start, line.start + closed),
                help: format!("close it with another: `{}`", line.clip(&format!("{value}{quote}"))),
            })
        })
    }

    /// A value that has to be quoted.
    fn quote(&self, line: Line<'_>) -> Option<Mend> {
        let value = line.value()?;
        // What only begins here is a list or a mapping of several lines.
        if value.text.starts_with(['[', '{']) && !value.text.contains([']', '}']) {
            return None;
        }
        let key = value.key.map(|key| format!("{key}: ")).unwrap_or_default();
        value.quotations().into_iter().find(|written| self.passes(value.range(), written)).map(|written| Mend {
            message: unquoted(value.text),
            span: self.place(line, value.range()),
            help: format!("put the value in quotes: `{key}{}`", line.clip(&written)),
        })
    }

    /// `function sales:fetch`
    fn colon(&self, line: Line<'_>) -> Option<Mend> {
        let (start, content) = line.content();
        let content = content.trim_end();
        let (key, value) = content.split_once(' ').unwrap_or((content, ""));
        let end = start + key.len();
        (self.keys.contains(&key) && self.passes(end..end, ":")).then(|| Mend {
            message: format!("`{key}` has no colon after it"),
            span: Span::new(start, end),
            help: format!("write `{}`", format!("{key}: {}", line.clip(value.trim())).trim_end()),
        })
    }

    /// A line that begins in another column than those it belongs beside.
    fn indent(&self, line: Line<'_>) -> Option<Mend> {
        let now = line.indent();
        let item = line.text[now..].starts_with("- ");
        let mut columns: Vec<(usize, usize)> = Vec::new();
        for above in std::iter::successors(line.previous(self.text), |line| line.previous(self.text)).take(LINES_ABOVE)
        {
            let column = match (item, above.text[above.indent()..].starts_with("- ")) {
                (true, true) => above.indent(),
                (true, false) => continue,
                (false, _) => above.content().0 - above.start,
            };
            if column != now && columns.iter().all(|(known, _)| *known != column) {
                columns.push((column, above.start));
            }
        }
        columns.sort_by_key(|(column, _)| column.abs_diff(now));
        let indent = line.start..line.start + now;
        let (column, above) =
            columns.into_iter().find(|(column, _)| self.passes(indent.clone(), &" ".repeat(*column)))?;
        let number = self.text[..above].matches('\n').count() + 1;
        let (start, content) = (line.start + now, &line.text[now..]);
        Some(Mend {
            message: "the line does not begin in the same column as those it belongs beside".to_owned(),
            span: Span::new(start, start + token(content)),
            help: format!("begin it in column {}, as line {number} does", column + 1),
        })
    }

    /// A text whose further lines are not indented as parts of it.
    fn text_of_lines(&self, line: Line<'_>, before: Option<Line<'_>>) -> Option<Mend> {
        let value = before?.value()?;
        let key = value.key?;
        let column = before?.content().0 - before?.start;
        let is_text = |line: &Line<'_>| !line.text.contains(": ") && !line.code().ends_with(':');
        let more = std::iter::successors(Some(line), |line| line.next(self.text));
        let more: Vec<_> = more.take_while(is_text).filter(|line| line.indent() <= column + 2).collect();
        let last = more.last()?;
        let pad = " ".repeat(column + 2);
        let lines: Vec<_> = more.iter().map(|line| format!("\n{pad}{}", line.text.trim())).collect();
        let written = format!("|\n{pad}{}{}", value.text, lines.concat());
        let start = line.start + line.indent();
        self.passes(value.start..last.end(), &written).then(|| Mend {
            message: format!("the text of `{key}` goes on in a line that is not indented below it"),
            span: Span::new(start, line.end()),
            help: format!("write `{key}: |` and indent all lines of the text below it"),
        })
    }
}

/// Why a value cannot stand without quotes.
fn unquoted(value: &str) -> String {
    let first = value.chars().next().unwrap_or(' ');
    match first {
        '*' => format!("`{}` would be an alias, and no anchor has that name", &value[..token(value)]),
        '"' | '\'' => "more text follows after the closing quote".to_owned(),
        '[' | '{' => format!("a value that begins with `{first}` is a list or a mapping, and more text follows it"),
        '`' => "a value cannot begin with a backquote unless it is quoted".to_owned(),
        '@' | '%' | '&' | '!' | '|' | '>' | '?' | '-' | ',' | ']' | '}' => {
            format!("a value cannot begin with `{first}` unless it is quoted")
        }
        _ if value.contains(": ") || value.ends_with(':') => "a value cannot hold `: ` unless it is quoted".to_owned(),
        _ => "the value has to be quoted".to_owned(),
    }
}

/// Bytes of the first word of a text, and at least one character of it.
fn token(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(text.len());
    end.max(text.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8))
}
