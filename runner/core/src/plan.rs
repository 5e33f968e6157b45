//! What is due, and in which order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::build::Build;
use crate::build::BuildStatus;
use crate::check::CheckedJob;
use crate::check::Graph;
use crate::check::closure;
use crate::job::Arg;
use crate::job::Job;
use crate::job::Key;
use crate::value::RETVAL_KEY;
use crate::value::Value;
use crate::value::pack;

/// Keys of a job that decide what a build returns; the others may change without making it outdated.
const DECISIVE_KEYS: &[&str] = &["function", "args", "kwargs", "dependencies", "grants"];

/// How a job stands, by its finished builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// It has no finished build that was not skipped.
    NotBuilt,
    /// It has finished builds, and none succeeded.
    Failed,
    /// Its last success used something that has changed since, for these reasons.
    Outdated(Vec<String>),
    /// Its last success is still what a build would make today.
    Success,
}

impl JobStatus {
    /// The name that is shown and stored.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBuilt => "not_built",
            Self::Failed => "failed",
            Self::Outdated(_) => "outdated",
            Self::Success => "success",
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for JobStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the store knows of a job. Builds come without return value and traceback.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobHistory {
    /// Whether it has a finished build that was not skipped.
    pub finished: bool,
    /// Its newest build, whatever its status is.
    pub newest: Option<Arc<Build>>,
    /// Its latest successful build, not skipped: what dependents are pinned to.
    pub latest: Option<Arc<Build>>,
    /// Its latest build that was successful or skipped: what tells whether it is outdated.
    pub last_good: Option<Arc<Build>>,
}

/// The status of `job`, whose plugin has `digest` today. `latest` tells the latest successful build of a dependency.
pub fn job_status<'a>(
    job: &Job,
    digest: &str,
    history: &JobHistory,
    latest: impl Fn(&str) -> Option<&'a Build>,
) -> JobStatus {
    let (Some(_), Some(used)) = (&history.latest, &history.last_good) else {
        return if history.finished { JobStatus::Failed } else { JobStatus::NotBuilt };
    };
    let mut reasons = Vec::new();
    if let Some(was) = used.plugin.as_deref().filter(|was| *was != digest) {
        reasons.push(format!("the plugin has changed: sha256:{} -> sha256:{}", start_of(was), start_of(digest)));
    }
    let today = job.to_config();
    for key in DECISIVE_KEYS {
        changes(key, used.config.get(key), today.get(key), &mut reasons);
    }
    if matches!(used.config.get("overrides"), Some(Value::Map(overrides)) if !overrides.is_empty()) {
        reasons.push(format!("its last build, {}, ran with other arguments", used.id));
    }
    for pin in used.pins() {
        if let Some(newest) = latest(&pin.job)
            && newest.retval_digest != pin.retval_digest
        {
            let (was, now) = (pin.build, newest.id);
            reasons.push(format!("`{}` returned something else since: build {was} -> build {now}", pin.job));
        }
    }
    if reasons.is_empty() { JobStatus::Success } else { JobStatus::Outdated(reasons) }
}

/// As much of a digest as tells it from the others of a folder.
fn start_of(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// What has changed under a key of the configuration: each entry of a mapping for itself.
fn changes(key: &str, was: Option<&Value>, now: Option<&Value>, out: &mut Vec<String>) {
    match (was, now) {
        (was, now) if was == now => {}
        (Some(Value::Map(was)), Some(Value::Map(now))) => {
            let find = |entries: &[(String, Value)], name: &str| {
                entries.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
            };
            let names = was.iter().chain(now.iter().filter(|(name, _)| find(was, name).is_none()));
            let before = out.len();
            for (name, _) in names {
                let (was, now) = (find(was, name), find(now, name));
                if was != now {
                    out.push(change(&format!("{key}.{name}"), was.as_ref(), now.as_ref()));
                }
            }
            if out.len() == before {
                out.push(format!("`{key}` has changed: the order of its entries"));
            }
        }
        (was, now) => out.push(change(key, was, now)),
    }
}

fn change(key: &str, was: Option<&Value>, now: Option<&Value>) -> String {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), short);
    format!("`{key}` has changed: {} -> {}", shown(was), shown(now))
}

