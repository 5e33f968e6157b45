//! Selects the jobs and edges of the graph to show.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::check::Graph;

use crate::catalog::load::Catalog;
use crate::request::refusal::Refusal;
use crate::request::targets::no_job;
use crate::show::jobs::EdgeJson;
use crate::show::jobs::GraphJson;

/// Some jobs, and the dependencies between them.
pub(crate) struct Subgraph<'a> {
    /// The jobs.
    pub(crate) jobs: BTreeSet<&'a str>,
    /// Each dependency, from the job that is needed.
    pub(crate) edges: Vec<(&'a str, &'a str)>,
}

impl<'a> Subgraph<'a> {
    /// Returns these jobs, and the dependencies between them.
    pub(crate) fn of(graph: &'a Graph, jobs: BTreeSet<&'a str>) -> Self {
        let needs = |id: &&'a str| {
            let id = *id;
            graph.dependencies.get(id).into_iter().flatten().map(move |need| (need.as_str(), id))
        };
        let edges = jobs.iter().flat_map(needs).filter(|(need, _)| jobs.contains(need)).collect();
        Self { edges, jobs }
    }

    /// Returns a job with all jobs within `depth` steps, both its dependencies and its dependents.
    /// Without a focus, returns all jobs.
    ///
    /// # Errors
    ///
    /// Returns a refusal if the job does not exist.
    pub(crate) fn around(catalog: &'a Catalog, focus: Option<&str>, depth: u64) -> Result<Self, Refusal> {
        let graph = &catalog.graph;
        let Some(focus) = focus else {
            return Ok(Self::of(graph, graph.dependencies.keys().map(String::as_str).collect()));
        };
        let Some((focus, _)) = graph.dependencies.get_key_value(focus) else {
            return Err(no_job(catalog, focus));
        };
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, needs) in &graph.dependencies {
            needs.iter().for_each(|need| users.entry(need).or_default().push(id));
        }
        let needs = |id: &str| graph.dependencies.get(id).into_iter().flatten().map(String::as_str).collect();
        let used = |id: &str| users.get(id).cloned().unwrap_or_default();
        let mut jobs = within(focus, depth, needs);
        jobs.extend(within(focus, depth, used));
        // A dependency may not exist.
        jobs.retain(|id| graph.dependencies.contains_key(*id));
        Ok(Self::of(graph, jobs))
    }

    /// Returns the shape of the graph.
    pub(crate) fn shape(&self) -> GraphJson<'a> {
        let edges = self.edges.iter().map(|(from, to)| EdgeJson { from, to }).collect();
        GraphJson { jobs: self.jobs.iter().copied().collect(), edges }
    }
}

/// Returns all jobs within `depth` steps.
fn within<'a>(start: &'a str, depth: u64, next: impl Fn(&str) -> Vec<&'a str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::from([start]);
    let mut edge = vec![start];
    for _ in 0..depth {
        let further: Vec<&str> = edge.iter().flat_map(|id| next(id)).filter(|id| seen.insert(id)).collect();
        if further.is_empty() {
            break;
        }
        edge = further;
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(edges: &[(&str, &[&str])]) -> Catalog {
        let mut catalog = Catalog::default();
        for (id, needs) in edges {
            let needs = needs.iter().map(|need| (*need).to_owned()).collect();
            catalog.graph.dependencies.insert((*id).to_owned(), needs);
        }
        catalog
    }

    #[test]
    fn a_job_is_seen_with_what_is_near_in_both_directions() {
        let catalog =
            catalog(&[("a", &[]), ("b", &["a", "gone"]), ("c", &["b"]), ("d", &["c"]), ("e", &["d"]), ("x", &["a"])]);
        let seen = |depth| Subgraph::around(&catalog, Some("c"), depth).unwrap();
        assert_eq!(seen(0).jobs, BTreeSet::from(["c"]));
        assert_eq!(seen(1).jobs, BTreeSet::from(["b", "c", "d"]));
        assert_eq!(seen(1).edges, [("b", "c"), ("c", "d")]);
        assert_eq!(seen(u64::MAX).jobs, BTreeSet::from(["a", "b", "c", "d", "e"]), "`x` and `c` are unrelated");
        assert!(Subgraph::around(&catalog, Some("nope"), 1).is_err());
        assert_eq!(Subgraph::around(&catalog, None, 0).unwrap().jobs.len(), 6);
    }
}
