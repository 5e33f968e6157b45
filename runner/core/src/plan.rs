//! What is due, and in which order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::build::BuildStatus;
use crate::check::CheckedJob;
use crate::check::Graph;
use crate::check::closure;
use crate::job::Job;
use crate::status::DECISIVE_KEYS;
use crate::status::JobStatus;
use crate::value::Value;

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
    fn what_is_pinned_is_not_built_and_nothing_waits_for_it() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        let ask = Ask { targets: &["c"], deps: true, pinned: BTreeSet::from(["b"]), ..Ask::default() };
        let planned = plan(&graph, &ask, |_| JobStatus::NotBuilt);
        assert_eq!((planned.order, planned.waits_for["c"].len()), (vec!["c".to_owned()], 0));
    }
}
