//! A YAML tree to jobs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::job::Arg;
use crate::job::ArgNode;
use crate::job::FunctionRef;
use crate::job::Job;
use crate::job::Key;
use crate::job::Place;
use crate::job::Reference;
use crate::limits::NOTES;
use crate::limits::show_bytes;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;

use super::context::Context;
use super::hooks::hooks;
use super::pool::pool;
use super::rights;
use super::timing;

/// Longest job id: it is a name, and part of file names and URLs.
pub(super) const MAX_ID: usize = 128;

/// Every key of a job.
pub(crate) const JOB_KEYS: &[&str] = &[
    "id",
    "title",
    "notes",
    "tags",
    "function",
    "args",
    "kwargs",
    "dependencies",
    "timeout",
    "retry",
    "limits",
    "grants",
    "pool",
    "protected",
    "cleanup_function",
    "repr_function",
];

const JOB_KEYS_LATER: &[&str] = &["schedule", "map", "needs", "reuse", "traceback"];

/// What a manifest holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The jobs that can be read.
    pub jobs: Vec<Job>,
    /// The jobs that cannot, by their ids, with all that is wrong with each.
    pub broken: Vec<(String, Vec<Diagnostic>)>,
    /// What is wrong with the file itself, or with a job whose id is not known.
    pub problems: Vec<Diagnostic>,
}

/// Reads the jobs of one manifest and reports all that is wrong with it. `folder` is where it stands, `stem` its
/// name without the ending, which is the id of a job that has none.
pub fn parse(source: &Arc<Source>, folder: &str, stem: &str, context: &Context) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(root) = node::read(source, &context.environment, &mut parsed.problems) else {
        return parsed;
    };
    let NodeKind::Map(entries) = &root.kind else {
        let message = format!("a manifest is a mapping, found {}", root.kind_name());
        let help = "write `jobs:` with a list of jobs, or one job with `function:`";
        parsed.problems.push(Diagnostic::at(Code::WrongKind, source, root.span, message).help(help));
        return parsed;
    };
    let mut parser = Parser { source, folder, context };
    if !entries.iter().any(|(key, _)| key_text(key) == "jobs") {
        parser.job(root, Some(stem), &mut parsed);
        return parsed;
    }
    let Some(mut fields) = Fields::new(source, &mut parsed.problems, root, "a manifest") else {
        return parsed;
    };
    let items = fields.list("jobs").unwrap_or_default();
    fields.finish(&["jobs"], &[]);
    items.into_iter().for_each(|item| parser.job(item, None, &mut parsed));
    parsed
}

/// Whether a text can be a job's id.
pub fn valid_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

struct Parser<'a> {
    source: &'a Arc<Source>,
    folder: &'a str,
    context: &'a Context,
}

