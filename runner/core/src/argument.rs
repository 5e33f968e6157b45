//! An argument as written in a manifest: a literal that may contain references to the return values
//! of other jobs.

use std::fmt;

use crate::diagnostic::Span;
use crate::value::Name;
use crate::value::RETVAL_KEY;
use crate::value::SECRET_KEY;
use crate::value::Value;
use crate::value::as_tag;
use crate::yaml::key::Key;

/// An argument as written in a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The content.
    pub node: ArgNode,
    /// Its position in the manifest.
    pub span: Span,
}

/// The content of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgNode {
    /// A literal that contains no other arguments.
    Scalar(Value),
    /// A sequence.
    List(Vec<Arg>),
    /// A mapping.
    Map(Vec<(Key, Arg)>),
    /// `!retval JOB.field`
    Retval(Reference),
    /// `!secret NAME`
    Secret(String),
}

/// The target of a `!retval`: a job, and a field of the record it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The job.
    pub job: String,
    /// Field names from the outside in; empty for the whole return value.
    pub path: Vec<String>,
}

impl Reference {
    /// Reads `JOB` or `JOB.field.field`.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.trim().split('.').map(str::to_owned);
        Self { job: parts.next().unwrap_or_default(), path: parts.collect() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.job)?;
        self.path.iter().try_for_each(|field| write!(f, ".{field}"))
    }
}

impl Arg {
    /// Creates an argument from a literal that is not in a file, such as one from the command line.
    pub fn literal(value: Value) -> Self {
        let node = match value {
            Value::List(items) => ArgNode::List(items.into_iter().map(Self::literal).collect()),
            Value::Map(entries) => ArgNode::Map(
                entries
                    .into_iter()
                    .map(|(name, value)| (Key { name: name.into(), span: Span::default() }, Self::literal(value)))
                    .collect(),
            ),
            scalar => ArgNode::Scalar(scalar),
        };
        Self { node, span: Span::default() }
    }

    /// Collects every `!retval` in this argument, with its position.
    pub fn references<'a>(&'a self, out: &mut Vec<(&'a Reference, Span)>) {
        match &self.node {
            ArgNode::Scalar(_) | ArgNode::Secret(_) => {}
            ArgNode::List(items) => items.iter().for_each(|arg| arg.references(out)),
            ArgNode::Map(entries) => entries.iter().for_each(|(_, arg)| arg.references(out)),
            ArgNode::Retval(reference) => out.push((reference, self.span)),
        }
    }

    /// Collects the name of every `!secret` in this argument, with its position.
    pub fn secrets<'a>(&'a self, out: &mut Vec<(&'a str, Span)>) {
        match &self.node {
            ArgNode::Scalar(_) | ArgNode::Retval(_) => {}
            ArgNode::List(items) => items.iter().for_each(|arg| arg.secrets(out)),
            ArgNode::Map(entries) => entries.iter().for_each(|(_, arg)| arg.secrets(out)),
            ArgNode::Secret(name) => out.push((name, self.span)),
        }
    }

    /// Returns the argument as a build config stores it. A reference becomes a mapping with the
    /// single key `!retval`, a secret one with the single key `!secret`.
    pub fn to_value(&self) -> Value {
        match &self.node {
            ArgNode::Scalar(value) => value.clone(),
            ArgNode::List(items) => Value::List(items.iter().map(Self::to_value).collect()),
            ArgNode::Map(entries) => Value::map(entries.iter().map(|(key, arg)| (key.name.clone(), arg.to_value()))),
            ArgNode::Retval(reference) => Value::entry(RETVAL_KEY, Value::string(reference.to_string())),
            ArgNode::Secret(name) => Value::entry(SECRET_KEY, Value::string(name)),
        }
    }

    /// Reads what [`Arg::to_value`] returned.
    pub fn from_value(value: &Value) -> Self {
        let entry = |(name, value): &(Name, Value)| (Key::nowhere(name), Self::from_value(value));
        let node = match value {
            Value::List(items) => ArgNode::List(items.iter().map(Self::from_value).collect()),
            Value::Map(entries) => match as_tag(entries) {
                Some((RETVAL_KEY, text)) => ArgNode::Retval(Reference::parse(text)),
                Some((_, name)) => ArgNode::Secret(name.to_owned()),
                None => ArgNode::Map(entries.iter().map(entry).collect()),
            },
            scalar => ArgNode::Scalar(scalar.clone()),
        };
        Self { node, span: Span::default() }
    }
}
