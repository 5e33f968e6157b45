//! Guesses what the author of a text that is not YAML meant. Each guess is tried, and is shown only
//! if the text then parses past the place of the error.

use std::cell::Cell;
use std::ops::Range;

use crate::diagnostic::Span;
use crate::diagnostic::nearest;

use super::flow;
use super::flow::Problem;
use super::line::Line;
use super::line::invalid_escape;
use super::line::is_word;
use super::line::open_quote;
use super::line::quoted;
use super::parser;

/// The largest number of guesses that are tried.
const TRIES: usize = 64;
/// The largest number of bytes that all guesses together may read. Each try reads the file up to
/// its place.
const TRIED_BYTES: usize = 16 << 20;
/// How many lines above the error are searched for a quote that was never closed, and for the
/// columns that other lines begin in.
const LINES_ABOVE: usize = 200;

/// What is wrong, where, and how to fix it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mend {
    pub(super) message: String,
    pub(super) span: Span,
    pub(super) help: String,
}

/// Looks for a way to fix a text that the parser gave up on at the byte `at`. `keys` are the known
/// keys of the file.
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
        .or_else(|| search.alias())
        .or_else(|| search.comma_too_many())
        .or_else(|| each(Search::space_after_colon))
        .or_else(|| each(Search::space_after_dash))
        .or_else(|| each(Search::space_in_function))
        .or_else(|| each(Search::escape))
        .or_else(|| search.open_quote(here))
        .or_else(|| search.comma(here))
        .or_else(|| search.bracket())
        .or_else(|| search.quote_in_flow(here))
        .or_else(|| search.open_bracket())
        .or_else(|| each(Search::quote))
        .or_else(|| each(Search::colon))
        .or_else(|| search.indent(here))
        .or_else(|| search.text_of_lines(here, before))
        .or_else(|| search.still_open())
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
    /// Returns whether the text parses past the place of the error with `by` in place of `range`.
    fn passes(&self, range: Range<usize>, by: &str) -> bool {
        let Some((edited, error)) = self.edited(&range, by) else {
            return false;
        };
        let Some(error) = error else {
            return true;
        };
        let place = if range.end <= self.at { self.at + by.len() - range.len() } else { range.start + by.len() };
        let place = edited.floor_char_boundary(place.min(edited.len()));
        let line = Line::around(&edited, place);
        // Within brackets, one line may contain several values. Elsewhere, the parser must reach
        // the next line.
        let in_brackets = edited[line.start..place].contains(['[', '{']);
        error > if in_brackets { place } else { line.end() }
    }

    /// Returns the text with `by` in place of `range`, and where the parser gives up on it. Returns
    /// `None` if no tries are left.
    fn edited(&self, range: &Range<usize>, by: &str) -> Option<(String, Option<usize>)> {
        self.tries.set(self.tries.get().checked_sub(1)?);
        let edited = format!("{}{by}{}", &self.text[..range.start], &self.text[range.end..]);
        let error = parser::first_error(&edited);
        Some((edited, error))
    }

    /// Returns the place of the error if the parser found it on `line`, or else `span`.
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
            message: format!("U+{:04X} looks like a space, but YAML does not treat it as one", u32::from(space)),
            span: Span::new(start, start + space.len_utf8()),
            help: "use an ordinary space instead".to_owned(),
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
            message: format!("the colon after `{key}` is not followed by a space"),
            span: Span::new(start, start + token(content).max(key.len() + 1 + token(value))),
            help: format!("write `{key}: {}`", line.clip(value)),
        })
    }

    fn space_after_dash(&self, line: Line<'_>) -> Option<Mend> {
        let (start, content) = line.content();
        let rest = content.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with(['-', ' ']))?;
        let written = format!("`- {}`", line.clip(rest));
        // The lines below may be aligned with what now follows the dash.
        let help = if self.passes(start + 1..start + 1, " ") {
            format!("write {written}")
        } else if line.indent() > 0 && self.passes(start - 1..start + 1, "- ") {
            format!("write {written}, and align the lines below with what follows the dash")
        } else {
            return None;
        };
        let span = Span::new(start, start + token(content));
        Some(Mend { message: "the dash is not followed by a space".to_owned(), span, help })
    }

    fn space_in_function(&self, line: Line<'_>) -> Option<Mend> {
        let value = line.value().filter(|value| value.key == Some("function"))?;
        let (plugin, export) = value.text.split_once(": ")?;
        let (plugin, export) = (plugin.trim(), export.trim());
        self.passes(value.range(), &format!("{plugin}:{export}")).then(|| Mend {
            message: "a function must not contain a space".to_owned(),
            span: self.place(line, value.range()),
            help: format!("write `function: {plugin}:{export}`, with no space after the second colon"),
        })
    }

    /// Looks for a backslash in double quotes that does not begin an escape.
    fn escape(&self, line: Line<'_>) -> Option<Mend> {
        let (scalar, backslash) = invalid_escape(line.text)?;
        let inner = &line.text[scalar.start + 1..scalar.end - 1];
        let range = line.start + scalar.start..line.start + scalar.end;
        let escape: String = line.text[backslash..].chars().take(2).collect();
        let single = format!("'{inner}'");
        let double = || format!("\"{}\"", inner.replace('\\', "\\\\"));
        let written = if inner.contains(['\'', '"']) { double() } else { single };
        self.passes(range, &written).then(|| Mend {
            message: format!("a backslash in double quotes begins an escape, but `{escape}` is not one"),
            span: Span::new(line.start + backslash, line.start + backslash + escape.len()),
            help: if written.starts_with('\'') {
                format!("in single quotes a backslash is only a backslash: `{}`", line.clip(&written))
            } else {
                format!("write two backslashes for each: `{}`", line.clip(&written))
            },
        })
    }

    /// Looks for a missing comma: `{ left: 1 right: 2 }` or `["a" "b"]`.
    fn comma(&self, line: Line<'_>) -> Option<Mend> {
        let before = line.before(self.at)?.trim_end_matches(':');
        if before.trim().is_empty() || is_word(before.trim()) {
            return self.comma_above(line);
        }
        if before.trim_end().ends_with(['"', '\'']) && before.contains(['[', '{']) {
            let end = line.start + before.trim_end().len();
            // `["a, "b"]`: the quote before it was meant to open a text, but closed the previous
            // one.
            let (text, quote) = before.trim_end().split_at(before.trim_end().len() - 1);
            if text.ends_with([' ', ','])
                && let Some(opened) = text.rfind(quote)
            {
                let end = text.trim_end_matches([' ', ',']).len();
                let written = format!("{}{quote}", &text[opened..end]);
                return self.passes(line.start + end..line.start + end, quote).then(|| Mend {
                    message: format!("this `{quote}` is not closed"),
                    span: Span::new(line.start + opened, line.start + end),
                    help: format!("close it with another: `{}`", line.clip(&written)),
                });
            }
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

    /// Looks for a comma that is missing at the end of the line above, within brackets.
    fn comma_above(&self, line: Line<'_>) -> Option<Mend> {
        let above = line.previous(self.text)?;
        let end = above.start + above.code().len();
        let fits = !above.code().ends_with([',', '[', '{', ':']) && self.text[self.at..].starts_with(|c| c != '-');
        let start = line.start + line.indent();
        let width = token(&self.text[start..]);
        (fits && flow::problem(self.text, self.flow()?).is_none() && self.passes(end..end, ",")).then(|| Mend {
            message: format!("a comma is missing before `{}`", &self.text[start..start + width]),
            span: Span::new(start, start + width),
            help: "put a comma between two entries".to_owned(),
        })
    }

    /// Looks for an extra comma: `[1,, 2]`.
    fn comma_too_many(&self) -> Option<Mend> {
        self.text[self.at..].starts_with(',').then_some(())?;
        let before = self.text[..self.at].trim_end().chars().next_back()?;
        let message = match before {
            ',' => "an item is missing between the commas",
            '[' | '{' => "an item is missing before the comma",
            _ => return None,
        };
        self.passes(self.at..self.at + 1, "").then(|| Mend {
            message: message.to_owned(),
            span: Span::new(self.at, self.at + 1),
            help: "remove the comma, or write `null` for an item without a value".to_owned(),
        })
    }

    /// Looks for an alias `*name` without an anchor of that name above it.
    fn alias(&self) -> Option<Mend> {
        let rest = self.text[self.at..].strip_prefix('*')?;
        let name = &rest[..rest.find(|c: char| c.is_whitespace() || ",]}".contains(c)).unwrap_or(rest.len())];
        let range = self.at..self.at + 1 + name.len();
        if !is_word(name) || !self.passes(range.clone(), "x") {
            return None;
        }
        let anchor = |text: &str| {
            let ends = |at: usize| !text[at..].starts_with(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c));
            text.match_indices(&format!("&{name}")).any(|(at, found)| ends(at + found.len()))
        };
        let line = Line::around(self.text, self.at);
        let merge = line.before(self.at).is_some_and(|before| before.trim_end().ends_with("<<:"));
        let near = nearest(name, parser::anchors(self.text).iter().map(String::as_str)).map(str::to_owned);
        let help = match near {
            _ if anchor(&self.text[self.at..]) => format!("`&{name}` must be above the first `*{name}`"),
            Some(near) => format!("did you mean `*{near}`?"),
            None if merge => format!("write `&{name}` above this line, before the mapping to insert here"),
            None => format!("write `&{name}` above this line, before the value to repeat, or `'*{name}'` for a text"),
        };
        Some(Mend { message: format!("there is no anchor `{name}`"), span: Span::new(range.start, range.end), help })
    }

    /// Returns where the outermost brackets begin that the parser did not leave.
    fn flow(&self) -> Option<usize> {
        let (open, reached) = parser::open_brackets(self.text);
        open.first().map(|(at, _)| *at).or_else(|| flow::first(self.text, reached, self.at))
    }

    /// Looks for a bracket that closes nothing, or that does not match the bracket it closes.
    fn bracket(&self) -> Option<Mend> {
        let closes = |at: usize| self.text[at..].chars().next().filter(|c| matches!(c, ']' | '}'));
        if let Some(bracket) = closes(self.at)
            && self.passes(self.at..self.at + 1, "")
            && self.flow().is_none_or(|start| self.balances(start, self.at..self.at + 1, ""))
        {
            return Some(closes_nothing(self.at, bracket));
        }
        let start = self.flow()?;
        let Some(Problem::Closes { at, open }) = flow::problem(self.text, start) else {
            return None;
        };
        let bracket = closes(at)?;
        let mends = |range: Range<usize>, by: &str| self.balances(start, range.clone(), by) && self.passes(range, by);
        let Some((opened, opening)) = open else {
            return mends(at..at + 1, "").then(|| closes_nothing(at, bracket));
        };
        let right = closer(opening);
        if mends(at..at + 1, right) {
            let message = format!("`{opening}` is closed with `{bracket}`");
            return Some(Mend { message, span: Span::new(at, at + 1), help: format!("write `{right}`") });
        }
        if mends(at..at + 1, "") {
            return Some(closes_nothing(at, bracket));
        }
        let line = Line::around(self.text, opened);
        let end = line.start + line.code().trim_end_matches(',').len();
        [end, at].into_iter().find(|end| mends(*end..*end, right)).map(|_| Mend {
            message: format!("this `{opening}` is not closed"),
            span: Span::new(opened, opened + 1),
            help: format!("close it with `{right}`"),
        })
    }

    /// Returns whether each bracket from `start` on is closed by a matching one with `by` in place
    /// of `range`.
    fn balances(&self, start: usize, range: Range<usize>, by: &str) -> bool {
        let edited = format!("{}{by}{}", &self.text[..range.start], &self.text[range.end..]);
        flow::problem(&edited, start).is_none()
    }

    /// Looks for an entry within brackets that must be quoted.
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

    /// Looks for a bracket that is never closed, and reports it where it was opened.
    fn open_bracket(&self) -> Option<Mend> {
        let Some(Problem::Open { open, until }) = flow::problem(self.text, self.flow()?) else {
            return None;
        };
        let (innermost, bracket) = *open.last()?;
        let line = Line::around(self.text, innermost);
        let closers: String = open.iter().rev().map(|(_, c)| closer(*c)).collect();
        let place = Span::new(innermost, innermost + 1);
        if let Some(hash) = line.text.find(" #").filter(|hash| line.text[*hash..].contains(closer(bracket))) {
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
        let mends = |end: usize| self.balances(open[0].0, end..end, &closers) && self.passes(end..end, &closers);
        let end = line.start + line.code().trim_end_matches(',').len();
        if mends(end) {
            return Some(Mend { message, span: place, help: format!("close it with `{closers}`") });
        }
        let last = Line::around(self.text, until);
        let last = if last.is_blank() || until == last.start { last.previous(self.text)? } else { last };
        let end = last.start + last.code().trim_end_matches(',').len();
        let number = self.text[..last.start].matches('\n').count() + 1;
        mends(end).then(|| Mend {
            message,
            span: place,
            help: format!("close it with `{closers}` at the end of line {number}"),
        })
    }

    /// Reports a bracket that is never closed in a text with further mistakes.
    fn still_open(&self) -> Option<Mend> {
        let Some(Problem::Open { open, .. }) = flow::problem(self.text, self.flow()?) else {
            return None;
        };
        let (at, bracket) = *open.last()?;
        let help = format!("close it with `{}`", closer(bracket));
        Some(Mend { message: format!("this `{bracket}` is not closed"), span: Span::new(at, at + 1), help })
    }

    /// Looks for a quote that is never closed, or only by the next one, and reports it where it was
    /// opened.
    fn open_quote(&self, here: Line<'_>) -> Option<Mend> {
        let lines = std::iter::successors(Some(here), |line| line.previous(self.text)).take(LINES_ABOVE);
        lines.filter_map(|line| Some((line, open_quote(line.text)?))).find_map(|(line, (start, quote))| {
            let message = format!("this `{quote}` is not closed");
            let whole = line.text.trim_end();
            let ends = [whole.trim_end_matches([' ', ']', '}', ',']).len(), whole.len()];
            let by = quote.to_string();
            let closed =
                ends.into_iter().find(|end| *end > start && self.closes(line.start + start, line.start + end, &by));
            if let Some(closed) = closed {
                let value = &line.text[start..closed];
                return Some(Mend {
                    message,
                    span: Span::new(line.start + start, line.start + closed),
                    help: format!("close it with another: `{}`", line.clip(&format!("{value}{quote}"))),
                });
            }
            let lasts = [self.last_of_text(line, true), self.last_of_text(line, false)].into_iter().flatten();
            let end = |last: &Line<'_>| last.start + last.code().len();
            let last = lasts.into_iter().find(|last| self.closes(line.start + start, end(last), &by))?;
            let number = self.text[..last.start].matches('\n').count() + 1;
            Some(Mend {
                message,
                span: Span::new(line.start + start, line.start + whole.len()),
                help: format!("close it with another at the end of line {number}"),
            })
        })
    }

    /// Returns whether the quote that was opened at `start` can be closed at `end`.
    fn closes(&self, start: usize, end: usize, quote: &str) -> bool {
        // The quote that closed it until now then opens another text, which may be open as well.
        match self.text[..self.at].rfind(quote).filter(|closed| *closed > start && end <= *closed) {
            Some(closed) => {
                self.edited(&(end..end), quote).is_some_and(|(_, error)| error.is_none_or(|error| error > closed))
            }
            None => self.passes(end..end, quote),
        }
    }

    /// Returns the last line of a text of several lines that begins on `line`. The text ends before
    /// lines that are less indented or, if `strict`, are keys or entries.
    fn last_of_text<'t>(&'t self, line: Line<'t>, strict: bool) -> Option<Line<'t>> {
        let column = line.content().0 - line.start;
        let is_text = |below: &Line<'_>| {
            let (_, content) = below.content();
            let key = content
                .split_once(':')
                .is_some_and(|(key, rest)| is_word(key) && matches!(rest.chars().next(), None | Some(' ')));
            let entry = below.text.trim_start().starts_with("- ");
            below.indent() > column && !(strict && (key || entry))
        };
        let below = std::iter::successors(line.next(self.text), |line| line.next(self.text)).take(LINES_ABOVE);
        below.take_while(is_text).last()
    }

    /// Looks for a value that must be quoted.
    fn quote(&self, line: Line<'_>) -> Option<Mend> {
        let value = line.value()?;
        // A bracket that is not closed here begins a list or a mapping of several lines.
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

    /// Looks for a key without a colon: `function sales:fetch`.
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

    /// Looks for a line that is not aligned with the lines it belongs to.
    fn indent(&self, line: Line<'_>) -> Option<Mend> {
        let now = line.indent();
        let item = line.text[now..].starts_with("- ");
        // Two lines are alike if they are entries with the same first key, or if both or neither
        // begin with a known key.
        let alike = |above: &Line<'_>| {
            let (this, other) = (line.first_key(), above.first_key());
            if item { this == other } else { self.keys.contains(&this) == self.keys.contains(&other) }
        };
        let mut columns: Vec<(bool, usize, usize, usize)> = Vec::new();
        for above in std::iter::successors(line.previous(self.text), |line| line.previous(self.text)).take(LINES_ABOVE)
        {
            let column = match (item, above.text[above.indent()..].starts_with("- ")) {
                (true, true) => above.indent(),
                (true, false) => continue,
                (false, _) => above.content().0 - above.start,
            };
            if column != now {
                columns.push((!alike(&above), column.abs_diff(now), column, above.start));
            }
        }
        columns.sort_by_key(|(differs, distance, ..)| (*differs, *distance));
        let mut tried = Vec::new();
        columns.retain(|(_, _, column, _)| {
            !tried.contains(column) && {
                tried.push(*column);
                true
            }
        });
        let indent = line.start..line.start + now;
        let (_, _, column, above) =
            columns.into_iter().find(|(_, _, column, _)| self.passes(indent.clone(), &" ".repeat(*column)))?;
        let number = self.text[..above].matches('\n').count() + 1;
        let (start, content) = (line.start + now, &line.text[now..]);
        Some(Mend {
            message: "the line is not aligned with the lines it belongs to".to_owned(),
            span: Span::new(start, start + token(content)),
            help: format!("begin it in column {}, as line {number} does", column + 1),
        })
    }

    /// Looks for a text of several lines whose further lines are not indented as parts of it.
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
            message: format!("the text of `{key}` continues on a line that is not indented below it"),
            span: Span::new(start, line.end()),
            help: format!("write `{key}: |` and indent all lines of the text below it"),
        })
    }
}

