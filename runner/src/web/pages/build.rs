//! The page of one build. The failure comes first, then the differences since the last success,
//! progress, return value and log.

use std::time::Duration;
use std::time::Instant;

use askama::Template;
use axum::extract::State as Shared;
use jobcontrol_core::build::Build;
use jobcontrol_core::difference::Difference;
use jobcontrol_core::difference::differences;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::Yaml;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::build_facts::Facts;
use super::code::Code;
use super::failure::Failed;
use super::failure::cut;
use super::feed::Parts;
use super::feed::Passing;
use super::frame::Frame;
use super::frame::ok;
use super::frame::rendered;
use super::log::Log;
use super::log::LogQuery;
use super::progress::Bars;
use super::progress::State;
use super::progress::percent;
use super::row::line;
use super::row::took;
use super::status::Status;
use super::times::Time;
use super::times::thousands;
use super::value::Tree;
use super::visit::Visit;
use crate::request::whole::WholeBuild;

/// How long to wait for the names and lines of calls.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most characters of the return value as text, and of the configuration.
const RETVAL: usize = 40_000;

#[derive(Template)]
#[template(path = "build.html")]
struct Page {
    frame: Frame,
    id: u64,
    job: String,
    is_open: bool,
    head: Head,
    progress: Bars,
    outcome: Outcome,
    log: Log,
    config: Code,
    config_text: String,
    facts: Facts,
}

/// The head of the page: the status, and the actions.
#[derive(Template)]
#[template(path = "build_head.html")]
struct Head {
    id: u64,
    job: String,
    status: Status,
    sub: Vec<String>,
    time: Option<Time>,
    csrf: String,
    may_run: bool,
    may_delete: bool,
    is_open: bool,
    is_interrupted: bool,
    is_edited: bool,
    protected: bool,
    in_run: bool,
    failed: bool,
}

/// The result of the build.
#[derive(Template)]
#[template(path = "build_outcome.html")]
struct Outcome {
    id: u64,
    failure: Option<Failed>,
    skipped: Option<String>,
    since: Option<Since>,
    retval: Option<Retval>,
}

/// The differences since the last success of the job.
struct Since {
    build: u64,
    time: Time,
    differences: Vec<(String, String, String)>,
}

/// The return value.
struct Retval {
    kind: String,
    shown_as: String,
    tree: Option<Tree>,
    text: String,
}

pub(super) async fn page(
    Shared(web): Shared<Web>,
    Path(id): Path<u64>,
    Query(query): Query<LogQuery>,
    visit: Visit,
) -> Answer {
    let shared = web.clone();
    web.look(move |look| ok(&page_of(&shared, look, id, &query, &visit)?)).await
}

fn read(look: &Look<'_>, id: u64) -> Result<WholeBuild, Problem> {
    let (plugins, pools) = (&look.workspace.reader, &look.workspace.context.pools);
    Ok(WholeBuild::read(plugins, look.storage, pools, id, Instant::now() + PATIENCE)?)
}

fn page_of(web: &Web, look: &Look<'_>, id: u64, query: &LogQuery, visit: &Visit) -> Result<Page, Problem> {
    let frame = Frame::new(look, "builds", visit);
    let whole = read(look, id)?;
    let build = &whole.build;
    let log = Log::read(web, look, query, id, &visit.zone, build.finished)?;
    let pieces = Pieces::of(look, &whole, query, visit)?;
    let attempt = query.attempt.map(|attempt| attempt.to_string());
    let build_id = id.to_string();
    let own = [
        ("build", Some(build_id.as_str())),
        ("level", query.level.as_deref()),
        ("q", query.q.as_deref()),
        ("attempt", attempt.as_deref()),
        ("as", query.shown_as.as_deref()),
        ("seen", Some(log.seen.as_str())),
    ];
    let config_text = cut(&yaml(&build.config), RETVAL);
    Ok(Page {
        frame: frame.fed(pieces.parts().feed("build", &own)),
        id,
        job: build.job_id.clone(),
        is_open: !build.finished,
        log,
        config: Code::yaml(&config_text),
        config_text,
        head: pieces.head,
        progress: pieces.progress,
        outcome: pieces.outcome,
        facts: pieces.facts,
    })
}

/// The parts that change while the build runs.
struct Pieces {
    head: Head,
    progress: Bars,
    outcome: Outcome,
    facts: Facts,
}

/// Returns the parts that change, and how far the build is.
pub(super) fn parts(look: &Look<'_>, id: u64, query: &LogQuery, visit: &Visit) -> Result<(Parts, Passing), Problem> {
    let whole = read(look, id)?;
    let parts = Pieces::of(look, &whole, query, visit)?.parts();
    let is_running = !whole.build.finished;
    Ok((parts, Passing { is_running, percent: percent(&whole.progress).filter(|_| is_running) }))
}

impl Pieces {
    fn of(look: &Look<'_>, whole: &WholeBuild, query: &LogQuery, visit: &Visit) -> Result<Self, Problem> {
        let build = &whole.build;
        let state = match (build.finished, build.success) {
            (false, _) => State::Runs,
            (true, false) => State::Failed,
            (true, true) => State::Over,
        };
        Ok(Self {
            head: head(look, whole, visit),
            progress: Bars::of(&whole.progress, state),
            outcome: outcome(look, whole, query, visit)?,
            facts: Facts::of(look, whole, visit)?,
        })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        parts.cell("build:head", rendered(&self.head));
        parts.cell("build:progress", rendered(&self.progress));
        parts.cell("build:outcome", rendered(&self.outcome));
        parts.cell("build:facts", rendered(&self.facts));
        parts
    }
}

