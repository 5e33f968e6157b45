//! YAML as a tree in which every value has its place and its tag.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde_saphyr::NonFiniteFloatPolicy;
use serde_saphyr::Spanned;
use serde_saphyr::Tagged;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::value::Value;

use super::environment::Environment;
use super::environment::Refusal;
use super::lint::leading_zero;
use super::lint::lint;
use super::syntax::offset_of;
use super::syntax::syntax_error;

/// The prefix of the tags of YAML, which are written `!!NAME`.
const YAML_TAG: &str = "tag:yaml.org,2002:";
/// The names of all tags of YAML.
const YAML_TAGS: &[&str] = &[
    "binary",
    "bool",
    "float",
    "int",
    "map",
    "merge",
    "null",
    "omap",
    "pairs",
    "seq",
    "set",
    "str",
    "timestamp",
    "value",
    "yaml",
];
const BINARY_TAG: &str = "tag:yaml.org,2002:binary";

/// Up to this number, a float holds every integer exactly.
const EXACT: f64 = (1u64 << 53) as f64;

/// A YAML value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) span: Span,
    /// A tag that is not one of YAML's, such as `!retval`, with its `!`.
    pub(crate) tag: Option<String>,
    /// The scalar as written, for tags that need a text even if it looks like a number.
    pub(crate) text: String,
    /// Whether a variable of the environment was filled in.
    pub(crate) filled: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Scalar(Value),
    Seq(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Returns the range from the first to the last place of this value and everything in it.
    pub(crate) fn extent(&self) -> Span {
        let within: Vec<&Self> = match &self.kind {
            NodeKind::Scalar(_) => Vec::new(),
            NodeKind::Seq(items) => items.iter().collect(),
            NodeKind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        };
        within
            .into_iter()
            .map(Self::extent)
            .fold(self.span, |whole, part| Span::new(whole.start.min(part.start), whole.end.max(part.end)))
    }

    /// Returns the place of a part of this text. Returns the place of the whole if the text does
    /// not stand on one line exactly as it reads, or if it comes from a variable.
    pub(crate) fn part(&self, source: &Source, range: Range<usize>) -> Span {
        let NodeKind::Scalar(Value::String(text)) = &self.kind else {
            return self.span;
        };
        let written = source.text.get(self.span.start..self.span.end).unwrap_or_default();
        let quote = usize::from(written.starts_with(['"', '\'']));
        match written.get(quote..).is_some_and(|written| written.starts_with(text.as_str())) {
            true if !self.filled => {
                Span::new(self.span.start + quote + range.start, self.span.start + quote + range.end)
            }
            _ => self.span,
        }
    }

    /// Returns this value as an integer, for places that expect one: `4.0` counts as well.
    #[expect(clippy::cast_possible_truncation, reason = "a float that is not exact is not taken as an integer")]
    pub(crate) fn integer(&self) -> Option<i128> {
        match self.kind {
            NodeKind::Scalar(Value::Int(i)) => Some(i),
            NodeKind::Scalar(Value::Float(x)) if x.fract() == 0.0 && x.abs() <= EXACT => Some(x as i128),
            _ => None,
        }
    }

    /// Describes this value for a message: its kind, or the value of a scalar. A scalar with a
    /// filled-in variable may be a secret, so only its kind is shown.
    pub(crate) fn shown(&self) -> String {
        if let Some(tag) = &self.tag {
            return format!("the tag `{tag}`");
        }
        match &self.kind {
            NodeKind::Scalar(value) if self.filled => value.kind().to_owned(),
            NodeKind::Scalar(value) => value.shortened(),
            NodeKind::Seq(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a mapping".to_owned(),
        }
    }
}

#[derive(Debug)]
enum Raw {
    Scalar(Value),
    Seq(Vec<RawNode>),
    Map(Vec<(RawNode, RawNode)>),
}

type RawNode = Spanned<Tagged<Raw>>;

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, b: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(b)))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(i.into())))
    }

    fn visit_u64<E>(self, i: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(i.into())))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(x)))
    }

    fn visit_str<E>(self, s: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::string(s)))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::Seq(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        ignore_binary_tag_for_string: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// Reads a whole document. Returns `None` if it is empty or cannot be read. `keys` are the known
/// keys of such a file.
pub(crate) fn read(
    source: &Arc<Source>,
    environment: &Environment,
    keys: &[&str],
    problems: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let raw: RawNode = match serde_saphyr::from_str_with_options(&source.text, options()) {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(syntax_error(source, &error, keys));
            return None;
        }
    };
    if matches!(raw.value, Tagged(Raw::Scalar(Value::Null), _)) {
        problems.push(
            Diagnostic::of(Code::Empty, format!("{}: the file is empty", source.path))
                .file(&source.path)
                .help("write `jobs:` with a list of jobs, or one job with `function:`"),
        );
        return None;
    }
    let node = Reader { source, environment: Some(environment), problems }.node(raw, false);
    lint(source, problems);
    Some(node)
}

