//! `jobs` and `job`: what the manifests say, and the status of each job.

use clap::Args;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::config;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::Unit;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;

use super::completions;
use super::error;
use super::error::CliError;
use super::render::BOLD;
use super::render::Out;
use super::render::Page;
use super::render::RED;
use super::render::build::granted;
use super::render::build::quoted;
use super::render::styled;
use super::render::text;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::request::interrupted::look_at;
use crate::request::listing::Listing;
use crate::request::standing::standings;
use crate::request::targets::no_job;
use crate::request::targets::sound;
use crate::request::targets::tagged;
use crate::show::escape::clean;
use crate::show::escape::one_line;
use crate::show::jobs::BROKEN;
use crate::show::jobs::BrokenJobJson;
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

/// Warns how many mistakes there are, for commands that show the jobs that can be read.
pub(super) fn mention_problems(app: &App, out: &Out, catalog: &Catalog) {
    if let Some(empty) = empty_folder(app, catalog) {
        out.warn(&empty.message);
    }
    let count = catalog.diagnostics().len();
    if count > 0 {
        let mistakes = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
        out.warn(&format!("{mistakes} in the manifests; `jobcontrol check` shows them"));
    }
}

/// Which jobs to list.
#[derive(Args, Debug)]
pub(super) struct JobsArgs {
    /// Only jobs with this tag
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(completions::tags))]
    tag: Option<String>,
}

pub(super) fn list(app: &App, out: &Out, args: &JobsArgs) -> Result<u8, CliError> {
    let workspace = &app.settings.workspace;
    let tagged = args.tag.as_deref().map(|tag| tagged(workspace, tag)).transpose()?;
    let wanted = |id: &str| tagged.as_ref().is_none_or(|tagged| tagged.contains(id));
    let catalog = Catalog::load(workspace).map_err(CliError::usage)?;
    let listing = Listing::read(&catalog, &*app.storage(false)?)?;
    mention_problems(app, out, &catalog);
    let ids: Vec<&str> = listing.ids().into_iter().filter(|id| wanted(id)).collect();
    if out.is_json() {
        out.json(&ids.iter().map(|id| listing.shape(id)).collect::<Vec<_>>())?;
        return Ok(error::DONE);
    }
    let row = |id: &&str| {
        let job = listing.job(id).map(|checked| &checked.job);
        let status = listing.status(id).map_or_else(|| styled(RED, BROKEN), text::job_status);
        let newest = listing.newest(id).map(|b| format!("{} {}", b.id, text::status_of(b, &listing.moment)));
        vec![
            (*id).to_owned(),
            status,
            newest.unwrap_or_default(),
            job.map(|job| clean(&job.function.to_string()).into_owned()).unwrap_or_default(),
            one_line(job.and_then(|job| job.title.as_deref()).unwrap_or_default()),
        ]
    };
    if !ids.is_empty() {
        out.answer(text::table(&["JOB", "STATUS", "LAST BUILD", "FUNCTION", "TITLE"], ids.iter().map(row).collect()))?;
    }
    Ok(error::DONE)
}

pub(super) fn show(app: &App, out: &Out, id: &str) -> Result<u8, CliError> {
    let id = id.strip_prefix("job:").unwrap_or(id);
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::usage)?;
    let Some(checked) = catalog.graph.jobs.get(id) else {
        sound(&catalog, &[id])?;
        return Err(no_job(&catalog, id).into());
    };
    let storage = app.storage(false)?;
    let statuses = standings(&catalog, &*storage)?;
    let newest = BuildFilter { order: Order::Desc, limit: 5, brief: true, ..BuildFilter::job(id) };
    let builds = storage.get_job_builds(&newest)?;
    let moment = look_at(&*storage, &builds)?;
    let status = &statuses[id].status;
    if out.is_json() {
        if catalog.graph.broken.contains_key(id) {
            out.json(&BrokenJobJson::new(&catalog.graph, id, builds.first(), &moment))?;
            return Ok(error::UNCHECKED);
        }
        let config = checked.job.to_config();
        let shape = JobJson::new(&catalog.graph, checked, status, builds.first(), &moment);
        out.json(&shape.with_config(&config))?;
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
    let is_broken = graph.broken.contains_key(&job.id);
    row("status", if is_broken { styled(RED, BROKEN) } else { text::job_status(status) });
    if let JobStatus::Failing { build, .. } = status {
        row("because", format!("its newest finished build, {build}, failed; dependents use the last successful one"));
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
    row("labels", job.needs.to_string());
    row("protected", if job.protected { "yes".to_owned() } else { String::new() });
    row("granted", one_line(&granted(&job.grants).join(", ")));
    row("timeout", show_duration(job.limits.timeout));
    let more = [("with all attempts", job.limits.build_timeout), ("without progress", job.limits.no_progress)];
    more.into_iter().for_each(|(what, limit)| {
        row("", limit.map(|limit| format!("{} {what}", show_duration(limit))).unwrap_or_default());
    });
    row("limits", limits(&job.limits));
    row("cleanup", job.hooks.cleanup.as_ref().map(|hook| clean(&hook.export).into_owned()).unwrap_or_default());
    row("shown by", job.hooks.repr.as_ref().map(|hook| clean(&hook.export).into_owned()).unwrap_or_default());
    if job.retry.attempts > 1 {
        row("retry", job.retry.to_string());
    }
    if let Some(docs) = checked.signature.docs.as_deref().filter(|docs| !docs.is_empty()) {
        quoted(&mut page, "description", clean(docs.trim_end()).as_ref());
    }
    for (name, value) in config::shown_arguments(&job.to_config()) {
        quoted(&mut page, name, &text::yaml(value));
    }
    if let Some(notes) = &job.notes {
        quoted(&mut page, "notes", notes.trim_end());
    }
    if !builds.is_empty() {
        page.gap();
        let newest_last: Vec<_> = builds.iter().rev().cloned().collect();
        page.append(&super::builds::table(&newest_last, moment));
    }
    page
}

/// Shows what a build of the job may use, each limit by its key.
fn limits(limits: &Limits) -> String {
    let mut limits = limits.clone();
    let shown = Limits::KEYS.iter().filter_map(|key| {
        let limit = limits.by_key(key)?;
        let value = if limit.unit == Unit::Bytes { show_bytes(*limit.value) } else { limit.value.to_string() };
        Some(format!("{key} {value}"))
    });
    shown.collect::<Vec<_>>().join(", ")
}
