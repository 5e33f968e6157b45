//! The graph of jobs. A small graph shows every job, a large one shows groups. A table always lists
//! the same jobs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use jobcontrol_core::check::Graph;
use serde::Deserialize;

use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::feed::given;
use super::frame::Frame;
use super::frame::ok;
use super::frame::rendered;
use super::picture::Edge;
use super::picture::Picture;
use super::picture::Shown;
use super::picture::name;
use super::row::line;
use super::status::Status;
use super::times::count;
use super::visit::Visit;
use crate::request::clusters::By;
use crate::request::clusters::Clusters;
use crate::request::clusters::DRAWN;
use crate::request::clusters::Node;
use crate::request::listing::Listing;
use crate::request::subgraph::Subgraph;

/// Default number of steps around a job.
const STEPS: u64 = 2;
/// Most jobs for a table beside the picture, and most rows of a table on a separate page.
const BESIDE: usize = 100;
const ROWS: usize = 500;
/// Most dependencies to name in a row.
const NAMED: usize = 8;

/// The part of the graph to show, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GraphQuery {
    /// Only this job and the jobs near it.
    focus: Option<String>,
    depth: Option<u64>,
    /// `attention` shows failed jobs and the jobs they hold up; `active` shows running ones.
    show: Option<String>,
    /// How to group jobs: `manifest`, `tag` or `plugin`.
    by: Option<String>,
    /// The expanded groups, separated by commas.
    open: Option<String>,
    /// Shows the table instead of the picture.
    table: Option<String>,
}

impl GraphQuery {
    /// Returns the query parameters.
    fn own(&self) -> Vec<(&'static str, Option<String>)> {
        let depth = self.depth.map(|depth| depth.to_string());
        let (focus, show, by) = (self.focus.clone(), self.show.clone(), self.by.clone());
        let (open, table) = (self.open.clone(), self.table.clone());
        vec![("focus", focus), ("depth", depth), ("show", show), ("by", by), ("open", open), ("table", table)]
    }
}

#[derive(Template)]
#[template(path = "graph.html")]
struct Page {
    frame: Frame,
    drawn: Drawn,
    ids: Vec<String>,
    query: GraphQuery,
    failed: usize,
    active: usize,
}

/// The picture and the table.
#[derive(Template)]
#[template(path = "graph_drawn.html")]
struct Drawn {
    said: String,
    note: String,
    picture: Option<Picture>,
    rows: Vec<Row>,
    more: usize,
    /// The address of the table, if it is not beside the picture.
    table: Option<String>,
    shape: String,
    /// How many jobs failed or depend on a failed job.
    held: usize,
}

struct Row {
    id: String,
    status: Status,
    needs: String,
    needed_by: String,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<GraphQuery>, visit: Visit) -> Answer {
    web.look(move |look| ok(&page_of(look, query, &visit)?)).await
}

fn page_of(look: &Look<'_>, query: GraphQuery, visit: &Visit) -> Result<Page, Problem> {
    let frame = Frame::new(look, "graph", visit);
    let listing = Listing::read(&look.current.catalog, look.storage)?;
    let drawn = Drawn::of(look, &listing, &query)?;
    let graph = &look.current.catalog.graph;
    let own = query.own();
    let own: Vec<(&str, Option<&str>)> = own.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    Ok(Page {
        frame: frame.fed(drawn.parts().feed("graph", &own)),
        ids: graph.dependencies.keys().take(BESIDE).cloned().collect(),
        failed: drawn.held,
        active: active(&listing).len(),
        drawn,
        query,
    })
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, query: &GraphQuery) -> Result<Parts, Problem> {
    let listing = Listing::read(&look.current.catalog, look.storage)?;
    Ok(Drawn::of(look, &listing, query)?.parts())
}

fn is_failed(listing: &Listing<'_>, id: &str) -> bool {
    matches!(listing.status_name(id), "failed" | "failing" | "broken")
}

