//! One build: what failed and why before all else, then what it returned and what it said.

use std::ops::ControlFlow;
use std::time::Duration;
use std::time::Instant;

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use http::StatusCode;
use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::config;
use jobcontrol_core::event::Level;
use jobcontrol_core::failure;
use jobcontrol_core::failure::Frame as Call;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;

use super::super::extract::Path;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::frame::Frame;
use super::frame::html;
use super::row::Status;
use super::row::line;
use super::row::took;
use crate::request::whole::WholeBuild;
use crate::show::escape::clean;

/// Names and lines of calls are waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Log records that are all in the page.
const RECORDS: u64 = 5_000;
/// Characters of one of them, and of the return value.
const MESSAGE: usize = 4_000;
const RETVAL: usize = 20_000;

#[derive(Template)]
#[template(path = "build.html")]
struct Page {
    frame: Frame,
    id: u64,
    job: String,
    status: Status,
    is_open: bool,
    sub: String,
    failure: Option<Failed>,
    retval: Option<String>,
    log: Vec<Line>,
    log_cut: bool,
    facts: Vec<(&'static str, String)>,
    uses: Vec<(String, u64)>,
}

struct Failed {
    kind: String,
    message: String,
    frames: Vec<String>,
}

struct Line {
    number: u64,
    class: &'static str,
    created: Timestamp,
    clock: String,
    level: &'static str,
    target: String,
    message: String,
}

pub(super) async fn page(State(web): State<Web>, Path(id): Path<u64>, headers: HeaderMap) -> Answer {
    web.look(move |look| html(&page_of(look, id, &headers)?, StatusCode::OK)).await
}

fn page_of(look: &Look<'_>, id: u64, headers: &HeaderMap) -> Result<Page, Problem> {
    let (plugins, pools) = (&look.workspace.reader, &look.workspace.context.pools);
    let whole = WholeBuild::read(plugins, look.storage, pools, id, Instant::now() + PATIENCE)?;
    let (build, moment) = (&whole.build, &whole.moment);
    let (log, log_cut) = log(look, id)?;
    let waits = moment.waits.get(&id).map(|reason| format!("waits for {reason}"));
    let took = took(build, moment);
    let sub = [waits.unwrap_or_default(), build.skip_reason.clone().unwrap_or_default(), took];
    Ok(Page {
        frame: Frame::new(look, "builds", headers),
        id,
        job: build.job_id.clone(),
        status: Status::of_build(build, moment),
        is_open: !build.finished,
        sub: sub.iter().filter(|part| !part.is_empty()).map(|part| line(part)).collect::<Vec<_>>().join(" · "),
        failure: build.exception.as_ref().map(|failure| Failed {
            kind: failure.kind.to_string(),
            message: cut(&failure.message, MESSAGE),
            frames: build.exception_tb.iter().map(call).collect(),
        }),
        retval: build.retval.as_ref().map(|value| cut(&shown(value), RETVAL)),
        log,
        log_cut,
        facts: facts(build),
        uses: build.pins.iter().map(|pin| (pin.job.clone(), pin.build)).collect(),
    })
}

/// A value as JSON with a line for each part.
fn shown(value: &Value) -> String {
    serde_json::to_string_pretty(&Json(value)).unwrap_or_default()
}

fn facts(build: &Build) -> Vec<(&'static str, String)> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let attempt = format!("{} of {}", build.attempt, build.max_attempts());
    let edited = if build.edited { "given by hand".to_owned() } else { String::new() };
    let all = [
        ("Created", build.created.to_string()),
        ("Started", time(build.start_time)),
        ("Ended", time(build.end_time)),
        ("Attempt", if build.attempt > 1 { attempt } else { String::new() }),
        ("Function", line(config::function(&build.config))),
        ("Arguments", edited),
        ("Run", build.run.map(|run| run.to_string()).unwrap_or_default()),
        ("Again", build.rerun_of.map(|of| format!("build {of}")).unwrap_or_default()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// A call on one line.
fn call(frame: &Call) -> String {
    let place = match (frame.file.as_str(), frame.line) {
        ("", _) => String::new(),
        (file, 0) => format!("{file}, "),
        (file, at) => format!("{file}:{at}, "),
    };
    line(&format!("{place}in {}", if frame.function.is_empty() { "an unknown function" } else { &frame.function }))
}

/// The newest records, and whether there are older ones.
fn log(look: &Look<'_>, id: u64) -> Result<(Vec<Line>, bool), Problem> {
    let filter = LogFilter { build_id: Some(id), last: Some(RECORDS + 1), ..LogFilter::default() };
    let mut lines = Vec::new();
    look.storage.iter_log_messages(&filter, &mut |record| {
        lines.push(entry(&record));
        ControlFlow::Continue(())
    })?;
    let is_cut = lines.len() as u64 > RECORDS;
    Ok((lines.split_off(usize::from(is_cut)), is_cut))
}

fn entry(record: &LogRecord) -> Line {
    let (number, record) = (record.id, &record.record);
    let created = record.created.to_string();
    let class = match record.level {
        40.. => "is-error",
        30.. => "is-warning",
        _ => "",
    };
    Line {
        number,
        class,
        created: record.created,
        // The time of day alone.
        clock: created.get(11..23).unwrap_or_default().to_owned(),
        level: Level::name_of(record.level),
        target: line(&record.target),
        message: cut(&record.message, MESSAGE),
    }
}

/// A text of several lines, cut where it is long.
fn cut(text: &str, most: usize) -> String {
    let mut text = text.to_owned();
    failure::cut(&mut text, most);
    clean(&text).into_owned()
}
