//! `jobs`, `job` and `graph`: what the manifests say.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;

use super::completions;
use super::error;
use super::error::CliError;
use super::flags::Format;
use super::render::BOLD;
use super::render::Out;
use super::render::Page;
use super::render::build::granted;
use super::render::escape::clean;
use super::render::escape::one_line;
use super::render::styled;
use super::render::text;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::request::interrupted::look_at;
use crate::request::standing::standings;
use crate::request::targets::no_job;
use crate::show::jobs::EdgeJson;
use crate::show::jobs::GraphJson;
use crate::show::jobs::JobJson;
use crate::show::jobs::dependents;
use crate::show::moment::Moment;

pub(super) fn empty_folder(app: &App, catalog: &Catalog) -> Option<Diagnostic> {
    (catalog.manifests.is_empty() && catalog.problems.is_empty()).then(|| {
        let folder = app.settings.workspace.jobs.display();
        Diagnostic::of(Code::NoManifests, format!("there are no manifests (*.yaml, *.yml) below `{folder}`"))
            .file(folder.to_string())
            .help("write one, or name another folder with `--jobs DIR`")
    })
}

/// Says on the side how many mistakes there are, for commands that show what can be read.
fn mention_problems(app: &App, out: &Out, catalog: &Catalog) {
    if let Some(empty) = empty_folder(app, catalog) {
        out.warn(&empty.message);
    }
    let count = catalog.diagnostics().len();
    if count > 0 {
        let mistakes = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
        out.warn(&format!("{mistakes} in the manifests: `jobcontrol check` shows them"));
    }
}

pub(super) fn list(app: &App, out: &Out) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::usage)?;
    let storage = app.storage(false)?;
    let statuses = standings(&catalog, &*storage)?;
    let moment = look_at(&*storage, statuses.values().filter_map(|standing| standing.newest.as_deref()))?;
    mention_problems(app, out, &catalog);
    let jobs = catalog.graph.jobs.values().zip(statuses.values());
    if out.is_json() {
        let shapes: Vec<_> = jobs
            .map(|(checked, standing)| {
                JobJson::new(&catalog.graph, checked, &standing.status, standing.newest.as_deref(), &moment)
            })
            .collect();
        out.json(&shapes)?;
        return Ok(error::DONE);
    }
    let rows = jobs.map(|(checked, standing)| {
        let job = &checked.job;
        let build = standing.newest.as_deref();
        vec![
            job.id.clone(),
            text::job_status(&standing.status),
            build.map(|b| format!("{} {}", b.id, text::status_of(b, &moment))).unwrap_or_default(),
            clean(&job.function.to_string()).into_owned(),
            one_line(job.title.as_deref().unwrap_or_default()),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        out.answer(text::table(&["JOB", "STATUS", "LAST BUILD", "FUNCTION", "TITLE"], rows))?;
    }
    Ok(error::DONE)
}

pub(super) fn show(app: &App, out: &Out, id: &str) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::usage)?;
    let Some(checked) = catalog.graph.jobs.get(id) else {
        if catalog.graph.broken.contains_key(id) {
            return Err(CliError::unchecked(catalog.graph.problems_of([id]).into_iter().cloned().collect()));
        }
        return Err(no_job(&catalog, id).into());
    };
    let storage = app.storage(false)?;
    let statuses = standings(&catalog, &*storage)?;
    let newest = BuildFilter { order: Order::Desc, limit: 5, brief: true, ..BuildFilter::job(id) };
    let builds = storage.get_job_builds(&newest)?;
    let moment = look_at(&*storage, &builds)?;
    let status = &statuses[id].status;
    if out.is_json() {
        out.json(&JobJson::new(&catalog.graph, checked, status, builds.first(), &moment))?;
        return Ok(error::DONE);
    }
    out.answer(describe(&catalog.graph, checked, status, &builds, &moment))?;
    if let Some(problems) = catalog.graph.broken.get(id) {
        return Err(CliError::unchecked(problems.clone()));
    }
    Ok(error::DONE)
}