fn closes_nothing(at: usize, bracket: char) -> Mend {
    let message = format!("this `{bracket}` closes nothing");
    Mend { message, span: Span::new(at, at + 1), help: "remove it".to_owned() }
}

fn closer(bracket: char) -> &'static str {
    if bracket == '[' { "]" } else { "}" }
}

/// Returns why a value needs quotes.
fn unquoted(value: &str) -> String {
    let first = value.chars().next().unwrap_or(' ');
    match first {
        '*' => format!("`{}` would be an alias, but no anchor has that name", &value[..token(value)]),
        '"' | '\'' => "more text follows after the closing quote".to_owned(),
        '[' | '{' => format!("a value that begins with `{first}` is a list or a mapping, and more text follows it"),
        '`' => "a value cannot begin with a backquote unless it is quoted".to_owned(),
        '@' | '%' | '&' | '!' | '|' | '>' | '?' | '-' | ',' | ']' | '}' => {
            format!("a value cannot begin with `{first}` unless it is quoted")
        }
        _ if value.contains(": ") || value.ends_with(':') => {
            "a value cannot contain `: ` unless it is quoted".to_owned()
        }
        _ => "the value must be quoted".to_owned(),
    }
}

/// Returns the length in bytes of the first word of a text, at least one character.
fn token(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(text.len());
    end.max(text.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8))
}