fn head(look: &Look<'_>, whole: &WholeBuild, visit: &Visit) -> Head {
    let (build, moment) = (&whole.build, &whole.moment);
    let is_interrupted = moment.is_interrupted(build);
    let status = Status::of_build(build, moment);
    let took = took(build, moment);
    let waits = moment.waits.get(&build.id).map(|reason| format!("waits for {}", line(reason)));
    let attempts = whole.attempts.len();
    let word = match (build.finished, attempts) {
        (true, 2..) if !build.success => format!("Failed after {attempts} attempts"),
        _ => capital(status.word),
    };
    let is_running = build.started && !build.finished && !is_interrupted;
    let time = match (build.finished, took.is_empty()) {
        (_, true) => String::new(),
        (true, false) => format!("took {took}"),
        (false, false) => format!("for {took}"),
    };
    let far = percent(&whole.progress).filter(|_| is_running);
    let left = far.filter(|far| *far > 0).zip(build.attempt_time).map(|(far, start)| {
        let past = moment.now.since(start);
        format!("about {} left", show_took(past / far * (100 - far) / 1_000_000 * 1_000_000))
    });
    let far = far.map(|far| format!("{far}%"));
    let retry = build.retry_time.map(|at| {
        format!("attempt {} of {} {}", build.attempt + 1, build.max_attempts(), super::times::ago(at, moment.now))
    });
    let sub = [Some(word), Some(time), waits, far, left, retry].into_iter().flatten().filter(|part| !part.is_empty());
    let job = look.current.catalog.graph.jobs.get(&build.job_id);
    Head {
        id: build.id,
        job: build.job_id.clone(),
        status,
        sub: sub.collect(),
        time: build.start_time.map(|at| visit.zone.ago(at, moment.now)),
        csrf: visit.csrf.clone(),
        may_run: visit.may_run(&build.job_id),
        may_delete: visit.is_admin() && build.finished,
        is_open: !build.finished,
        is_interrupted,
        is_edited: build.edited,
        protected: job.is_some_and(|checked| checked.job.protected),
        in_run: whole.run.as_ref().is_some_and(|run| run.plan.as_ref().is_some_and(|plan| plan.order.len() > 1)),
        failed: build.finished && !build.success,
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn outcome(look: &Look<'_>, whole: &WholeBuild, query: &LogQuery, visit: &Visit) -> Result<Outcome, Problem> {
    let build = &whole.build;
    let failed = build.finished && !build.success;
    let since = if failed { since(look, build, visit)? } else { None };
    Ok(Outcome {
        id: build.id,
        failure: Failed::of(build, &whole.attempts, &whole.progress),
        skipped: build.skip_reason.as_deref().filter(|_| build.skipped).map(line),
        since,
        retval: build.retval.as_ref().map(|value| retval(value, build.retval_type.as_deref(), query)),
    })
}

fn since(look: &Look<'_>, build: &Build, visit: &Visit) -> Result<Option<Since>, Problem> {
    let before = BuildFilter { before: Some(build.id), brief: true, ..BuildFilter::latest_success(&build.job_id) };
    let Some(last) = look.storage.get_job_builds(&before)?.pop() else { return Ok(None) };
    let shown = |side: Option<&str>| side.map_or_else(|| "nothing".to_owned(), line);
    let row = |found: Difference| (line(&found.what), shown(found.was.as_deref()), shown(found.now.as_deref()));
    let now = look.storage.clock().now();
    Ok(Some(Since {
        build: last.id,
        time: visit.zone.ago(last.end_time.unwrap_or(last.created), now),
        differences: differences(&last, build).into_iter().map(row).collect(),
    }))
}

fn retval(value: &Value, kind: Option<&str>, query: &LogQuery) -> Retval {
    let shown_as = match (query.shown_as.as_deref(), value) {
        (Some(shown @ ("tree" | "text" | "json" | "yaml")), _) => shown,
        // A plain string is best read as text.
        (_, Value::String(_)) => "text",
        _ => "tree",
    };
    let text = match (shown_as, value) {
        ("tree", _) => String::new(),
        ("json", _) => serde_json::to_string_pretty(&Json(value)).unwrap_or_default(),
        ("text", Value::String(text)) => text.clone(),
        _ => yaml(value),
    };
    let size = thousands(serde_json::to_string(&Json(value)).map_or(0, |text| text.len()) as u64);
    // The last line of the type's text names the type; the lines above define its parts.
    let named = kind.and_then(|kind| kind.trim_end().lines().next_back());
    let kind = named
        .and_then(|named| named.trim().strip_prefix("type retval = ")?.strip_suffix(';'))
        .map(line)
        .unwrap_or_default();
    let kind = if kind.is_empty() { format!("{size} bytes") } else { format!("{kind}, {size} bytes") };
    Retval {
        kind,
        shown_as: shown_as.to_owned(),
        tree: (shown_as == "tree").then(|| Tree::of("", value)),
        text: cut(&text, RETVAL),
    }
}

/// Formats a value as in a manifest.
pub(super) fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(&Yaml(value)).unwrap_or_else(|error| format!("cannot be shown: {error}"))
}