/// A value on one line, cut where it gets long.
fn short(value: &Value) -> String {
    /// Longer than this, nobody compares two by eye.
    const SHORT: usize = 60;
    fn write(value: &Value, out: &mut String) {
        if out.len() > 2 * SHORT {
            return;
        }
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                let text = match value {
                    Value::Bool(b) => b.to_string(),
                    Value::Int(i) => i.to_string(),
                    Value::Float(x) => x.to_string(),
                    _ => String::new(),
                };
                out.push_str(&text);
            }
            Value::String(text) => out.extend(['"'].into_iter().chain(text.chars().take(SHORT)).chain(['"'])),
            Value::Bytes(bytes) => out.push_str(&format!("{} bytes", bytes.len())),
            Value::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    write(item, out);
                }
                out.push(']');
            }
            Value::Map(entries) => match entries.as_slice() {
                [(key, Value::String(job))] if key == RETVAL_KEY => out.push_str(&format!("!retval {job}")),
                entries => {
                    out.push('{');
                    for (i, (key, value)) in entries.iter().enumerate() {
                        out.push_str(if i == 0 { "" } else { ", " });
                        out.push_str(&format!("{key}: "));
                        write(value, out);
                    }
                    out.push('}');
                }
            },
        }
    }
    let mut text = String::new();
    write(value, &mut text);
    if text.chars().count() > SHORT {
        text = text.chars().take(SHORT).chain("..".chars()).collect();
    }
    text
}

/// What to build, each after what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Jobs in an order in which each comes after its dependencies.
    pub order: Vec<String>,
    /// For each, those of the plan that must be built first.
    pub waits_for: BTreeMap<String, Vec<String>>,
}

/// What to plan.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// The jobs that are built whatever their status is.
    pub targets: &'a [&'a str],
    /// Builds what is missing or outdated of what they need first. A dependency is due as well if something that it
    /// needs is due.
    pub deps: bool,
    /// Builds what depends on the targets afterwards, directly or not.
    pub revdeps: bool,
    /// Jobs whose build was chosen by hand: neither they nor what only they need is built.
    pub pinned: BTreeSet<&'a str>,
}

impl<'a> Ask<'a> {
    /// What is built whatever its status is.
    fn roots(&self, graph: &'a Graph) -> BTreeSet<&'a str> {
        let mut roots: BTreeSet<&str> = self.targets.iter().copied().collect();
        if self.revdeps {
            roots.extend(dependents(graph, self.targets));
        }
        roots
    }
}

/// What a person asks of one build beside its job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Arguments given by hand.
    pub overrides: Vec<(Key, Arg)>,
    /// The builds to use of some dependencies, by job, whatever their latest are.
    pub pins: BTreeMap<String, u64>,
    /// The build that is done again.
    pub rerun_of: Option<u64>,
    /// The run that it is a part of, if that has more than this one.
    pub run: Asked,
}

/// What a run was asked for: each of its builds keeps it, so that its rest can be made later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The jobs that were named.
    pub targets: Vec<String>,
    /// Whether what they need was to be built where it is missing or outdated.
    pub deps: bool,
    /// Whether what depends on them was to be built too.
    pub revdeps: bool,
    /// The builds that were chosen by hand, by job.
    pub pins: BTreeMap<String, u64>,
}

impl Asked {
    /// What a build config keeps of its run; nothing for a build that was a run by itself.
    pub fn from_config(config: &Value) -> Option<Self> {
        let run = config.get("run")?;
        let Some(Value::List(targets)) = run.get("targets") else {
            return None;
        };
        let is_set = |key: &str| run.get(key) == Some(&Value::Bool(true));
        let pins = match run.get("pins") {
            Some(Value::Map(pins)) => pins.as_slice(),
            _ => &[],
        };
        let pin = |(job, build): &(String, Value)| match build {
            Value::Int(build) => Some((job.clone(), u64::try_from(*build).ok()?)),
            _ => None,
        };
        Some(Self {
            targets: targets.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            deps: is_set("deps"),
            revdeps: is_set("revdeps"),
            pins: pins.iter().filter_map(pin).collect(),
        })
    }

    fn to_value(&self) -> Value {
        let mut run = vec![("targets".to_owned(), Value::List(self.targets.iter().map(Value::string).collect()))];
        run.extend(self.deps.then(|| ("deps".to_owned(), Value::Bool(true))));
        run.extend(self.revdeps.then(|| ("revdeps".to_owned(), Value::Bool(true))));
        if !self.pins.is_empty() {
            let pins = self.pins.iter().map(|(job, build)| (job.clone(), Value::Int((*build).into())));
            run.push(("pins".to_owned(), Value::Map(pins.collect())));
        }
        Value::Map(run)
    }
}

