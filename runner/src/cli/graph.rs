//! `graph`: the dependencies between jobs.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::check::Graph;

use super::completions;
use super::error;
use super::error::CliError;
use super::flags::Format;
use super::jobs::mention_problems;
use super::render::Out;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::request::listing::Listing;
use crate::request::subgraph::Subgraph;
use crate::request::targets::no_job;
use crate::request::targets::tagged;
use crate::show::drawing::Drawn;
use crate::show::drawing::svg;

/// What to draw.
#[derive(Args, Debug)]
pub(super) struct GraphArgs {
    /// Only this job and what it needs
    #[arg(add = ArgValueCandidates::new(completions::jobs))]
    job: Option<String>,
    /// Only jobs with this tag
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(completions::tags))]
    tag: Option<String>,
}

pub(super) fn graph(app: &App, out: &Out, args: &GraphArgs) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::usage)?;
    let dependencies = &catalog.graph.dependencies;
    let tagged = args.tag.as_deref().map(|tag| tagged(&app.settings.workspace, tag)).transpose()?;
    let mut ids: BTreeSet<&str> = match &args.job {
        Some(id) if !dependencies.contains_key(id) => return Err(no_job(&catalog, id).into()),
        Some(id) => catalog.graph.closure([id.as_str()]),
        None => dependencies.keys().map(String::as_str).collect(),
    };
    ids.retain(|id| tagged.as_ref().is_none_or(|tagged| tagged.contains(*id)));
    mention_problems(app, out, &catalog);
    let seen = Subgraph::of(&catalog.graph, ids);
    if out.is_json() {
        out.json(&seen.shape())?;
        return Ok(error::DONE);
    }
    let Subgraph { jobs: ids, edges } = seen;
    let drawn = match out.format {
        Format::Dot => dot(&ids, &edges),
        Format::Mermaid => mermaid(&ids, &edges),
        Format::Svg => return out.raw(picture(app, &catalog, &ids, &edges)?.as_bytes()).map(|()| error::DONE),
        _ => tree(&catalog.graph, &ids),
    };
    out.drawn(&drawn)?;
    Ok(error::DONE)
}

/// Draws each job that no other job needs, with its dependencies below it. A job that was shown
/// before is not unfolded again.
fn tree(graph: &Graph, ids: &BTreeSet<&str>) -> String {
    /// The greatest depth to draw: deeper trees are unreadable, and drawing recurses as deep.
    const DEEPEST: usize = 64;
    fn branch<'a>(
        graph: &'a Graph,
        id: &'a str,
        depth: usize,
        shown: &mut BTreeSet<&'a str>,
    ) -> termtree::Tree<String> {
        let needs = graph.dependencies.get(id).map(Vec::as_slice).unwrap_or_default();
        if !shown.insert(id) && !needs.is_empty() {
            return termtree::Tree::new(format!("{id} (see above)"));
        }
        if depth == DEEPEST && !needs.is_empty() {
            return termtree::Tree::new(format!("{id} (more below: `jobcontrol graph {id}`)"));
        }
        let leaves = needs.iter().map(|need| branch(graph, need, depth + 1, shown));
        termtree::Tree::new(id.to_owned()).with_leaves(leaves)
    }
    let mut shown = BTreeSet::new();
    let needed: BTreeSet<&str> =
        ids.iter().filter_map(|id| graph.dependencies.get(*id)).flatten().map(String::as_str).collect();
    let mut text = String::new();
    for id in ids.iter().filter(|id| !needed.contains(*id)) {
        text.push_str(&branch(graph, id, 0, &mut shown).to_string());
    }
    // Jobs that depend on each other in a cycle are below no root. Jobs below the greatest depth
    // are mentioned where the tree was cut.
    let below = graph.closure(shown.iter().copied());
    for id in ids {
        if !shown.contains(id) && !below.contains(id) {
            text.push_str(&branch(graph, id, 0, &mut shown).to_string());
        }
    }
    text
}

/// Draws an SVG picture in which each job shows its status.
fn picture(app: &App, catalog: &Catalog, ids: &BTreeSet<&str>, edges: &[(&str, &str)]) -> Result<String, CliError> {
    let storage = app.storage(false)?;
    let listing = Listing::read(catalog, &*storage)?;
    let mut jobs = Vec::new();
    for id in ids {
        let title = listing.job(id).and_then(|checked| checked.job.title.as_deref());
        jobs.push(Drawn { id, status: listing.status_name(id), title });
    }
    Ok(svg(&jobs, edges))
}

fn dot(ids: &BTreeSet<&str>, edges: &[(&str, &str)]) -> String {
    let mut text = String::from("digraph jobs {\n  rankdir = LR;\n  node [shape = box];\n");
    for id in ids {
        let _ = writeln!(text, "  \"{id}\";");
    }
    for (from, to) in edges {
        let _ = writeln!(text, "  \"{from}\" -> \"{to}\";");
    }
    text + "}\n"
}

/// Draws a Mermaid graph. Ids may contain what Mermaid reads as an arrow, so nodes are numbered and
/// labelled.
fn mermaid(ids: &BTreeSet<&str>, edges: &[(&str, &str)]) -> String {
    let number = |id: &str| ids.iter().position(|other| *other == id).unwrap_or(0);
    let mut text = String::from("flowchart LR\n");
    for (i, id) in ids.iter().enumerate() {
        let _ = writeln!(text, "  n{i}[\"{id}\"]");
    }
    for (from, to) in edges {
        let _ = writeln!(text, "  n{} --> n{}", number(from), number(to));
    }
    text
}
