//! The page of one job: its status with the reason, the jobs around it, its builds, and its
//! manifest.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;

use super::super::api::known_or_built;
use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::around::around;
use super::feed::Parts;
use super::frame::Frame;
use super::frame::ok;
use super::frame::rendered;
use super::job_head::Head;
use super::notes::Notes;
use super::row::Rows;
use super::row::Tag;
use super::row::docs;
use super::row::line;
use super::strip;
use super::strip::WideStrip;
use super::times::count;
use super::value::Tree;
use super::visit::Visit;
use crate::request::standing::standings_of;

/// Most builds to show on the page.
const SHOWN: usize = 15;
/// Upcoming due times to show.
const UPCOMING: usize = 3;

/// The page has no parameters.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobQuery {}

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    id: String,
    head: Head,
    body: Body,
    notes: Option<Notes>,
    facts: Vec<(&'static str, String)>,
    function: String,
    plugin: String,
    signature: String,
    docs: String,
    next: Vec<String>,
    tags: Vec<Tag>,
    grants: Vec<(String, Vec<String>)>,
    arguments: Vec<Tree>,
    is_known: bool,
}

/// The part that changes with the job's builds.
#[derive(Template)]
#[template(path = "job_body.html")]
struct Body {
    id: String,
    /// Why it is outdated, or which mistakes its manifest has.
    reasons: Vec<String>,
    is_broken: bool,
    around: String,
    strip: Option<WideStrip>,
    builds: Rows,
    total: String,
}

pub(super) async fn page(
    State(web): State<Web>,
    Path(id): Path<String>,
    Query(JobQuery {}): Query<JobQuery>,
    visit: Visit,
) -> Answer {
    web.look(move |look| ok(&page_of(look, id, &visit)?)).await
}

fn page_of(look: &Look<'_>, id: String, visit: &Visit) -> Result<Page, Problem> {
    let frame = Frame::new(look, "jobs", visit);
    let (head, body) = changing(look, &id, visit)?;
    let parts = parts_of(&head, &body);
    let checked = look.current.catalog.graph.jobs.get(&id);
    let job = checked.map(|checked| &checked.job);
    let config = job.map(|job| job.to_config());
    let now = look.storage.clock().now();
    let upcoming = job
        .and_then(|job| job.schedule.as_ref())
        .into_iter()
        .flat_map(|schedule| schedule.upcoming(now).take(UPCOMING));
    Ok(Page {
        frame: frame.fed(parts.feed("job", &[("job", Some(&id))])),
        head,
        body,
        notes: job.and_then(|job| Notes::of(job.notes.as_deref())),
        facts: checked.map(facts).unwrap_or_default(),
        function: job.map(|job| line(&job.function.to_string())).unwrap_or_default(),
        plugin: job.map(|job| job.function.plugin.clone()).unwrap_or_default(),
        signature: checked.map(|checked| line(&checked.signature.to_string())).unwrap_or_default(),
        docs: checked.map(|checked| docs(&checked.signature)).unwrap_or_default(),
        next: upcoming.map(|at| visit.zone.clock(at, now).to_string()).collect(),
        tags: job.map(|job| Tag::all(&job.tags)).unwrap_or_default(),
        grants: config.as_ref().map(grants).unwrap_or_default(),
        arguments: config.as_ref().map(arguments).unwrap_or_default(),
        is_known: job.is_some(),
        id,
    })
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, id: &str, visit: &Visit) -> Result<Parts, Problem> {
    let (head, body) = changing(look, id, visit)?;
    Ok(parts_of(&head, &body))
}

fn parts_of(head: &Head, body: &Body) -> Parts {
    let mut parts = Parts::default();
    parts.cell("job:head", rendered(head));
    parts.cell("job:body", rendered(body));
    parts
}

