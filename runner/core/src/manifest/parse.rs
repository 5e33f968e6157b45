//! Turns a YAML tree into jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::job::Job;
use crate::job::Place;
use crate::yaml::fields::FREE;
use crate::yaml::fields::Fields;
use crate::yaml::node;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;

use super::context::Context;
use super::keys::KEYS;
use super::keys::LATER;
use super::keys::job_key::Draft;

/// The contents of a manifest.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The jobs that could be read.
    pub jobs: Vec<Job>,
    /// The jobs that could not be read, by id, with everything that is wrong with each.
    pub broken: Vec<(String, Vec<Diagnostic>)>,
    /// The mistakes of the file itself, or of a job whose id is unknown.
    pub problems: Vec<Diagnostic>,
    /// The parts that work, but are probably not what the author meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the jobs of one manifest and reports everything that is wrong with it. `folder` is the
/// manifest's folder. `stem` is its file name without the ending, which serves as the id of a job
/// that has none.
pub fn parse(source: &Arc<Source>, folder: &str, stem: &str, context: &Context) -> Parsed {
    let mut parsed = Parsed::default();
    let keys: Vec<_> = KEYS.iter().map(|key| key.name).chain(["jobs"]).collect();
    let Some(root) = node::read(source, &context.environment, &keys, &mut parsed.problems) else {
        return parsed;
    };
    let ids = ids(&root);
    let is_id = |problem: &Diagnostic| problem.label.as_ref().is_some_and(|label| ids.contains(&label.span.start));
    let warnings = parsed.problems.extract_if(.., |problem| problem.is_warning());
    parsed.warnings.extend(warnings.filter(|problem| problem.code != Code::LeadingZero || !is_id(problem)));
    let mut root = root;
    let NodeKind::Map(entries) = &mut root.kind else {
        let message = format!("a manifest is a mapping, found {}", root.shown());
        let help = "write `jobs:` with a list of jobs, or one job with `function:`";
        parsed.problems.push(Diagnostic::at(Code::WrongKind, source, root.span, message).help(help));
        return parsed;
    };
    entries.retain(|(key, _)| !key_text(key).starts_with(FREE));
    let names = KEYS.iter().map(|key| key.name).collect();
    let parser = Parser { source, folder, context, names };
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

/// Returns the places of the ids of jobs. Ids are names, even if they look like numbers.
fn ids(root: &Node) -> BTreeSet<usize> {
    let jobs = match value_of(root, "jobs").map(|jobs| &jobs.kind) {
        Some(NodeKind::Seq(jobs)) => jobs,
        _ => std::slice::from_ref(root),
    };
    jobs.iter().filter_map(|job| value_of(job, "id")).map(|id| id.span.start).collect()
}

fn value_of<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.kind {
        NodeKind::Map(entries) => entries.iter().find(|(key, _)| key_text(key) == name).map(|(_, value)| value),
        _ => None,
    }
}

struct Parser<'a> {
    source: &'a Arc<Source>,
    folder: &'a str,
    context: &'a Context,
    /// The names of all keys of a job.
    names: Vec<&'static str>,
}

