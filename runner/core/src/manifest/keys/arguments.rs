//! `args` and `kwargs`: the arguments of a job's function.

use serde_json::json;

use crate::argument::Arg;
use crate::argument::ArgNode;
use crate::argument::Reference;
use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::schema::parts::described;
use crate::value::RETVAL_KEY;
use crate::value::SECRET_KEY;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::fields::as_list;
use crate::yaml::key::Key;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;
use crate::yaml::secret::read_secret;

use super::id::valid_id;
use super::job_key::JobKey;

pub(crate) const ARGS: JobKey = JobKey {
    name: "args",
    decisive: true,
    packed_at: 3,
    read: |draft, fields| {
        if let Some((key, node)) = fields.take("args") {
            draft.job.place.args = Some(key.span);
            draft.job.args = read_args(node, fields);
        }
    },
    pack: |job| Some(Value::List(job.args.iter().map(Arg::to_value).collect())),
    unpack: |packed, job| job.args = packed.items().iter().map(Arg::from_value).collect(),
    schema: |_| described("Arguments by position.", json!({ "type": ["array", "null"] })),
};

pub(crate) const KWARGS: JobKey = JobKey {
    name: "kwargs",
    decisive: true,
    packed_at: 4,
    read: |draft, fields| {
        if let Some((key, node)) = fields.take("kwargs") {
            draft.job.place.kwargs = Some(key.span);
            draft.job.kwargs = read_kwargs(node, fields);
        }
    },
    pack: |job| Some(pack_named(&job.kwargs)),
    unpack: |packed, job| job.kwargs = unpack_named(packed),
    schema: |_| {
        described(
            "Arguments by parameter name, in kebab-case or snake_case. Those of an option type may be left out.",
            json!({ "type": ["object", "null"] }),
        )
    },
};

/// Packs arguments by name for a build config.
pub(crate) fn pack_named(args: &[(Key, Arg)]) -> Value {
    Value::map(args.iter().map(|(key, arg)| (key.name.clone(), arg.to_value())))
}

/// Reads what [`pack_named`] returned. Anything else yields no arguments.
pub(crate) fn unpack_named(packed: &Value) -> Vec<(Key, Arg)> {
    packed.entries().iter().map(|(name, value)| (Key::nowhere(name), Arg::from_value(value))).collect()
}

fn read_args(node: Node, fields: &mut Fields<'_>) -> Vec<Arg> {
    let found = node.shown();
    match node.kind {
        NodeKind::Seq(items) => items.into_iter().map(|item| read_arg(item, fields)).collect(),
        NodeKind::Scalar(Value::Null) => Vec::new(),
        _ => {
            let help = match &node.kind {
                NodeKind::Map(_) => "arguments by name go below `kwargs:`".to_owned(),
                _ => as_list(&node.text),
            };
            fields.report(Code::WrongKind, node.span, format!("`args` is a list, found {found}"), Some(help));
            Vec::new()
        }
    }
}

fn read_kwargs(node: Node, fields: &mut Fields<'_>) -> Vec<(Key, Arg)> {
    let found = node.shown();
    match node.kind {
        NodeKind::Map(entries) => {
            let entries = entries.into_iter();
            entries.map(|(key, value)| (as_key(&key), read_arg(value, fields))).collect()
        }
        NodeKind::Scalar(Value::Null) => Vec::new(),
        _ => {
            let help = match &node.kind {
                NodeKind::Seq(_) => "arguments by position go below `args:`".to_owned(),
                _ => match node.text.lines().next().and_then(|line| line.split_once('=')) {
                    Some((name, value)) => format!("write `{}: {}`", name.trim(), value.trim()),
                    None => "write `NAME: VALUE` on a separate line for each argument".to_owned(),
                },
            };
            fields.report(Code::WrongKind, node.span, format!("`kwargs` is a mapping, found {found}"), Some(help));
            Vec::new()
        }
    }
}

fn read_arg(node: Node, fields: &mut Fields<'_>) -> Arg {
    let span = node.span;
    let nothing = Arg { node: ArgNode::Scalar(Value::Null), span };
    match (node.tag.as_deref(), &node.kind) {
        (None, _) => {}
        (Some(RETVAL_KEY), NodeKind::Scalar(_)) => return read_retval(&node, fields),
        (Some(RETVAL_KEY), _) => {
            fields.report(
                Code::RetvalSyntax,
                span,
                "`!retval` takes the id of a job",
                Some("write `!retval JOB`".to_owned()),
            );
            return nothing;
        }
        (Some(SECRET_KEY), _) => {
            let name = read_secret(&node, fields);
            return name.map_or(nothing, |name| Arg { node: ArgNode::Secret(name), span });
        }
        (Some(tag), _) => {
            let help = match nearest(tag, [RETVAL_KEY, SECRET_KEY]) {
                Some(near) => format!("did you mean `{near} {}`?", node.text),
                None => "the tags here are `!retval`, `!secret` and `!!binary`".to_owned(),
            };
            let help = Some(help);
            fields.report(Code::UnknownTag, span, format!("unknown tag `{tag}`"), help);
            return nothing;
        }
    }
    let node = match node.kind {
        NodeKind::Scalar(value) => {
            report_doubts(&value, span, fields);
            ArgNode::Scalar(value)
        }
        NodeKind::Seq(items) => ArgNode::List(items.into_iter().map(|item| read_arg(item, fields)).collect()),
        NodeKind::Map(entries) => {
            if entries.iter().any(|(key, _)| !matches!(key.kind, NodeKind::Scalar(_))) {
                let help = "`{{ .. }}` is not filled in here; `!retval JOB` stands for what a job returned";
                let message = "a key must be a name, found a list or a mapping";
                fields.report(Code::WrongKind, span, message, Some(help.to_owned()));
                return nothing;
            }
            let entries = entries.into_iter();
            ArgNode::Map(entries.map(|(key, value)| (as_key(&key), read_arg(value, fields))).collect())
        }
    };
    Arg { node, span }
}

/// Warns of a value that can be read, but is probably not what the author meant.
fn report_doubts(value: &Value, span: Span, fields: &mut Fields<'_>) {
    let Value::String(text) = value else { return };
    let Some((_, reference)) = text.split_once("!retval ") else { return };
    let job = reference.split_whitespace().next().unwrap_or_default();
    let job = job.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    if valid_id(&Reference::parse(job).job) {
        let help =
            format!("`!retval {job}` without quotes stands for what the job returned; it must be the whole value");
        fields.report(Code::RetvalInText, span, "`!retval` inside a text is only text", Some(help));
    }
}

fn read_retval(node: &Node, fields: &mut Fields<'_>) -> Arg {
    let reference = Reference::parse(&key_text(node));
    if !valid_id(&reference.job) || reference.path.iter().any(String::is_empty) {
        let help = Some("write `!retval JOB` or `!retval JOB.field`".to_owned());
        fields.report(Code::RetvalSyntax, node.span, format!("`{}` does not name a job", node.text), help);
    }
    Arg { node: ArgNode::Retval(reference), span: node.span }
}

fn as_key(node: &Node) -> Key {
    Key { name: key_text(node), span: node.span }
}