fn changing(look: &Look<'_>, id: &str, visit: &Visit) -> Result<(Head, Body), Problem> {
    known_or_built(look, id)?;
    let catalog = &look.current.catalog;
    let graph = &catalog.graph;
    let around = around(look, id)?;
    let mut ids = graph.closure([id]);
    ids.extend(around.iter().flat_map(|part| part.jobs.iter().copied()));
    let ids: Vec<&str> = ids.into_iter().collect();
    let standings = standings_of(catalog, look.storage, &ids)?;
    let wrong = graph.broken.get(id).map(Vec::as_slice).unwrap_or_default();
    let standing = standings.get(id).filter(|_| wrong.is_empty());
    let outdated = standing.map(|standing| standing.status.outdated_because().to_vec()).unwrap_or_default();
    let reasons = wrong.iter().map(|problem| problem.message.clone()).chain(outdated);
    let marks = look.storage.get_marks(&[id], strip::WIDE)?.pop().unwrap_or_default();
    let status = standing.map(|standing| &standing.status);
    let head = Head::of(look, id, status, !graph.dependencies.contains_key(id), visit, "overview")?;
    let statuses: BTreeMap<&str, _> = standings.iter().map(|(id, standing)| (id.as_str(), &standing.status)).collect();
    let body = Body {
        reasons: reasons.map(|reason| line(&reason)).collect(),
        is_broken: !wrong.is_empty(),
        around: around.map(|part| super::around::drawn(&part, graph, id, &statuses)).unwrap_or_default(),
        strip: (!marks.is_empty()).then(|| WideStrip::of(&marks)),
        builds: Rows::read(look, &visit.zone, BuildFilter::job(id), SHOWN)?,
        total: head.builds.clone(),
        id: id.to_owned(),
    };
    Ok((head, body))
}

/// Summarizes the manifest of a job.
fn facts(checked: &CheckedJob) -> Vec<(&'static str, String)> {
    let job = &checked.job;
    let (line_of, _) = job.place.source.position(job.place.id.start);
    let text = |value: Option<String>| value.unwrap_or_default();
    let all = [
        (
            "Schedule",
            text(job.schedule.as_ref().map(|schedule| format!("{}, {}", schedule.cron, schedule.timezone.name()))),
        ),
        ("On change", if job.builds_on_change(false) { "built automatically".to_owned() } else { String::new() }),
        ("Protected", if job.protected { "yes: only by hand and by name".to_owned() } else { String::new() }),
        ("Retry", text((job.retry.attempts > 1).then(|| job.retry.to_string()))),
        ("Timeout", show_duration(job.limits.timeout)),
        ("Memory", show_bytes(job.limits.memory)),
        (
            "Pool",
            text(
                job.pool
                    .as_ref()
                    .map(|pool| format!("{}, {}", pool.name, count(u64::from(pool.slots), "slot", "slots"))),
            ),
        ),
        ("Priority", if job.priority == 0 { String::new() } else { job.priority.to_string() }),
        ("Manifest", format!("{}:{line_of}", job.place.source.path)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, line(&value))).collect()
}

/// Returns the grants of a job, by key.
pub(super) fn grants(config: &Value) -> Vec<(String, Vec<String>)> {
    let Some(Value::Map(entries)) = config.get("grants") else { return Vec::new() };
    let short = |value: &Value| line(&serde_json::to_string(&Json(value)).unwrap_or_default().replace('"', ""));
    let items = |value: &Value| match value {
        Value::List(items) => items.iter().map(short).collect(),
        Value::Map(entries) => entries.iter().map(|(name, _)| line(name)).collect(),
        Value::Null => Vec::new(),
        other => vec![short(other)],
    };
    let all = entries.iter().map(|(key, value)| (line(key), items(value)));
    all.filter(|(_, items): &(String, Vec<String>)| !items.is_empty()).collect()
}

fn arguments(config: &Value) -> Vec<Tree> {
    let mut all = Vec::new();
    if let Some(Value::List(items)) = config.get("args") {
        all.extend(items.iter().enumerate().map(|(at, item)| Tree::of(&format!("[{at}]"), item)));
    }
    if let Some(Value::Map(entries)) = config.get("kwargs") {
        all.extend(entries.iter().map(|(name, value)| Tree::of(name, value)));
    }
    all
}