impl Parser<'_> {
    fn job(&self, node: Node, stem: Option<&str>, parsed: &mut Parsed) {
        // A variable that could not be filled in was reported while the text was read. It breaks
        // the job that contains it.
        let extent = node.extent();
        let inside = |problem: &mut Diagnostic| {
            problem.label.as_ref().is_some_and(|l| extent.start <= l.span.start && l.span.start <= extent.end)
        };
        let mut own: Vec<Diagnostic> = parsed.problems.extract_if(.., inside).collect();
        let (id, job) = self.read_job(node, stem, &mut own);
        parsed.warnings.extend(own.extract_if(.., |problem| problem.is_warning()));
        match (job, id) {
            (Some(job), _) if own.is_empty() => parsed.jobs.push(job),
            (_, Some(id)) => parsed.broken.push((id, own)),
            (_, None) => parsed.problems.extend(own),
        }
    }

    fn read_job(
        &self,
        node: Node,
        stem: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> (Option<String>, Option<Job>) {
        let whole = node.span;
        let Some(mut fields) = Fields::new(self.source, problems, node, "a job") else {
            return (None, None);
        };
        let (id, function) = (Span::default(), whole);
        let source = Arc::clone(self.source);
        let place = Place { source, folder: self.folder.to_owned(), id, function, args: None, kwargs: None };
        let limits = self.context.ceiling.defaults();
        let job = Job { limits, ..Job::empty(place) };
        let mut draft = Draft { context: self.context, names: &self.names, stem, job };
        for key in KEYS {
            (key.read)(&mut draft, &mut fields);
        }
        fields.finish(&self.names, LATER);
        let mut job = draft.job;
        self.context.ceiling.mark(&mut job.limits);
        if job.place.id == Span::default() {
            job.place.id = job.place.function;
        }
        let id = Some(job.id.clone()).filter(|id| !id.is_empty());
        let is_whole = id.is_some() && !job.function.plugin.is_empty();
        (id, is_whole.then_some(job))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::BuildScope;
    use crate::schedule::CatchUp;
    use crate::schedule::Overlap;
    use crate::value::Value;

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

        /// Combines pieces with a meaning in any order.
        #[test]
        fn no_manifest_makes_it_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "jobs:", "\n", "  ", "- ", "id: a", "function: a:b", "args: ", "[", "]", "{", "}", ", ", "kwargs:", "!retval x",
            "!!binary aGk=", "!secret y", "${A:-b}", "$${", "'", "\"", "|\n", "limits: ", "memory: 1 MiB", "é", "\t", "&a ", "*a",
            "grants: ", "files: ", "host: .", "timeout: 1s", "schedule: ", "cron: 0 6 * * x", "timezone: é", "on: change", "retry: ", "attempts: 3", "on: [error(x)]", "<<: ", "? ", "-1e400", ".nan", "# c", "\r\n", "\u{feff}", "---\n",
        ]), 0..24)) {
            let (_, problems) = parse_text(&pieces.concat());
            for problem in problems {
                // Each place must be on a character boundary, or it could not be shown.
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

    /// Returns the codes and messages of everything that is reported for a job with these lines.
    fn said(lines: &str) -> Vec<(Code, String)> {
        let text = format!("jobs:\n  - id: 01\n    function: a:b\n    {lines}\n");
        let source = Arc::new(Source { path: "x.yaml".to_owned(), text });
        let parsed = parse(&source, "", "x", &Context::default());
        let broken = parsed.broken.into_iter().flat_map(|(_, problems)| problems);
        let all = parsed.problems.into_iter().chain(broken).chain(parsed.warnings);
        all.map(|problem| (problem.code, problem.message)).collect()
    }

    #[test]
    fn an_integer_may_be_written_as_a_float() {
        let text = "function: a:b\nretry: { attempts: 3.0 }\nlimits: { log_records: 1000.0, handles: 10.0 }\ndependencies: [1.0]\n";
        let (jobs, problems) = parse_text(text);
        assert_eq!(problems, vec![]);
        assert_eq!((jobs[0].retry.attempts, jobs[0].limits.handles, jobs[0].limits.log_records), (3, 10, 1000));
        assert_eq!(jobs[0].dependency_ids()[0].0, "1");
        assert_eq!(parse_text("function: a:b\nretry: 3.0\n").0[0].retry.attempts, 3);
        for no in ["retry: 3.5", "retry: { attempts: .inf }", "limits: { handles: 1.5 }", "dependencies: [1.5]"] {
            assert_eq!(said(no).len(), 1, "{no}");
        }
    }

    #[test]
    fn a_leading_zero_is_said_wherever_a_number_stands() {
        let all = [
            ("args: [00.5]", "`00.5` is the number 0.5"),
            ("args: [01e3]", "`01e3` is the number 1e3"),
            ("kwargs: { a: [-010] }", "`-010` is the number -10"),
            ("retry: 03", "`03` is the number 3"),
            ("retry: { attempts: 03 }", "`03` is the number 3"),
            ("dependencies: [02]", "`02` is the number 2"),
            ("timeout: 05s", "`05s` is 5s"),
            ("timeout: { build: 05m }", "`05m` is 5m"),
            ("limits: { memory: 064 MiB }", "`064 MiB` is 64 MiB"),
            ("limits: { handles: 010 }", "`010` is the number 10"),
        ];
        for (lines, message) in all {
            assert_eq!(said(lines), [(Code::LeadingZero, message.to_owned())], "{lines}");
        }
        for fine in ["args: [0.5, 0e1, 0, 0x10, 0o7, '01', a01]", "timeout: 0.5s", "limits: { memory: 0.5 MiB }"] {
            assert_eq!(said(fine), [], "{fine}");
        }
    }

    #[test]
    fn a_schedule_is_a_rule_or_a_mapping() {
        let job = |lines: &str| {
            let (mut jobs, problems) = parse_text(&format!("function: a:b\n{lines}\n"));
            assert_eq!(problems, vec![], "{lines}");
            jobs.remove(0)
        };
        let short = job("schedule: 0 6 * * MON-FRI").schedule.unwrap();
        assert_eq!(
            (short.cron.to_string().as_str(), short.timezone.name(), short.max),
            ("0 6 * * MON-FRI", "UTC", 100)
        );
        assert_eq!((short.catch_up, short.overlap, short.build), Default::default());
        let long = "schedule: { cron: '@daily', timezone: Europe/Rome, catch_up: all, max: 5, overlap: queue, jitter: 2m, build: all }";
        let long = job(long).schedule.unwrap();
        assert_eq!((long.timezone.name(), long.catch_up, long.max), ("Europe/Rome", CatchUp::All, 5));
        assert_eq!((long.overlap, long.jitter.as_secs(), long.build), (Overlap::Queue, 120, BuildScope::All));
    }

    #[test]
    fn a_trigger_is_the_jobs_own_or_the_operators() {
        let builds = |lines: &str, by_default: bool| {
            let (jobs, problems) = parse_text(&format!("function: a:b\n{lines}\n"));
            assert_eq!(problems, vec![], "{lines}");
            jobs[0].builds_on_change(by_default)
        };
        assert!(builds("on: change", false) && builds("priority: 5", true));
        for none in ["protected: true", "schedule: '@daily'"] {
            assert!(!builds(none, true), "{none}");
        }
        assert!(!builds("", false) && builds("on: change\nschedule: '@daily'", false));
    }

    #[test]
    fn a_mistake_in_a_rule_is_at_its_place() {
        let place = |text: &str| {
            let (_, problems) = parse_text(text);
            assert_eq!(problems.len(), 1, "{problems:?}");
            let label = problems[0].label.clone().unwrap();
            (problems[0].code, text[label.span.start..label.span.end].to_owned())
        };
        let wrong = |at: &str| (Code::InvalidCron, at.to_owned());
        assert_eq!(place("function: a:b\nschedule: 0 25 * * *\n"), wrong("25"));
        assert_eq!(place("function: a:b\nschedule: { cron: '* * * * 8', max: 3 }\n"), wrong("8"));
        assert_eq!(place("function: a:b\nschedule: \"*/5 * * * 1-x\"\n"), wrong("x"));
        // A text with escapes is marked as a whole.
        assert_eq!(place("function: a:b\nschedule: \"0\\x20 25 * * *\"\n"), wrong("\"0\\x20 25 * * *\""));
        assert_eq!(place("function: a:b\nschedule: 0 25\n  * * *\n"), wrong("0 25"));
        assert_eq!(place("function: a:b\nschedule: |\n  0 25 * * *\n").0, Code::InvalidCron);
    }

    #[test]
    fn a_tag_that_yaml_does_not_have_is_unknown() {
        for (tag, lines) in [
            ("retval", "args: [!!retval x]"),
            ("retval", "args: [!<tag:yaml.org,2002:retval> x]"),
            ("foo", "kwargs: { a: !!foo [1] }"),
            ("number", "retry: !!number 3"),
            ("text", "title: !!text x"),
        ] {
            assert_eq!(said(lines), [(Code::UnknownTag, format!("unknown tag `!!{tag}`"))], "{lines}");
        }
        assert_eq!(said("args: [!!str 5, !!int 5, !!float 1, !!bool true, !!null ~, !!seq [], !!map {}]"), []);
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