/// Returns the end of a list or mapping that begins at `start`, on the same line: its closing
/// bracket, or the end of the line.
fn collection_end(text: &str, start: usize) -> usize {
    let rest = text[start..].split(['\n', '\r']).next().unwrap_or("");
    if !rest.starts_with(['[', '{']) {
        return line_end(text, start);
    }
    let (mut open, mut quote, mut escaped) = (0usize, None, false);
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            // A quote or a comment begins only where a value can begin, so not within `it's` or
            // `a#b`.
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '\t' | '[' | '{' | ',' | ':') => quote = Some(c),
            None if c == '#' && matches!(before, ' ' | '\t') => break,
            None if matches!(c, '[' | '{') => open += 1,
            None if matches!(c, ']' | '}') => {
                open -= 1;
                if open == 0 {
                    return start + at + 1;
                }
            }
            None => {}
        }
        before = c;
    }
    line_end(text, start)
}

/// Returns the end of the text on the line from `start`, without a comment.
fn line_end(text: &str, start: usize) -> usize {
    let line = text[start..].lines().next().unwrap_or("");
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    start + line.len().max(usize::from(!line.is_empty()))
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    /// `None` if variables are not filled in.
    environment: Option<&'a Environment>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn node(&mut self, raw: RawNode, key: bool) -> Node {
        let at = raw.referenced.span();
        let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
        let start = number(at.byte_offset())
            .unwrap_or_else(|| offset_of(&self.source.text, raw.referenced.line(), raw.referenced.column()))
            .min(self.source.text.len());
        let mut span = Span::new(start, start + number(at.byte_len()).unwrap_or(0));
        let Tagged(raw, tag) = raw.value;
        let kind = match raw {
            Raw::Scalar(value) => return self.scalar(value, tag, span, key),
            Raw::Seq(items) => NodeKind::Seq(items.into_iter().map(|item| self.node(item, false)).collect()),
            Raw::Map(entries) => {
                let entries = entries.into_iter().map(|(k, v)| (self.node(k, true), self.node(v, false)));
                NodeKind::Map(entries.collect())
            }
        };
        span.end = collection_end(&self.source.text, start);
        Node { kind, span, tag: self.own_tag(tag, span, ""), text: String::new(), filled: false }
    }

    fn scalar(&mut self, value: Value, tag: Option<String>, mut span: Span, key: bool) -> Node {
        let text = self.source.text.get(span.start..span.end).unwrap_or("").trim_end().to_owned();
        span.end = span.start + text.split('\n').next().unwrap_or("").trim_end().len();
        let first = text.chars().next();
        let (plain, double) = (!matches!(first, Some('"' | '\'')), first == Some('"'));
        let block = self.source.text[..span.start].trim_end().ends_with(['|', '>', '-', '+']) && text.contains('\n');
        let mut node = Node { kind: NodeKind::Scalar(value), span, tag: None, text, filled: false };
        if tag.as_deref() == Some(BINARY_TAG) {
            node.kind = NodeKind::Scalar(self.binary(&node));
            return node;
        }
        node.tag = self.own_tag(tag, span, &node.text);
        if let NodeKind::Scalar(value) = &mut node.kind {
            if plain && let Some(int) = decimal(&node.text).filter(|_| matches!(value, Value::Float(_))) {
                *value = Value::Int(int);
            }
            if plain && !key && matches!(value, Value::Int(_) | Value::Float(_)) {
                self.problems.extend(leading_zero(self.source, &node.text, span));
            }
            if plain && let Some((message, help)) = out_of_range(value, &node.text) {
                let problem = Diagnostic::at(Code::NumberTooLarge, self.source, span, message);
                self.problems.push(problem.help(help));
            }
            if !key
                && !block
                && (plain || double)
                && let Value::String(written) = value
                && let Some(environment) = self.environment
            {
                match environment.fill(written) {
                    Ok(None) => {}
                    Ok(Some(filled)) => {
                        node.text.clone_from(&filled);
                        node.filled = true;
                        *value = if double { Value::String(filled) } else { plain_scalar(filled) };
                        if let Some((_, help)) = out_of_range(value, &node.text) {
                            let message = "the variable holds a number that no float can hold";
                            let problem = Diagnostic::at(Code::NumberTooLarge, self.source, span, message);
                            self.problems.push(problem.help(help));
                        }
                    }
                    Err(Refusal { code, message, help }) => {
                        self.problems.push(Diagnostic::at(code, self.source, span, message).help(help));
                        // It stays a text, so that nothing else is reported about it.
                        *value = Value::String(String::new());
                    }
                }
            }
        }
        node
    }

    /// Returns a tag that is not one of YAML's. A tag that has the prefix of YAML's tags but is not
    /// one of them is reported here, because it has no meaning anywhere.
    fn own_tag(&mut self, tag: Option<String>, span: Span, text: &str) -> Option<String> {
        let tag = tag?;
        let Some(name) = tag.strip_prefix(YAML_TAG) else {
            return Some(tag);
        };
        if !YAML_TAGS.contains(&name) {
            let help = match nearest(name, ["retval", "binary"]) {
                Some("retval") => format!("did you mean `!retval {text}`?"),
                Some(near) => format!("did you mean `!!{near} {text}`?"),
                None => "the tags here are `!retval` and `!!binary`".to_owned(),
            };
            let unknown = Diagnostic::at(Code::UnknownTag, self.source, span, format!("unknown tag `!!{name}`"));
            self.problems.push(unknown.help(help));
        }
        None
    }

    fn binary(&mut self, node: &Node) -> Value {
        let compact: String = node.text.chars().filter(|c| !c.is_whitespace() && *c != '"' && *c != '\'').collect();
        match data_encoding::BASE64.decode(compact.as_bytes()) {
            Ok(bytes) => Value::Bytes(bytes),
            Err(error) => {
                let message = format!("this is not valid base64: {error}");
                self.problems.push(Diagnostic::at(Code::NotBase64, self.source, node.span, message));
                Value::Null
            }
        }
    }
}

