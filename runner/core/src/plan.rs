//! Decides which jobs are built, and in which order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::check::CheckedJob;
use crate::check::Graph;
use crate::check::closure;
use crate::config;
use crate::job::Job;
use crate::status::JobStatus;
use crate::value::Name;
use crate::value::Value;

/// The jobs to build, each after the jobs that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The jobs, each after its dependencies.
    pub order: Vec<String>,
    /// For each job, the jobs of the plan that must be built before it.
    pub waits_for: BTreeMap<String, Vec<String>>,
}

impl Plan {
    /// Creates a plan of one job that waits for nothing.
    pub fn of_one(job: &str) -> Self {
        Self { order: vec![job.to_owned()], waits_for: BTreeMap::from([(job.to_owned(), Vec::new())]) }
    }

    /// Returns the plan without the jobs that are done.
    #[must_use]
    pub fn without(&self, is_done: impl Fn(&str) -> bool) -> Self {
        let order: Vec<_> = self.order.iter().filter(|id| !is_done(id)).cloned().collect();
        let waits = |id: &String| {
            let needs = self.waits_for.get(id).into_iter().flatten();
            (id.clone(), needs.filter(|need| !is_done(need)).cloned().collect())
        };
        Self { waits_for: order.iter().map(waits).collect(), order }
    }

    /// Returns the plan as the row of a run keeps it.
    pub fn to_value(&self) -> Value {
        let list = |ids: &[String]| Value::List(ids.iter().map(Value::string).collect());
        let job = |id: &String| (Name::from(id), list(self.waits_for.get(id).map(Vec::as_slice).unwrap_or_default()));
        Value::map(self.order.iter().map(job))
    }

    /// Reads what [`Plan::to_value`] wrote. Parts that cannot be read are left out.
    pub fn from_value(value: &Value) -> Self {
        let Value::Map(jobs) = value else {
            return Self { order: Vec::new(), waits_for: BTreeMap::new() };
        };
        let needs = |needs: &Value| match needs {
            Value::List(needs) => needs.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self {
            order: jobs.iter().map(|(id, _)| id.to_string()).collect(),
            waits_for: jobs.iter().map(|(id, waits)| (id.to_string(), needs(waits))).collect(),
        }
    }
}

/// A request for a plan.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// The jobs that are built regardless of their status.
    pub targets: &'a [&'a str],
    /// Whether to build those dependencies first that are missing, failing or outdated. A
    /// dependency is due as well if something that it needs is due.
    pub deps: bool,
    /// Whether to build all dependencies first, regardless of their status.
    pub force: bool,
    /// Whether to build everything afterwards that depends on the targets, directly or not.
    pub revdeps: bool,
    /// Jobs whose build was chosen by hand. Neither they nor the jobs that only they need are
    /// built.
    pub pinned: BTreeSet<&'a str>,
}