impl Parser<'_> {
    fn job(&mut self, node: Node, stem: Option<&str>, parsed: &mut Parsed) {
        // A variable that could not be filled in was reported while the text was read, and breaks the job it stands in.
        let extent = node.extent();
        let inside = |problem: &mut Diagnostic| {
            problem.label.as_ref().is_some_and(|l| extent.start <= l.span.start && l.span.start <= extent.end)
        };
        let mut own: Vec<Diagnostic> = parsed.problems.extract_if(.., inside).collect();
        let (id, job) = self.read_job(node, stem, &mut own);
        match (job, id) {
            (Some(job), _) if own.is_empty() => parsed.jobs.push(job),
            (_, Some(id)) => parsed.broken.push((id, own)),
            (_, None) => parsed.problems.extend(own),
        }
    }

    fn read_job(
        &mut self,
        node: Node,
        stem: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> (Option<String>, Option<Job>) {
        let whole = node.span;
        let Some(mut fields) = Fields::new(self.source, problems, node, "a job") else {
            return (None, None);
        };
        let (id, id_span) = Self::id(&mut fields, stem, whole);
        let function = Self::function(&mut fields, whole);
        let args = fields.take("args");
        let kwargs = fields.take("kwargs");
        let mut place = Place {
            source: Arc::clone(self.source),
            folder: self.folder.to_owned(),
            id: id_span,
            function: function.as_ref().map_or(whole, |(_, span)| *span),
            args: args.as_ref().map(|(key, _)| key.span),
            kwargs: kwargs.as_ref().map(|(key, _)| key.span),
        };
        if place.id == Span::default() {
            place.id = place.function;
        }
        let args = args.map(|(_, node)| self.args(node, &mut fields)).unwrap_or_default();
        let kwargs = kwargs.map(|(_, node)| self.kwargs(node, &mut fields)).unwrap_or_default();
        let notes = fields.string("notes");
        if let Some((text, span)) = &notes
            && text.len() > NOTES
        {
            fields.report(
                Code::NotesTooLong,
                *span,
                format!("`notes` is longer than {}", show_bytes(NOTES as u64)),
                None,
            );
        }
        let dependencies = fields.strings("dependencies");
        let mut listed = HashSet::new();
        for key in &dependencies {
            if !listed.insert(key.name.as_str()) {
                fields.report(Code::ListedTwice, key.span, format!("`{}` is listed twice", key.name), None);
            }
        }
        let title = fields.string("title").map(|(text, _)| text);
        let tags = fields.strings("tags").into_iter().map(|key| key.name).collect();
        let retry = timing::retry(&mut fields);
        let limits = rights::limits(&self.context.ceiling, &mut fields);
        let grants = rights::grants(&mut fields);
        let pool = pool(&self.context.pools, &mut fields);
        let hooks = hooks(&mut fields, function.as_ref().map(|(function, _)| function));
        let protected = fields.boolean("protected").unwrap_or(false);
        fields.finish(JOB_KEYS, JOB_KEYS_LATER);
        let (Some(known), Some((function, _))) = (id.clone(), function) else {
            return (id, None);
        };
        let notes = notes.map(|(text, _)| text);
        let job = Job {
            id: known,
            title,
            notes,
            tags,
            function,
            args,
            kwargs,
            dependencies,
            limits,
            retry,
            grants,
            pool,
            hooks,
            protected,
            place,
        };
        (id, Some(job))
    }

    fn id(fields: &mut Fields<'_>, stem: Option<&str>, whole: Span) -> (Option<String>, Span) {
        let help = || Some(format!("an id is 1 to {MAX_ID} letters, digits, `_` and `-`"));
        match (fields.take("id"), stem) {
            (Some((_, node)), _) => {
                let span = node.span;
                let id = match node.kind {
                    NodeKind::Scalar(Value::String(_) | Value::Int(_)) if valid_id(&key_text(&node)) => {
                        return (Some(key_text(&node)), span);
                    }
                    NodeKind::Scalar(Value::String(text)) => {
                        format!("`{text}` cannot be a job's id")
                    }
                    _ => format!("`id` is a string, found {}", node.kind_name()),
                };
                fields.report(Code::InvalidId, span, id, help());
                (None, span)
            }
            (None, Some(stem)) if valid_id(stem) => (Some(stem.to_owned()), Span::default()),
            (None, Some(stem)) => {
                fields.report(
                    Code::InvalidId,
                    whole,
                    format!("the file's name `{stem}` cannot be a job's id"),
                    Some("add `id:`".into()),
                );
                (None, whole)
            }
            (None, None) => {
                fields.report(Code::MissingId, whole, "a job in a list needs an `id`", help());
                (None, whole)
            }
        }
    }

    fn function(fields: &mut Fields<'_>, whole: Span) -> Option<(FunctionRef, Span)> {
        let help = || Some("write `plugin:function`, such as `sales:fetch-orders`".to_owned());
        let Some((text, span)) = fields.string("function") else {
            if !fields.has_misspelt("function", JOB_KEYS)
                && !fields.problems.iter().any(|p| p.message.starts_with("`function` is a string"))
            {
                fields.report(Code::MissingFunction, whole, "the job has no `function`", help());
            }
            return None;
        };
        match FunctionRef::parse(&text) {
            Ok(function) => Some((function, span)),
            Err(reason) => {
                fields.report(Code::FunctionSyntax, span, reason, Some(meant_function(&text)));
                None
            }
        }
    }

    fn args(&mut self, node: Node, fields: &mut Fields<'_>) -> Vec<Arg> {
        let found = node.kind_name();
        match node.kind {
            NodeKind::Seq(items) => items.into_iter().map(|item| self.arg(item, fields)).collect(),
            NodeKind::Scalar(Value::Null) => Vec::new(),
            _ => {
                let help = Some("arguments by name go below `kwargs:`".to_owned());
                fields.report(Code::WrongKind, node.span, format!("`args` is a list, found {found}"), help);
                Vec::new()
            }
        }
    }

    fn kwargs(&mut self, node: Node, fields: &mut Fields<'_>) -> Vec<(Key, Arg)> {
        let found = node.kind_name();
        match node.kind {
            NodeKind::Map(entries) => {
                let entries = entries.into_iter();
                entries.map(|(key, value)| (as_key(&key), self.arg(value, fields))).collect()
            }
            NodeKind::Scalar(Value::Null) => Vec::new(),
            _ => {
                let help = Some("arguments by position go below `args:`".to_owned());
                fields.report(Code::WrongKind, node.span, format!("`kwargs` is a mapping, found {found}"), help);
                Vec::new()
            }
        }
    }

    fn arg(&mut self, node: Node, fields: &mut Fields<'_>) -> Arg {
        let span = node.span;
        let nothing = Arg { node: ArgNode::Scalar(Value::Null), span };
        match (node.tag.as_deref(), &node.kind) {
            (None, _) => {}
            (Some("!retval"), NodeKind::Scalar(_)) => return Self::retval(&node, fields),
            (Some("!retval"), _) => {
                fields.report(
                    Code::RetvalSyntax,
                    span,
                    "`!retval` takes the id of a job",
                    Some("write `!retval JOB`".to_owned()),
                );
                return nothing;
            }
            (Some("!secret"), _) => {
                fields.report(Code::NotSupportedYet, span, "`!secret` is not supported yet", None);
                return nothing;
            }
            (Some(tag), _) => {
                let help = match nearest(tag, ["!retval"]) {
                    Some(near) => format!("did you mean `{near} {}`?", node.text),
                    None => "the tags here are `!retval` and `!!binary`".to_owned(),
                };
                let help = Some(help);
                fields.report(Code::UnknownTag, span, format!("unknown tag `{tag}`"), help);
                return nothing;
            }
        }
        let node = match node.kind {
            NodeKind::Scalar(value) => ArgNode::Scalar(value),
            NodeKind::Seq(items) => ArgNode::List(items.into_iter().map(|item| self.arg(item, fields)).collect()),
            NodeKind::Map(entries) => {
                if entries.iter().any(|(key, _)| !matches!(key.kind, NodeKind::Scalar(_))) {
                    let help = "`{{ .. }}` is not filled in here; `!retval JOB` stands for what a job returned";
                    fields.report(Code::WrongKind, span, "a key is a name, found more", Some(help.to_owned()));
                    return nothing;
                }
                let entries = entries.into_iter();
                ArgNode::Map(entries.map(|(key, value)| (as_key(&key), self.arg(value, fields))).collect())
            }
        };
        Arg { node, span }
    }

    fn retval(node: &Node, fields: &mut Fields<'_>) -> Arg {
        let reference = Reference::parse(&key_text(node));
        if !valid_id(&reference.job) || reference.path.iter().any(String::is_empty) {
            let help = Some("write `!retval JOB` or `!retval JOB.field`".to_owned());
            fields.report(Code::RetvalSyntax, node.span, format!("`{}` names no job", node.text), help);
        }
        Arg { node: ArgNode::Retval(reference), span: node.span }
    }
}