/// Returns why a number cannot be a float, and what to write instead: it would become infinite, or
/// zero.
fn out_of_range(value: &Value, text: &str) -> Option<(String, &'static str)> {
    let Value::Float(x) = value else { return None };
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    if x.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
        return Some((format!("{text} is out of range for every float"), "write `.inf` for infinity"));
    }
    let vanishes = *x == 0.0 && mantissa.contains(|c| matches!(c, '1'..='9'));
    vanishes.then(|| (format!("{text} is too small for every float"), "write `0.0` for zero"))
}

/// Reads a decimal integer. YAML 1.2 also reads `010` and integers beyond 64 bits as integers;
/// their range is checked against the type later.
fn decimal(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads a plain scalar with a filled-in variable as YAML would read it, but only ever as a scalar.
fn plain_scalar(text: String) -> Value {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
        if let Some(int) = decimal(&text) {
            return Value::Int(int);
        }
        if let Ok(Raw::Scalar(value)) = serde_saphyr::from_str_with_options(&text, options()) {
            return value;
        }
    }
    Value::String(text)
}

/// Reads one YAML value that is not part of a manifest, such as a value of the command line.
/// `${NAME}` is plain text there.
///
/// # Errors
///
/// Returns an error if the text is not YAML, or if it uses a tag.
pub fn parse_value(text: &str) -> Result<Value, String> {
    let source = Arc::new(Source { path: String::new(), text: text.to_owned() });
    let raw: RawNode =
        serde_saphyr::from_str_with_options(text, options()).map_err(|e| syntax_error(&source, &e, &[]).message)?;
    let mut problems = Vec::new();
    let node = Reader { source: &source, environment: None, problems: &mut problems }.node(raw, true);
    match problems.iter().find(|problem| !problem.is_warning()) {
        Some(problem) => Err(problem.message.clone()),
        None => to_value(node),
    }
}

fn to_value(node: Node) -> Result<Value, String> {
    if let Some(tag) = node.tag {
        return Err(format!("`{tag}` can be used only in a manifest"));
    }
    Ok(match node.kind {
        NodeKind::Scalar(value) => value,
        NodeKind::Seq(items) => Value::List(items.into_iter().map(to_value).collect::<Result<_, _>>()?),
        NodeKind::Map(entries) => {
            let entries = entries.into_iter().map(|(key, value)| match key.kind {
                NodeKind::Scalar(_) => Ok((key_text(&key).into(), to_value(value)?)),
                _ => Err("a key must be a name".to_owned()),
            });
            Value::Map(entries.collect::<Result<_, String>>()?)
        }
    })
}

/// Returns a key as text: `1` and `true` are names as well.
pub(crate) fn key_text(key: &Node) -> String {
    match &key.kind {
        NodeKind::Scalar(Value::String(text)) => text.clone(),
        _ => key.text.clone(),
    }
}

/// Returns an id as text: `1.0` becomes the integer `1`, and `01` stays as written.
pub(crate) fn id_text(node: &Node) -> String {
    match (&node.kind, node.integer()) {
        (NodeKind::Scalar(Value::Float(_)), Some(i)) => i.to_string(),
        _ => key_text(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_ends_at_its_bracket_or_with_the_line() {
        let shown = |text: &str| text[..collection_end(text, 0)].to_owned();
        assert_eq!(shown("[a, {b: ']'}, \"\\\"]\"] , c # d"), "[a, {b: ']'}, \"\\\"]\"]");
        assert_eq!(shown("{it's: [x]} }"), "{it's: [x]}");
        assert_eq!(shown("[a, # ]\n b]"), "[a,");
        assert_eq!(shown("[a,\r\n b]"), "[a,");
        assert_eq!(shown("key: value # comment\n"), "key: value");
    }
}
