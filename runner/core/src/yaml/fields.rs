//! Reads each key of a mapping once, and reports unknown keys and values of the wrong kind.

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Label;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::diagnostic::without_space;
use crate::value::Value;

use super::key::Key;
use super::node::Node;
use super::node::NodeKind;
use super::node::id_text;
use super::node::key_text;

/// Top-level keys with this prefix are free for the author to use.
pub(crate) const FREE: &str = "x-";

/// The names of keys in other tools, and their names here.
const SYNONYMS: &[(&str, &str)] = &[
    ("name", "id"),
    ("description", "notes"),
    ("call", "function"),
    ("run", "function"),
    ("uses", "function"),
    ("arguments", "args"),
    ("params", "kwargs"),
    ("parameters", "kwargs"),
    ("inputs", "kwargs"),
    ("with", "kwargs"),
    ("depends_on", "dependencies"),
    ("depends-on", "dependencies"),
    ("after", "dependencies"),
    ("permissions", "grants"),
];

/// Returns help on how to write a text as the list that is expected.
pub(crate) fn as_list(text: &str) -> String {
    match text.strip_prefix('-').and_then(|rest| rest.split_whitespace().next()) {
        Some(first) => format!("an entry begins with a dash and a space: `- {first}`"),
        None if text.contains('\n') => "begin each entry with a dash and a space: `- ..`".to_owned(),
        None => {
            let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
            format!("write `[{inner}]`")
        }
    }
}

/// Returns the key that corresponds to a word of another tool.
fn meant(word: &str, known: &[&str]) -> Option<&'static str> {
    SYNONYMS.iter().find(|(other, key)| *other == word && known.contains(key)).map(|(_, key)| *key)
}

/// A mapping being read.
pub(crate) struct Fields<'a> {
    pub(crate) source: &'a Arc<Source>,
    pub(crate) problems: &'a mut Vec<Diagnostic>,
    /// The whole mapping.
    pub(crate) span: Span,
    entries: Vec<(Key, Node)>,
    /// Each key as written, in order: its name, where it begins, and whether indented lines belong
    /// below it.
    written: Vec<(String, usize, bool)>,
}

/// Keys whose value is usually in the lines below. If such a key is empty, those lines may have the
/// wrong indentation.
const SECTIONS: &[&str] = &[
    "args",
    "kwargs",
    "limits",
    "grants",
    "retry",
    "timeout",
    "dependencies",
    "schedule",
    "ceiling",
    "retention",
    "server",
    "bus",
];

impl<'a> Fields<'a> {
    /// Splits a mapping into its entries. If the node is not a mapping, the report calls it `what`,
    /// such as `a job`.
    pub(crate) fn new(
        source: &'a Arc<Source>,
        problems: &'a mut Vec<Diagnostic>,
        node: Node,
        what: &str,
    ) -> Option<Self> {
        let span = node.span;
        let found = node.shown();
        let NodeKind::Map(map) = node.kind else {
            let message = format!("{what} is a mapping, found {found}");
            problems.push(Diagnostic::at(Code::WrongKind, source, span, message));
            return None;
        };
        let entries = map.into_iter().map(|(key, value)| (Key { name: key_text(&key), span: key.span }, value));
        let entries: Vec<(Key, Node)> = entries.collect();
        let below = |(key, node): &(Key, Node)| match node.kind {
            NodeKind::Map(_) => !source.text.get(node.span.start..).is_some_and(|text| text.starts_with('{')),
            NodeKind::Scalar(Value::Null) => SECTIONS.contains(&key.name.as_str()),
            _ => false,
        };
        let written = entries.iter().map(|entry| (entry.0.name.clone(), entry.0.span.start, below(entry))).collect();
        Some(Self { source, problems, span, entries, written })
    }

    /// Reports a mistake at a place in this file. If a variable of a text was refused, nothing else
    /// is reported about that text.
    pub(crate) fn report(&mut self, code: Code, span: Span, message: impl Into<String>, help: Option<String>) {
        let refused = |problem: &Diagnostic| {
            let of_variable =
                matches!(problem.code, Code::VariableNotAllowed | Code::VariableNotSet | Code::VariableSyntax);
            let here = |label: &Label| label.span == span && Arc::ptr_eq(&label.source, self.source);
            of_variable && problem.label.as_ref().is_some_and(here)
        };
        if self.problems.iter().any(refused) {
            return;
        }
        self.problems.push(Diagnostic::at(code, self.source, span, message).maybe_help(help));
    }

    /// Removes the value of `key` and returns it, if the key is present.
    pub(crate) fn take(&mut self, key: &str) -> Option<(Key, Node)> {
        let at = self.entries.iter().position(|(k, _)| k.name == key)?;
        Some(self.entries.remove(at))
    }

