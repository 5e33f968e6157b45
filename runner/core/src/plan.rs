//! What is due, and in which order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::build::Build;
use crate::check::Graph;
use crate::check::closure;
use crate::job::Arg;
use crate::job::Job;
use crate::job::Key;
use crate::value::Value;

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

/// What the store knows of a job.
#[derive(Clone, Debug, Default)]
pub struct JobHistory {
    /// Whether it has a finished build that was not skipped.
    pub finished: bool,
    /// Its latest successful build, not skipped: what dependents are pinned to.
    pub latest: Option<Build>,
    /// Its latest build that was successful or skipped: what tells whether it is outdated.
    pub last_good: Option<Build>,
}

/// The status of `job`, whose plugin has `digest` today. `latest` tells the digest of the latest return value of a
/// dependency.
pub fn job_status(
    job: &Job,
    digest: &str,
    history: &JobHistory,
    latest: impl Fn(&str) -> Option<Option<String>>,
) -> JobStatus {
    let (Some(_), Some(used)) = (&history.latest, &history.last_good) else {
        return if history.finished { JobStatus::Failed } else { JobStatus::NotBuilt };
    };
    let mut reasons = Vec::new();
    if used.plugin.as_deref().is_some_and(|plugin| plugin != digest) {
        reasons.push("the plugin has changed".to_owned());
    }
    let today = job.to_config();
    for key in DECISIVE_KEYS {
        if used.config.get(key) != today.get(key) {
            reasons.push(format!("`{key}` has changed"));
        }
    }
    if matches!(used.config.get("overrides"), Some(Value::Map(overrides)) if !overrides.is_empty()) {
        reasons.push("its last build ran with other arguments".to_owned());
    }
    for pin in used.pins() {
        if let Some(newest) = latest(&pin.job)
            && newest != pin.retval_digest
        {
            reasons.push(format!("`{}` returned something else since", pin.job));
        }
    }
    if reasons.is_empty() { JobStatus::Success } else { JobStatus::Outdated(reasons) }
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

/// What a person asks of one build beside its job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Arguments given by hand.
    pub overrides: Vec<(Key, Arg)>,
    /// The builds to use of some dependencies, by job, whatever their latest are.
    pub pins: BTreeMap<String, u64>,
    /// The build that is done again.
    pub rerun_of: Option<u64>,
    /// The jobs that the whole run was asked for, if there is more than this one.
    pub targets: Vec<String>,
}

impl Request {
    /// As the build config keeps it, beside the job and the pins.
    pub fn to_config(&self) -> Vec<(String, Value)> {
        let overrides = self.overrides.iter().map(|(key, arg)| (key.name.clone(), arg.to_value())).collect();
        let mut config = vec![("overrides".to_owned(), Value::Map(overrides))];
        config.extend(self.rerun_of.map(|build| ("rerun_of".to_owned(), Value::Int(build.into()))));
        if !self.targets.is_empty() {
            let targets = self.targets.iter().map(Value::string).collect();
            config.push(("targets".to_owned(), Value::List(targets)));
        }
        config
    }
}

/// Plans builds.
pub fn plan<'a>(graph: &'a Graph, ask: &Ask<'a>, status: impl Fn(&str) -> JobStatus) -> Plan {
    let mut due: BTreeSet<&str> = ask.targets.iter().copied().collect();
    if ask.revdeps {
        due.extend(dependents(graph, ask.targets));
    }
    let wanted: Vec<&str> = due.iter().copied().collect();
    let free = |id: &str| !ask.pinned.contains(id);
    let order = order_where(graph, &wanted, free);
    if ask.deps {
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
    fn what_is_pinned_is_not_built_and_nothing_waits_for_it() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        let ask = Ask { targets: &["c"], deps: true, pinned: BTreeSet::from(["b"]), ..Ask::default() };
        let planned = plan(&graph, &ask, |_| JobStatus::NotBuilt);
        assert_eq!((planned.order, planned.waits_for["c"].len()), (vec!["c".to_owned()], 0));
    }
}