/// Returns the failed jobs, with everything that depends on them.
fn held_up<'a>(graph: &'a Graph, listing: &Listing<'_>) -> BTreeSet<&'a str> {
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, needs) in &graph.dependencies {
        needs.iter().for_each(|need| users.entry(need).or_default().push(id));
    }
    let failed = graph.dependencies.keys().map(String::as_str).filter(|id| is_failed(listing, id));
    jobcontrol_core::check::closure(failed, |id| users.get(id).cloned().unwrap_or_default())
}

fn active<'a>(listing: &'a Listing<'_>) -> BTreeSet<&'a str> {
    listing.ids().into_iter().filter(|id| listing.open(id).is_some()).collect()
}

impl Drawn {
    fn of(look: &Look<'_>, listing: &Listing<'_>, query: &GraphQuery) -> Result<Self, Problem> {
        let graph = &look.current.catalog.graph;
        let focus = query.focus.as_deref().map(str::trim).filter(|focus| !focus.is_empty());
        let held = held_up(graph, listing);
        let held_count = held.len();
        let part = match (focus, query.show.as_deref()) {
            (Some(focus), _) => Subgraph::around(&look.current.catalog, Some(focus), query.depth.unwrap_or(STEPS))?,
            (None, Some("attention")) => Subgraph::of(graph, held),
            (None, Some("active")) => {
                let active = active(listing);
                let known = graph.dependencies.keys().map(String::as_str);
                Subgraph::of(graph, known.filter(|id| active.contains(id)).collect())
            }
            _ => Subgraph::around(&look.current.catalog, None, 0)?,
        };
        let by = query.by.as_deref().and_then(By::named);
        let open: BTreeSet<String> = query.open.iter().flat_map(|open| open.split(',')).map(str::to_owned).collect();
        let many = part.jobs.len();
        let clusters = match by {
            None if many <= DRAWN => Clusters::single(&part),
            by => Clusters::grouped(graph, &part, by.unwrap_or(By::Manifest), &open),
        };
        let failures = graph.dependencies.keys().filter(|id| is_failed(listing, id)).count();
        let holds = held_count - failures.min(held_count);
        let trouble = match (failures, holds) {
            (0, _) => String::new(),
            (_, 0) => format!(" · {}", count(failures as u64, "failure", "failures")),
            _ => format!(
                " · {} up {}",
                count(failures as u64, "failure holds", "failures hold"),
                count(holds as u64, "job", "jobs")
            ),
        };
        let edges = count(part.edges.len() as u64, "edge", "edges");
        let groups = clusters.nodes.iter().filter(|node| matches!(node, Node::Group { .. })).count();
        let grouped =
            if groups == 0 { String::new() } else { format!(" in {}", count(groups as u64, "group", "groups")) };
        let too_many = clusters.nodes.len() > DRAWN;
        let merged = clusters.nodes.iter().any(|node| matches!(node, Node::Group { names, .. } if names.len() > 1));
        let note = match (too_many, merged) {
            (true, _) => {
                "More than 300 boxes cannot be drawn: search for a job, or group them differently. The table has all."
            }
            (false, true) => "Groups that depend on each other in a cycle are drawn as one.",
            (false, false) => "",
        };
        let is_table = query.table.is_some();
        let rows = if is_table || many <= BESIDE { ROWS } else { 0 };
        let rows: Vec<Row> = part.jobs.iter().take(rows).map(|id| row(graph, listing, id)).collect();
        let own = GraphQuery { table: Some("1".to_owned()), ..query.clone() }.own();
        let own: Vec<(&str, Option<&str>)> = own.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        let table = (many > 0 && rows.is_empty()).then(|| format!("/graph?{}", given(&own)));
        let shown: Vec<Shown> = clusters.nodes.iter().map(|node| shown(node, listing, query, focus)).collect();
        let edge = |&(from, to, count): &(usize, usize, usize)| Edge {
            from,
            to,
            count,
            is_bad: matches!(shown[from].status.class, "failed" | "failing"),
        };
        let lines: Vec<Edge> = clusters.edges.iter().map(edge).collect();
        let shape = format!("{:?}{:?}{too_many}{is_table}", clusters.nodes, clusters.edges);
        let label = format!("Graph of {}{grouped}", count(many as u64, "job", "jobs"));
        Ok(Self {
            said: format!("{}{grouped}, {edges}{trouble}", count(many as u64, "job", "jobs")),
            note: note.to_owned(),
            picture: (!too_many && many > 0 && !is_table).then(|| Picture::of(&shown, &lines, label)),
            more: if rows.is_empty() { 0 } else { many.saturating_sub(ROWS) },
            rows,
            table,
            shape,
            held: held_count,
        })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::whole("graph", rendered(self));
        parts.shape.clone_from(&self.shape);
        parts.text("graph:said", &self.said);
        if let Some(picture) = &self.picture {
            parts.cells.extend(picture.nodes.iter().cloned());
        }
        parts.cells.extend(self.rows.iter().map(|row| (format!("status:{}", row.id), rendered(&row.status))));
        parts
    }
}