/// Keys of a build config that tell of its run, and change nothing of the build.
const RUN_KEYS: &[&str] = &["run", "rerun_of"];

/// Whether two build configs make the same build, whatever runs they are of.
pub fn same_build(one: &Value, other: &Value) -> bool {
    let essence = |config: &Value| {
        let Value::Map(entries) = config else {
            return pack(config).ok();
        };
        let entries = entries.iter().filter(|(key, _)| !RUN_KEYS.contains(&key.as_str()));
        // As they are stored, since a number that is none is no other's equal.
        pack(&Value::Map(entries.cloned().collect())).ok()
    };
    essence(one).is_some_and(|one| essence(other) == Some(one))
}

impl Request {
    /// As the build config keeps it, beside the job and the pins.
    pub fn to_config(&self) -> Vec<(String, Value)> {
        let overrides = self.overrides.iter().map(|(key, arg)| (key.name.clone(), arg.to_value())).collect();
        let mut config = vec![("overrides".to_owned(), Value::Map(overrides))];
        config.extend(self.rerun_of.map(|build| ("rerun_of".to_owned(), Value::Int(build.into()))));
        config.extend((!self.run.targets.is_empty()).then(|| ("run".to_owned(), self.run.to_value())));
        config
    }
}

/// Plans builds.
pub fn plan<'a>(graph: &'a Graph, ask: &Ask<'a>, status: impl Fn(&str) -> JobStatus) -> Plan {
    planned(graph, ask.deps, ask.roots(graph), |id| !ask.pinned.contains(id), status)
}

/// A plan of `due`, and with `deps` of what that needs where it is missing or outdated and `free` to be built.
fn planned<'a>(
    graph: &'a Graph,
    deps: bool,
    mut due: BTreeSet<&'a str>,
    free: impl Fn(&str) -> bool,
    status: impl Fn(&str) -> JobStatus,
) -> Plan {
    let wanted: Vec<&str> = due.iter().copied().collect();
    let order = order_where(graph, &wanted, &free);
    if deps {
        for id in &order {
            let needs = graph.dependencies.get(*id).into_iter().flatten();
            let needs_due = needs.map(String::as_str).any(|need| free(need) && due.contains(need));
            if needs_due || status(id) != JobStatus::Success {
                due.insert(id);
            }
        }
    }
    let order: Vec<_> = order.into_iter().filter(|id| due.contains(id)).collect();
    let waits_for = order.iter().map(|id| {
        let needs = graph.dependencies.get(*id).into_iter().flatten();
        let waits = needs.filter(|need| free(need) && due.contains(need.as_str()));
        ((*id).to_owned(), waits.cloned().collect())
    });
    Plan { waits_for: waits_for.collect(), order: order.iter().map(|id| (*id).to_owned()).collect() }
}

/// What became of a job in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It has a build there.
    Built(BuildStatus),
    /// The run took an earlier build of it, so it was not to be built.
    Used,
    /// It has no build there, and nothing of the run has used any.
    Nothing,
}

/// The rest of a run that has ended, by what became of each job: what failed, what was to be built and was not, and
/// with `deps` what these need and the run had not come to yet.
pub fn from_failed<'a>(
    graph: &'a Graph,
    ask: &Ask<'a>,
    became: impl Fn(&str) -> Became,
    status: impl Fn(&str) -> JobStatus,
) -> Plan {
    let roots = ask.roots(graph);
    let targets: Vec<&str> = roots.iter().copied().collect();
    let open = |id: &str| match became(id) {
        Became::Built(status) => status == BuildStatus::Failed,
        Became::Used => false,
        Became::Nothing => !ask.pinned.contains(id),
    };
    let left = |id: &&str| open(id) && (roots.contains(id) || became(id) != Became::Nothing);
    let due = order(graph, &targets).into_iter().filter(left).collect();
    planned(graph, ask.deps, due, open, status)
}

