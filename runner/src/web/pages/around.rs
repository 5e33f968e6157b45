//! The dependencies and dependents of a job, two steps each way.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::check::Graph;
use jobcontrol_core::status::JobStatus;

use super::super::problem::Problem;
use super::super::state::Look;
use super::picture::Edge;
use super::picture::Picture;
use super::picture::Shown;
use super::picture::name;
use super::status::Status;
use crate::request::subgraph::Subgraph;

/// Steps each way, and most boxes.
const STEPS: u64 = 2;
const BOXES: usize = 40;

/// Returns the jobs around a job. Returns `None` if no manifest has the job, or if nothing is
/// around it.
pub(super) fn around<'a>(look: &Look<'a>, id: &str) -> Result<Option<Subgraph<'a>>, Problem> {
    let catalog = &look.current.catalog;
    if !catalog.graph.dependencies.contains_key(id) {
        return Ok(None);
    }
    for depth in (1..=STEPS).rev() {
        let part = Subgraph::around(catalog, Some(id), depth)?;
        if part.jobs.len() <= BOXES {
            return Ok((part.jobs.len() > 1).then_some(part));
        }
    }
    // There are very many: show only the nearest.
    let part = Subgraph::around(catalog, Some(id), 1)?;
    let own = catalog.graph.dependencies.get_key_value(id).map(|(id, _)| id.as_str());
    let some: BTreeSet<&str> = part.jobs.into_iter().take(BOXES - 1).chain(own).collect();
    Ok(Some(Subgraph::of(&catalog.graph, some)))
}

/// Draws the jobs around a job.
pub(super) fn drawn(part: &Subgraph<'_>, graph: &Graph, id: &str, statuses: &BTreeMap<&str, &JobStatus>) -> String {
    let ids: Vec<&str> = part.jobs.iter().copied().collect();
    let number: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let sign = |id: &str| Status::of_job(statuses.get(id).copied().filter(|_| !graph.broken.contains_key(id)));
    let shown = ids.iter().map(|other| {
        let signature = graph.jobs.get(*other).map(|checked| &checked.signature);
        let kind = signature.and_then(|signature| signature.retval()).map(ToString::to_string);
        let status = sign(other);
        Shown {
            id: (*other).to_owned(),
            name: name(other),
            sub: name(&kind.unwrap_or_default()),
            title: format!("{other}: {}", status.word),
            href: format!("/jobs/{other}"),
            status,
            is_self: *other == id,
            parts: Vec::new(),
        }
    });
    let edge = |(from, to): &(&str, &str)| {
        let is_bad = matches!(sign(from).class, "failed" | "failing");
        Some(Edge { from: *number.get(from)?, to: *number.get(to)?, count: 1, is_bad })
    };
    let edges: Vec<Edge> = part.edges.iter().filter_map(edge).collect();
    Picture::of(&shown.collect::<Vec<_>>(), &edges, format!("Dependencies and dependents of {id}")).to_string()
}