fn row(graph: &Graph, listing: &Listing<'_>, id: &str) -> Row {
    let named = |all: Vec<&str>| {
        let more = all.len().saturating_sub(NAMED);
        let some = all.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        if more == 0 { some } else { format!("{some} and {more} more") }
    };
    let needs = graph.dependencies.get(id).into_iter().flatten().map(String::as_str).collect();
    Row {
        id: id.to_owned(),
        status: Status::of_listed(listing, id),
        needs: named(needs),
        needed_by: named(crate::show::jobs::dependents(graph, id)),
    }
}

fn shown(node: &Node, listing: &Listing<'_>, query: &GraphQuery, focus: Option<&str>) -> Shown {
    match node {
        Node::Job(id) => {
            let status = Status::of_listed(listing, id);
            Shown {
                name: name(id),
                sub: String::new(),
                title: format!("{id}: {}", status.word),
                href: format!("/jobs/{id}"),
                status,
                is_self: focus == Some(id),
                parts: Vec::new(),
                id: id.clone(),
            }
        }
        Node::Group { names, jobs } => group(names, jobs, listing, query),
    }
}

/// The order of the parts in the bar of a group, worst first.
const PARTS: [&str; 5] = ["failed", "outdated", "running", "never", "ok"];

fn group(names: &[String], jobs: &[String], listing: &Listing<'_>, query: &GraphQuery) -> Shown {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for id in jobs {
        let class = match Status::of_listed(listing, id).class {
            "failing" | "failed" => "failed",
            "queued" | "waiting" | "running" => "running",
            "outdated" => "outdated",
            "ok" => "ok",
            _ => "never",
        };
        *counts.entry(class).or_default() += 1;
    }
    let parts: Vec<(&'static str, usize)> =
        PARTS.into_iter().filter_map(|part| Some((part, *counts.get(part)?))).collect();
    let worst = parts.first().map_or("never", |(part, _)| *part);
    let words = parts.iter().map(|(part, count)| format!("{count} {part}")).collect::<Vec<_>>().join(", ");
    let all = names.join(", ");
    let open =
        query.open.iter().map(String::as_str).chain(names.iter().map(String::as_str)).collect::<Vec<_>>().join(",");
    let (by, show) = (query.by.as_deref().unwrap_or("manifest"), query.show.as_deref());
    let to = given(&[("by", Some(by)), ("show", show), ("open", Some(&open))]);
    Shown {
        id: line(&all),
        name: name(&all),
        sub: count(jobs.len() as u64, "job", "jobs"),
        title: format!("{}: {words}", line(&all)),
        href: format!("/graph?{to}"),
        status: Status { class: worst, word: "a group" },
        is_self: false,
        parts,
    }
}