    /// Returns the value of `key` without removing it.
    pub(crate) fn peek(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(k, _)| k.name == key).map(|(_, node)| node)
    }

    /// Returns whether some key is probably a misspelt `key`, one of `known`. It is reported as
    /// unknown, so `key` must not be reported as missing too.
    pub(crate) fn has_misspelt(&self, key: &str, known: &[&str]) -> bool {
        let names = self.entries.iter().map(|(k, _)| k.name.split(':').next().unwrap_or(&k.name));
        let names = names
            .map(|name| name.strip_prefix('-').unwrap_or(name))
            .filter(|name| self.peek(name).is_none() || !known.contains(name));
        names.into_iter().any(|name| meant(name, known).or_else(|| nearest(name, known.iter().copied())) == Some(key))
    }

    /// Takes a string.
    pub(crate) fn string(&mut self, key: &str) -> Option<(String, Span)> {
        let (_, node) = self.take(key)?;
        self.text(node, &format!("`{key}`"))
    }

    fn text(&mut self, node: Node, what: &str) -> Option<(String, Span)> {
        let found = node.shown();
        match node {
            Node { kind: NodeKind::Scalar(Value::String(text)), span, tag: None, .. } => Some((text, span)),
            node => {
                let scalar = matches!(node.kind, NodeKind::Scalar(Value::Int(_) | Value::Float(_) | Value::Bool(_)));
                let help = match node.tag {
                    Some(_) => Some("a text that begins with `!` must be in quotes".to_owned()),
                    None => scalar.then(|| "write it in quotes".to_owned()),
                };
                self.report(Code::WrongKind, node.span, format!("{what} is a string, found {found}"), help);
                None
            }
        }
    }

    /// Takes a string. Returns `None` for an empty value.
    pub(crate) fn text_or_nothing(&mut self, key: &str) -> Option<(String, Span)> {
        match self.peek(key) {
            Some(Node { kind: NodeKind::Scalar(Value::Null), tag: None, .. }) => {
                self.take(key);
                None
            }
            _ => self.string(key),
        }
    }

    /// Takes a list of jobs' ids, which may look like numbers.
    pub(crate) fn ids(&mut self, key: &str) -> Vec<Key> {
        let items = self.list(key).unwrap_or_default();
        let ids = items.into_iter().filter_map(|item| match item.integer().filter(|_| item.tag.is_none()) {
            Some(_) => Some((id_text(&item), item.span)),
            None => self.text(item, &format!("an entry of `{key}`")),
        });
        ids.map(|(name, span)| Key { name, span }).collect()
    }

    /// Takes a list of strings.
    pub(crate) fn strings(&mut self, key: &str) -> Vec<Key> {
        let items = self.list(key).unwrap_or_default();
        let texts = items.into_iter().filter_map(|item| self.text(item, &format!("an entry of `{key}`")));
        texts.map(|(name, span)| Key { name, span }).collect()
    }

    /// Takes a mapping whose keys the author chooses; `example` shows what one looks like.
    pub(crate) fn mapping(&mut self, key: &str, example: &str) -> Vec<(Node, Node)> {
        let Some((_, node)) = self.take(key) else {
            return Vec::new();
        };
        let found = node.shown();
        let NodeKind::Map(entries) = node.kind else {
            let help = Some(format!("write `{key}: {example}`"));
            self.report(Code::WrongKind, node.span, format!("`{key}` is a mapping, found {found}"), help);
            return Vec::new();
        };
        entries
    }

    /// Takes a list.
    pub(crate) fn list(&mut self, key: &str) -> Option<Vec<Node>> {
        let (_, node) = self.take(key)?;
        let found = node.shown();
        match node.kind {
            NodeKind::Seq(items) => Some(items),
            NodeKind::Scalar(Value::Null) => Some(Vec::new()),
            _ => {
                let help = match &node.kind {
                    NodeKind::Map(entries) => match entries.first() {
                        Some((first, _)) => match without_space(&key_text(first)) {
                            Some((right, why)) => format!("{why}: write `{right} ..`"),
                            None => format!("begin each entry with a dash: `- {}: ..`", key_text(first)),
                        },
                        None => "write `[]` for an empty list".to_owned(),
                    },
                    _ => as_list(&node.text),
                };
                self.report(Code::WrongKind, node.span, format!("`{key}` is a list, found {found}"), Some(help));
                None
            }
        }
    }

    /// Takes a boolean.
    pub(crate) fn boolean(&mut self, key: &str) -> Option<bool> {
        let (_, node) = self.take(key)?;
        match node.kind {
            NodeKind::Scalar(Value::Bool(b)) => Some(b),
            _ => {
                let message = format!("`{key}` is true or false, found {}", node.shown());
                self.report(Code::WrongKind, node.span, message, None);
                None
            }
        }
    }

    /// Returns the section that an unknown key may belong to: the one right before it, with at most
    /// other unknown keys between them.
    fn section_before(&self, key: &Key, known: &[&str]) -> Option<&str> {
        let before = self.written.iter().rev().filter(|(_, start, _)| *start < key.span.start);
        let (name, _, section) = before.into_iter().find(|(name, ..)| known.contains(&name.as_str()))?;
        section.then_some(name.as_str())
    }

    /// Reports every key that was not taken: as not supported yet if it is one of `later`,
    /// otherwise as unknown.
    pub(crate) fn finish(mut self, known: &[&str], later: &[&str]) {
        for (key, _) in std::mem::take(&mut self.entries) {
            let diagnostic = if later.contains(&key.name.as_str()) {
                Diagnostic::at(
                    Code::NotSupportedYet,
                    self.source,
                    key.span,
                    format!("`{}` is not supported yet", key.name),
                )
            } else {
                let near = || nearest(&key.name, known.iter().chain(later).copied());
                let spaced = without_space(&key.name);
                let help = match meant(&key.name, known).or_else(near) {
                    _ if let Some((right, why)) = spaced => format!("{why}: write `{right}`"),
                    Some(near) => format!("did you mean `{near}`?"),
                    None => match self.section_before(&key, known) {
                        Some(section) => format!("indent it further if it belongs below `{section}:`"),
                        None => format!("the keys here are {}", known.join(", ")),
                    },
                };
                Diagnostic::at(Code::UnknownKey, self.source, key.span, format!("unknown key `{}`", key.name))
                    .help(help)
            };
            self.problems.push(diagnostic);
        }
    }
}