/// What somebody meant who wrote no `plugin:function`.
fn meant_function(text: &str) -> String {
    if text.contains("@sha256:") {
        return "write `PLUGIN@sha256:DIGEST:FUNCTION`; `jobcontrol inspect PLUGIN` shows the whole digest".to_owned();
    }
    let general = "write `plugin:function`, such as `sales:fetch-orders`".to_owned();
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    let trimmed = text.trim_end_matches([':', '/', '#', '.']);
    if text.starts_with(':') || trimmed.is_empty() {
        return general;
    }
    let file = [".wasm", ".wat"].iter().any(|ending| trimmed.ends_with(ending));
    let parts = trimmed.rsplit_once("::").or_else(|| trimmed.rsplit_once(['.', '/', '#', ' ']));
    match parts {
        Some((plugin, export)) if !file && plain(plugin.trim()) && plain(export) && !plugin.ends_with('.') => {
            format!("did you mean `{}:{export}`? a colon stands between the plugin and its function", plugin.trim())
        }
        _ if plain(trimmed) => {
            format!("write `{trimmed}:FUNCTION`; `jobcontrol inspect {trimmed}` lists the functions")
        }
        _ => general,
    }
}

fn as_key(node: &Node) -> Key {
    Key { name: key_text(node), span: node.span }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_text(text: &str) -> (Vec<Job>, Vec<Diagnostic>) {
        let source = Arc::new(Source { path: "x.yaml".to_owned(), text: text.to_owned() });
        let parsed = parse(&source, "", "x", &Context::default());
        let broken = parsed.broken.into_iter().flat_map(|(_, problems)| problems);
        (parsed.jobs, parsed.problems.into_iter().chain(broken).collect())
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse_text(&text);
        }

        /// Pieces that mean something, in any order.
        #[test]
        fn no_manifest_makes_it_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "jobs:", "\n", "  ", "- ", "id: a", "function: a:b", "args: ", "[", "]", "{", "}", ", ", "kwargs:", "!retval x",
            "!!binary aGk=", "!secret y", "${A:-b}", "$${", "'", "\"", "|\n", "limits: ", "memory: 1 MiB", "é", "\t", "&a ", "*a",
            "grants: ", "files: ", "host: .", "timeout: 1s", "retry: ", "attempts: 3", "on: [error(x)]", "<<: ", "? ", "-1e400", ".nan", "# c", "\r\n", "\u{feff}", "---\n",
        ]), 0..24)) {
            let (_, problems) = parse_text(&pieces.concat());
            for problem in problems {
                // Each place is on a boundary, so that it can be shown.
                let _ = problem.to_string();
                assert_on_boundaries(&problem);
            }
        }
    }

    fn assert_on_boundaries(problem: &Diagnostic) {
        for label in problem.label.iter().chain(&problem.related) {
            let text = &label.source.text;
            assert!(text.get(label.span.start..label.span.end).is_some(), "{:?} in {text:?}", label.span);
        }
    }

    #[test]
    fn the_place_of_what_is_too_deep_is_a_whole_character() {
        let text: String = (0..80).map(|depth| format!("{}é:\n", " ".repeat(depth))).collect();
        // The parser without optimisation needs more stack for 64 levels than a test's thread has.
        let parsed = std::thread::Builder::new().stack_size(64 << 20).spawn(move || parse_text(&text).1);
        let problems = parsed.unwrap().join().unwrap();
        assert_eq!(problems[0].code, Code::TooDeep);
        problems.iter().for_each(assert_on_boundaries);
    }

    #[test]
    fn a_job_alone_takes_its_files_name() {
        let (jobs, problems) = parse_text("function: a:b\nargs: [1, !retval y.z]\n");
        assert_eq!(problems, vec![]);
        assert_eq!((jobs[0].id.as_str(), jobs[0].dependency_ids()[0].0), ("x", "y"));
    }

    #[test]
    fn scalars_are_those_of_yaml_1_2() {
        let text =
            "function: a:b\nargs: [yes, 010, 0x10, 0o7, 1_000, .nan, 18446744073709551616, ~, '5', !!binary aGk=]\n";
        let (jobs, problems) = parse_text(text);
        assert_eq!(problems, vec![]);
        let values: Vec<_> = jobs[0].args.iter().map(|arg| arg.to_value()).collect();
        assert_eq!(values[0], Value::string("yes"));
        assert_eq!(values[1..4], [Value::Int(10), Value::Int(16), Value::Int(7)]);
        assert_eq!(values[4], Value::string("1_000"));
        assert!(matches!(values[5], Value::Float(x) if x.is_nan()));
        assert_eq!(values[6], Value::Int(1 << 64));
        assert_eq!(values[7..], [Value::Null, Value::string("5"), Value::Bytes(b"hi".to_vec())]);
    }
}