fn describe(graph: &Graph, checked: &CheckedJob, status: &JobStatus, builds: &[Build], moment: &Moment) -> Page {
    let job = &checked.job;
    let mut page = Page::default();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            page.line(format!("{} {value}", styled(BOLD, format_args!("{name:<12}"))));
        }
    };
    row("job", job.id.clone());
    row("title", one_line(job.title.as_deref().unwrap_or_default()));
    row("status", text::job_status(status));
    if let JobStatus::Failing { build, .. } = status {
        row(
            "because",
            format!("its newest finished build, {build}, failed; dependents use the one that succeeded last"),
        );
    }
    status.outdated_because().iter().for_each(|reason| row("because", one_line(reason)));
    let (line, _) = job.place.source.position(job.place.id.start);
    row("file", format!("{}:{line}", job.place.source.path));
    row("function", clean(&job.function.to_string()).into_owned());
    row("signature", checked.signature.to_string());
    row("needs", graph.dependencies[&job.id].join(", "));
    row("needed by", dependents(graph, &job.id).join(", "));
    row("tags", one_line(&job.tags.join(", ")));
    row("pool", job.pool.as_ref().map(|pool| format!("{}, {} slots", pool.name, pool.slots)).unwrap_or_default());
    row("protected", if job.protected { "yes".to_owned() } else { String::new() });
    row("granted", one_line(&granted(&job.grants).join(", ")));
    let limits = &job.limits;
    row("limits", format!("timeout {}, memory {}", show_duration(limits.timeout), show_bytes(limits.memory)));
    let more = [("with all attempts", limits.build_timeout), ("without progress", limits.no_progress)];
    let more = more.into_iter().filter_map(|(what, limit)| Some(format!("{} {what}", show_duration(limit?))));
    row("timeouts", more.collect::<Vec<_>>().join(", "));
    if job.retry.attempts > 1 {
        row("retry", job.retry.to_string());
    }
    if let Some(notes) = &job.notes {
        page.gap();
        page.line(styled(BOLD, "notes"));
        page.quote(clean(notes.trim_end()));
    }
    if !builds.is_empty() {
        page.gap();
        page.append(&super::builds::table(builds, moment));
    }
    page
}

/// What to draw.
#[derive(Args, Debug)]
pub(super) struct GraphArgs {
    /// Only this job and what it needs
    #[arg(add = ArgValueCandidates::new(completions::jobs))]
    job: Option<String>,
}

pub(super) fn graph(app: &App, out: &Out, args: &GraphArgs) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::usage)?;
    let dependencies = &catalog.graph.dependencies;
    let ids: BTreeSet<&str> = match &args.job {
        Some(id) if !dependencies.contains_key(id) => return Err(no_job(&catalog, id).into()),
        Some(id) => catalog.graph.closure([id.as_str()]),
        None => dependencies.keys().map(String::as_str).collect(),
    };
    mention_problems(app, out, &catalog);
    let edges: Vec<(&str, &str)> = ids
        .iter()
        .flat_map(|id| dependencies.get(*id).into_iter().flatten().map(|need| (need.as_str(), *id)))
        .filter(|(need, _)| ids.contains(need))
        .collect();
    if out.is_json() {
        let edges = edges.iter().map(|(from, to)| EdgeJson { from, to }).collect();
        out.json(&GraphJson { jobs: ids.into_iter().collect(), edges })?;
        return Ok(error::DONE);
    }
    let drawn = match out.format {
        Format::Dot => dot(&ids, &edges),
        Format::Mermaid => mermaid(&ids, &edges),
        _ => tree(&catalog.graph, &ids),
    };
    out.drawn(&drawn)?;
    Ok(error::DONE)
}

/// Each job that nothing needs, with what it needs below it; what was shown before is not unfolded again.
fn tree(graph: &Graph, ids: &BTreeSet<&str>) -> String {
    /// Deeper than this a picture helps nobody, and drawing it would recurse as deep.
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
    // Jobs that wait for each other hang below nothing; what lies deeper than the deepest is named where it was cut.
    let below = graph.closure(shown.iter().copied());
    for id in ids {
        if !shown.contains(id) && !below.contains(id) {
            text.push_str(&branch(graph, id, 0, &mut shown).to_string());
        }
    }
    text
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

/// Ids may hold what Mermaid reads as an arrow, so nodes are numbered and labelled.
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
