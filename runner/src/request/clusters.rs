//! The graph of jobs as it is drawn: all jobs if there are few, else groups of jobs, some of which
//! are open.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::check::Graph;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use crate::request::subgraph::Subgraph;

/// The most nodes to draw before jobs are grouped.
pub(crate) const DRAWN: usize = 300;

/// How jobs are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By the manifest that defines them.
    Manifest,
    /// By their first tag.
    Tag,
    /// By the plugin that they call.
    Plugin,
}

impl By {
    /// Returns the grouping with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [("manifest", Self::Manifest), ("tag", Self::Tag), ("plugin", Self::Plugin)]
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, by)| by)
    }

    /// Returns the group that a job belongs to.
    fn group_of(self, graph: &Graph, id: &str) -> String {
        let Some(checked) = graph.jobs.get(id) else { return "with mistakes".to_owned() };
        let job = &checked.job;
        match self {
            Self::Manifest => job.place.source.path.clone(),
            Self::Tag => job.tags.first().cloned().unwrap_or_else(|| "without a tag".to_owned()),
            Self::Plugin => job.function.plugin.clone(),
        }
    }
}

/// A box of the drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A job.
    Job(String),
    /// Several jobs.
    Group {
        /// The name of the group. There are several if groups depend on each other in a cycle.
        names: Vec<String>,
        /// The jobs.
        jobs: Vec<String>,
    },
}

/// The boxes and edges to draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clusters {
    /// The boxes.
    pub(crate) nodes: Vec<Node>,
    /// The edges from a dependency to its dependent, by the indices of the boxes. The third number
    /// counts the dependencies that the edge stands for.
    pub(crate) edges: Vec<(usize, usize, usize)>,
}

impl Clusters {
    /// Draws every job as a separate box.
    pub(crate) fn single(part: &Subgraph<'_>) -> Self {
        let number: BTreeMap<&str, usize> = part.jobs.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let edge = |(from, to): &(&str, &str)| Some((*number.get(from)?, *number.get(to)?, 1));
        Self {
            nodes: part.jobs.iter().map(|id| Node::Job((*id).to_owned())).collect(),
            edges: part.edges.iter().filter_map(edge).collect(),
        }
    }

    /// Draws jobs in groups. The jobs of open groups are separate boxes. Groups that depend on each
    /// other in a cycle are merged into one.
    pub(crate) fn grouped(graph: &Graph, part: &Subgraph<'_>, by: By, open: &BTreeSet<String>) -> Self {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut members: Vec<(Option<String>, Vec<String>)> = Vec::new();
        let mut node_of: BTreeMap<&str, usize> = BTreeMap::new();
        for id in &part.jobs {
            let group = by.group_of(graph, id);
            let at = if open.contains(&group) {
                members.push((None, Vec::new()));
                members.len() - 1
            } else {
                *numbers.entry(group.clone()).or_insert_with(|| {
                    members.push((Some(group), Vec::new()));
                    members.len() - 1
                })
            };
            members[at].1.push((*id).to_owned());
            node_of.insert(id, at);
        }
        let ends = part.edges.iter().filter_map(|(from, to)| Some((*node_of.get(from)?, *node_of.get(to)?)));
        let ends: Vec<(usize, usize)> = ends.filter(|(from, to)| from != to).collect();
        // Jobs never form a cycle by themselves, but groups of them may.
        let circle = circles(members.len(), &ends);
        let mut merged: BTreeMap<usize, usize> = BTreeMap::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut at_of = vec![0; members.len()];
        for (at, (name, jobs)) in members.into_iter().enumerate() {
            let to = *merged.entry(circle[at]).or_insert_with(|| {
                nodes.push(Node::Group { names: Vec::new(), jobs: Vec::new() });
                nodes.len() - 1
            });
            at_of[at] = to;
            if let Node::Group { names, jobs: all } = &mut nodes[to] {
                names.extend(name);
                all.extend(jobs);
            }
        }
        for node in &mut nodes {
            if let Node::Group { names, jobs } = node
                && names.is_empty()
                && jobs.len() == 1
            {
                *node = Node::Job(jobs.remove(0));
            }
        }
        let mut edges: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (from, to) in ends {
            if at_of[from] != at_of[to] {
                *edges.entry((at_of[from], at_of[to])).or_default() += 1;
            }
        }
        Self { nodes, edges: edges.into_iter().map(|((from, to), count)| (from, to, count)).collect() }
    }
}

/// Returns for each node the number of its cycle. Nodes that reach each other have the same number.
fn circles(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut net = DiGraph::<(), (), usize>::default();
    for _ in 0..nodes {
        net.add_node(());
    }
    net.extend_with_edges(edges);
    let mut circle = vec![0; nodes];
    // Tarjan's algorithm is not used: in petgraph it recurses for each node of a long chain.
    for (number, members) in kosaraju_scc(&net).into_iter().enumerate() {
        members.into_iter().for_each(|node| circle[node.index()] = number);
    }
    circle
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::default();
        for (id, needs) in edges {
            graph.dependencies.insert((*id).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect());
        }
        graph
    }

    #[test]
    fn jobs_without_a_manifest_are_a_group_and_open_groups_are_jobs() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
        let ids: BTreeSet<&str> = graph.dependencies.keys().map(String::as_str).collect();
        let part = Subgraph::of(&graph, ids);
        assert_eq!(Clusters::single(&part).edges, [(0, 1, 1), (1, 2, 1)]);
        let closed = Clusters::grouped(&graph, &part, By::Manifest, &BTreeSet::new());
        assert!(matches!(&closed.nodes[..], [Node::Group { names, jobs }] if names.len() == 1 && jobs.len() == 3));
        let open = Clusters::grouped(&graph, &part, By::Tag, &BTreeSet::from(["with mistakes".to_owned()]));
        assert_eq!(open, Clusters::single(&part));
    }

    proptest! {
        #[test]
        fn nodes_are_in_one_circle_exactly_where_they_reach_each_other(
            edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..20)
        ) {
            let mut reach = [[false; 8]; 8];
            (0..8).for_each(|at| reach[at][at] = true);
            edges.iter().for_each(|(from, to)| reach[*from][*to] = true);
            for over in 0..8 {
                for from in 0..8 {
                    for to in 0..8 {
                        reach[from][to] |= reach[from][over] && reach[over][to];
                    }
                }
            }
            let circle = circles(8, &edges);
            for one in 0..8 {
                for other in 0..8 {
                    prop_assert_eq!(circle[one] == circle[other], reach[one][other] && reach[other][one]);
                }
            }
        }
    }
}