impl<'a> Ask<'a> {
    /// Returns the jobs that are built regardless of their status.
    pub fn roots(&self, graph: &'a Graph) -> BTreeSet<&'a str> {
        let mut roots: BTreeSet<&str> = self.targets.iter().copied().collect();
        if self.revdeps {
            roots.extend(dependents(graph, self.targets));
        }
        roots
    }
}

/// Plans builds.
pub fn plan<'a>(graph: &'a Graph, ask: &Ask<'a>, status: impl Fn(&str) -> JobStatus) -> Plan {
    let mut due = ask.roots(graph);
    let free = |id: &str| !ask.pinned.contains(id);
    let wanted: Vec<&str> = due.iter().copied().collect();
    let order = order_where(graph, &wanted, free);
    if ask.deps || ask.force {
        for id in &order {
            let needs = graph.dependencies.get(*id).into_iter().flatten();
            let needs_due = needs.map(String::as_str).any(|need| free(need) && due.contains(need));
            if ask.force || needs_due || status(id) != JobStatus::Success {
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

/// Returns the jobs that the builds of a plan use, directly or not, but do not build. Jobs that
/// were pinned by hand, and jobs that only those need, are left out. Dependencies come first.
pub fn reused<'a>(graph: &'a Graph, plan: &'a Plan, pinned: &BTreeSet<&str>) -> Vec<&'a str> {
    let planned: Vec<&str> = plan.order.iter().map(String::as_str).collect();
    let is_planned: BTreeSet<&str> = planned.iter().copied().collect();
    let mut used = order_where(graph, &planned, |id| !pinned.contains(id));
    used.retain(|id| !is_planned.contains(id));
    used
}

/// Creates a plan of exactly these jobs, each after those of them that it needs.
pub fn of_jobs(graph: &Graph, jobs: &BTreeSet<&str>) -> Plan {
    let wanted: Vec<&str> = graph.dependencies.keys().map(String::as_str).filter(|id| jobs.contains(id)).collect();
    let order: Vec<_> = order(graph, &wanted).into_iter().filter(|id| jobs.contains(id)).map(str::to_owned).collect();
    let waits = |id: &String| {
        let needs = graph.dependencies.get(id).into_iter().flatten();
        (id.clone(), needs.filter(|need| jobs.contains(need.as_str())).cloned().collect())
    };
    Plan { waits_for: order.iter().map(waits).collect(), order }
}

/// Returns the jobs of `after` that `before` does not have, or that would now do something else.
pub fn touched<'a>(before: &Graph, after: &'a Graph) -> BTreeSet<&'a str> {
    let decisive = |job: &Job| -> Vec<Option<Value>> {
        let config = job.to_config();
        config::decisive(&config).map(|(_, value)| value.cloned()).collect()
    };
    let same = |id: &String, now: &CheckedJob| {
        before.jobs.get(id).is_some_and(|was| {
            was.plugin.digest == now.plugin.digest
                && (Arc::ptr_eq(&was.job, &now.job) || decisive(&was.job) == decisive(&now.job))
        })
    };
    after.jobs.iter().filter(|(id, now)| !same(id, now)).map(|(id, _)| id.as_str()).collect()
}

/// Returns the jobs that depend on `targets`, directly or not, without the targets themselves.
pub fn dependents<'a>(graph: &'a Graph, targets: &[&'a str]) -> BTreeSet<&'a str> {
    let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, needs) in &graph.dependencies {
        needs.iter().for_each(|need| needed_by.entry(need).or_default().push(id));
    }
    let mut all = closure(targets.iter().copied(), |id| needed_by.get(id).cloned().unwrap_or_default());
    all.retain(|id| !targets.contains(id));
    all
}

/// Returns `targets` and everything they depend on, dependencies first. Jobs in a cycle come in any
/// order.
pub fn order<'a>(graph: &'a Graph, targets: &[&'a str]) -> Vec<&'a str> {
    order_where(graph, targets, |_| true)
}

/// Like [`order`], but does not follow dependencies that are not wanted.
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
    fn what_is_failing_outdated_or_forced_is_built_and_the_rest_is_reused() {
        let graph =
            graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"]), ("p", &[]), ("e", &["d", "p"])]);
        let failing = JobStatus::Failing { build: 3, outdated: Vec::new() };
        let status = |id: &str| if id == "c" { failing.clone() } else { JobStatus::Success };
        let ask = Ask { targets: &["e"], deps: true, pinned: BTreeSet::from(["p"]), ..Ask::default() };
        let planned = plan(&graph, &ask, status);
        assert_eq!(planned.order, ["c", "d", "e"]);
        assert_eq!(reused(&graph, &planned, &ask.pinned), ["a", "b"]);
        let forced = plan(&graph, &Ask { deps: false, force: true, ..ask.clone() }, status);
        assert_eq!(forced.order, ["a", "b", "c", "d", "e"]);
        assert_eq!(reused(&graph, &forced, &ask.pinned), Vec::<&str>::new());
        let alone = plan(&graph, &Ask { deps: false, ..ask.clone() }, status);
        assert_eq!(reused(&graph, &alone, &BTreeSet::from(["d"])), ["p"]);
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
    fn a_plan_is_read_as_it_was_written_and_loses_what_is_done() {
        let graph = graph(&[("a", &["used"]), ("b", &["base"]), ("base", &[]), ("s", &["a", "b"]), ("used", &[])]);
        let jobs = BTreeSet::from(["a", "b", "base", "s"]);
        let plan = of_jobs(&graph, &jobs);
        assert_eq!(plan.order, ["a", "base", "b", "s"]);
        assert_eq!((plan.waits_for["a"].len(), plan.waits_for["s"].as_slice()), (0, &["a", "b"].map(String::from)[..]));
        assert_eq!(Plan::from_value(&plan.to_value()), plan);
        let left = plan.without(|id| id == "base" || id == "a");
        assert_eq!(left.order, ["b", "s"]);
        assert_eq!((left.waits_for["b"].len(), left.waits_for["s"].as_slice()), (0, &["b".to_owned()][..]));
        assert_eq!(Plan::from_value(&Value::Null), Plan { order: Vec::new(), waits_for: BTreeMap::new() });
    }

    #[test]
    fn what_is_pinned_is_not_built_and_nothing_waits_for_it() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        let ask = Ask { targets: &["c"], deps: true, pinned: BTreeSet::from(["b"]), ..Ask::default() };
        let planned = plan(&graph, &ask, |_| JobStatus::NotBuilt);
        assert_eq!((planned.order, planned.waits_for["c"].len()), (vec!["c".to_owned()], 0));
    }
}