/// The jobs of `after` that `before` does not have, or that would do something else now.
pub fn touched<'a>(before: &Graph, after: &'a Graph) -> BTreeSet<&'a str> {
    let decisive = |job: &Job| -> Vec<Option<Value>> {
        let config = job.to_config();
        DECISIVE_KEYS.iter().map(|key| config.get(key).cloned()).collect()
    };
    let same = |id: &String, now: &CheckedJob| {
        before.jobs.get(id).is_some_and(|was| {
            was.plugin.digest == now.plugin.digest
                && (Arc::ptr_eq(&was.job, &now.job) || decisive(&was.job) == decisive(&now.job))
        })
    };
    after.jobs.iter().filter(|(id, now)| !same(id, now)).map(|(id, _)| id.as_str()).collect()
}

/// What depends on `targets`, directly or not, without the targets themselves.
pub fn dependents<'a>(graph: &'a Graph, targets: &[&'a str]) -> BTreeSet<&'a str> {
    let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, needs) in &graph.dependencies {
        needs.iter().for_each(|need| needed_by.entry(need).or_default().push(id));
    }
    let mut all = closure(targets.iter().copied(), |id| needed_by.get(id).cloned().unwrap_or_default());
    all.retain(|id| !targets.contains(id));
    all
}

/// `targets` and all they depend on, dependencies first; jobs in a cycle come in any order.
pub fn order<'a>(graph: &'a Graph, targets: &[&'a str]) -> Vec<&'a str> {
    order_where(graph, targets, |_| true)
}

/// As [`order`], without looking at dependencies that are not wanted, or past them.
fn order_where<'a>(graph: &'a Graph, targets: &[&'a str], wanted: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let mut stack: Vec<(&str, bool)> = targets.iter().rev().map(|id| (*id, false)).collect();
    while let Some((id, done)) = stack.pop() {
        if done {
            order.push(id);
        } else if seen.insert(id) {
            stack.push((id, true));
            let needs = graph.dependencies.get(id).into_iter().flatten();
            stack.extend(needs.rev().filter(|need| wanted(need)).map(|need| (need.as_str(), false)));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let dependencies =
            edges.iter().map(|(id, needs)| ((*id).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect()));
        Graph { dependencies: dependencies.collect(), ..Graph::default() }
    }

    #[test]
    fn a_change_is_told_entry_by_entry_and_in_short() {
        let map = |entries: &[(&str, i128)]| {
            Value::Map(entries.iter().map(|(key, n)| ((*key).to_owned(), Value::Int(*n))).collect())
        };
        let told = |was: &Value, now: &Value| {
            let mut out = Vec::new();
            changes("kwargs", Some(was), Some(now), &mut out);
            out
        };
        assert_eq!(
            told(&map(&[("a", 1), ("b", 2), ("c", 3)]), &map(&[("a", 1), ("b", 5), ("d", 4)])),
            [
                "`kwargs.b` has changed: 2 -> 5",
                "`kwargs.c` has changed: 3 -> nothing",
                "`kwargs.d` has changed: nothing -> 4"
            ]
        );
        let reference = Value::entry(RETVAL_KEY, Value::string("one"));
        let list = Value::List(vec![reference, Value::string("x".repeat(500)), Value::Null]);
        let expected = format!("`kwargs` has changed: [!retval one, \"{}.. -> null", "x".repeat(45));
        assert_eq!(told(&list, &Value::Null), [expected]);
        assert_eq!(told(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])).len(), 1);
        assert_eq!(told(&map(&[]), &map(&[])), Vec::<String>::new());
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(order(&graph, &["d"]), ["a", "b", "c", "d"]);
    }

    #[test]
    fn what_needs_something_due_is_due() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("x", &[])]);
        let status = |id: &str| {
            if id == "a" { JobStatus::NotBuilt } else { JobStatus::Success }
        };
        let ask = |deps| Ask { targets: &["c"], deps, ..Ask::default() };
        assert_eq!(plan(&graph, &ask(true), status).order, ["a", "b", "c"]);
        assert_eq!(plan(&graph, &ask(false), status).order, ["c"]);
        assert_eq!(plan(&graph, &ask(true), |_| JobStatus::Success).order, ["c"]);
    }

    #[test]
    fn what_depends_on_a_target_comes_after_it_and_once() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a", "x"]), ("d", &["b", "c"]), ("x", &[])]);
        let ask = Ask { targets: &["a"], revdeps: true, ..Ask::default() };
        let planned = plan(&graph, &ask, |_| JobStatus::NotBuilt);
        assert_eq!(planned.order, ["a", "b", "c", "d"]);
        assert_eq!(planned.waits_for["d"], ["b", "c"]);
        let with_deps = plan(&graph, &Ask { deps: true, ..ask }, |_| JobStatus::NotBuilt);
        assert_eq!(with_deps.order, ["a", "b", "x", "c", "d"]);
    }

    #[test]
    fn what_a_run_left_is_what_failed_and_what_was_still_to_come() {
        // `s` of `a`, `b` and `far`; `b` of `base`; `a` has failed, `b` had not begun.
        let graph = graph(&[
            ("a", &["used"]),
            ("b", &["base"]),
            ("base", &[]),
            ("far", &[]),
            ("s", &["a", "b", "far"]),
            ("t", &["far"]),
            ("used", &[]),
        ]);
        let became = |id: &str| match id {
            "a" => Became::Built(BuildStatus::Failed),
            "far" => Became::Built(BuildStatus::Successful),
            "used" => Became::Used,
            _ => Became::Nothing,
        };
        let ask = Ask { targets: &["s", "t"], deps: true, ..Ask::default() };
        let rest = |ask: &Ask<'_>, status: JobStatus| from_failed(&graph, ask, became, |_| status.clone());
        let missing = rest(&ask, JobStatus::NotBuilt);
        assert_eq!(missing.order, ["a", "base", "b", "s", "t"]);
        assert_eq!(
            (missing.waits_for["s"].as_slice(), missing.waits_for["t"].len()),
            (&["a", "b"].map(String::from)[..], 0)
        );
        assert_eq!(rest(&ask, JobStatus::Success).order, ["a", "s", "t"]);
        let pinned = Ask { pinned: BTreeSet::from(["b"]), ..ask.clone() };
        assert_eq!(rest(&pinned, JobStatus::NotBuilt).order, ["a", "s", "t"]);
        let named = Ask { targets: &["s"], deps: false, ..ask.clone() };
        assert_eq!(rest(&named, JobStatus::NotBuilt).order, ["a", "s"]);
        let dependents = Ask { targets: &["far"], revdeps: true, ..Ask::default() };
        assert_eq!(rest(&dependents, JobStatus::NotBuilt).order, ["a", "s", "t"]);
        let done = from_failed(&graph, &ask, |_| Became::Built(BuildStatus::Successful), |_| JobStatus::NotBuilt);
        assert!(done.order.is_empty());
    }

    #[test]
    fn what_lies_between_two_targets_is_built_with_deps_only() {
        let graph = graph(&[("a", &[]), ("between", &["a"]), ("z", &["between"])]);
        let became = |id: &str| match id {
            "a" => Became::Built(BuildStatus::Failed),
            "z" => Became::Built(BuildStatus::Successful),
            _ => Became::Used,
        };
        let ask = Ask { targets: &["a", "z"], ..Ask::default() };
        assert_eq!(from_failed(&graph, &ask, became, |_| JobStatus::NotBuilt).order, ["a"]);
    }

    #[test]
    fn a_run_is_read_as_it_was_written_and_changes_nothing_of_its_builds() {
        let pins = BTreeMap::from([("a".to_owned(), 7)]);
        let run = Asked { targets: vec!["s".to_owned()], deps: true, revdeps: true, pins };
        let part = |request: Request| Value::Map(request.to_config());
        let whole = part(Request { run: run.clone(), rerun_of: Some(3), ..Request::default() });
        assert_eq!(Asked::from_config(&whole), Some(run));
        let alone = part(Request::default());
        assert_eq!(Asked::from_config(&alone), None);
        assert!(same_build(&whole, &alone));
        let number = Key { name: "n".to_owned(), span: crate::diagnostic::Span::default() };
        let other = |n: f64| {
            let overrides = vec![(number.clone(), Arg::literal(Value::Float(n)))];
            part(Request { overrides, ..Request::default() })
        };
        assert!(!same_build(&other(1.0), &alone));
        assert!(same_build(&other(f64::NAN), &other(f64::NAN)));
    }

    #[test]
    fn what_is_pinned_is_not_built_and_nothing_waits_for_it() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        let ask = Ask { targets: &["c"], deps: true, pinned: BTreeSet::from(["b"]), ..Ask::default() };
        let planned = plan(&graph, &ask, |_| JobStatus::NotBuilt);
        assert_eq!((planned.order, planned.waits_for["c"].len()), (vec!["c".to_owned()], 0));
    }
}
