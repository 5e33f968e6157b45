//! Runs: what was requested, by whom, and the result of each job.

use askama::Template;
use axum::extract::State;
use jobcontrol_core::run::JobBecame;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunCounts;
use jobcontrol_core::run::RunState;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::RunFilter;
use serde::Deserialize;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::frame::Frame;
use super::frame::ok;
use super::frame::rendered;
use super::row::asked;
use super::row::is_bad;
use super::row::line;
use super::row::reason;
use super::row::took;
use super::status::Status;
use super::times::Time;
use super::visit::Visit;
use crate::request::cancel::is_worked_on;
use crate::request::interrupted::look_at;
use crate::request::waits::waits_for;
use crate::show::moment::Moment;

/// Runs on one page, and jobs of one run.
const SHOWN: u64 = 100;
const JOBS: usize = 500;

/// Where the list continues.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Page {
    frame: Frame,
    list: List,
}

#[derive(Template)]
#[template(path = "runs_list.html")]
struct List {
    rows: Vec<Row>,
    next: Option<u64>,
}

#[derive(Template)]
#[template(path = "run_row.html")]
struct Row {
    id: u64,
    status: Status,
    targets: String,
    by: String,
    counts: String,
    created: Time,
}

#[derive(Template)]
#[template(path = "run.html")]
struct OnePage {
    frame: Frame,
    id: u64,
    body: One,
}

/// A run.
#[derive(Template)]
#[template(path = "run_body.html")]
struct One {
    row: Row,
    csrf: String,
    may_cancel: bool,
    may_start: bool,
    may_rerun: bool,
    failed: bool,
    facts: Vec<(&'static str, String)>,
    jobs: Vec<Job>,
    more: usize,
}

/// A job of a run.
struct Job {
    id: String,
    status: Option<Status>,
    build: Option<u64>,
    said: String,
    is_bad: bool,
    took: String,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<RunsQuery>, visit: Visit) -> Answer {
    web.look(move |look| {
        let frame = Frame::new(look, "builds", &visit);
        let list = List::read(look, &query, &visit)?;
        let before = query.before.map(|before| before.to_string());
        ok(&Page { frame: frame.fed(list.parts().feed("runs", &[("before", before.as_deref())])), list })
    })
    .await
}

pub(super) async fn one(State(web): State<Web>, Path(id): Path<u64>, visit: Visit) -> Answer {
    web.look(move |look| {
        let frame = Frame::new(look, "builds", &visit);
        let body = One::read(look, id, &visit)?;
        ok(&OnePage { frame: frame.fed(body.parts().feed("run", &[("run", Some(&id.to_string()))])), id, body })
    })
    .await
}

/// Returns the parts of the list that change.
pub(super) fn parts(look: &Look<'_>, query: &RunsQuery, visit: &Visit) -> Result<Parts, Problem> {
    Ok(List::read(look, query, visit)?.parts())
}

pub(super) fn parts_of_one(look: &Look<'_>, id: u64, visit: &Visit) -> Result<Parts, Problem> {
    Ok(One::read(look, id, visit)?.parts())
}

impl List {
    fn read(look: &Look<'_>, query: &RunsQuery, visit: &Visit) -> Result<Self, Problem> {
        let filter = RunFilter { before: query.before, limit: Some(SHOWN), ..RunFilter::default() };
        let runs = look.storage.get_runs(&filter)?;
        let ids: Vec<u64> = runs.iter().map(|run| run.id).collect();
        let counts = look.storage.get_run_counts(&ids)?;
        let mut rows = Vec::new();
        for (run, counts) in runs.iter().zip(counts) {
            rows.push(Row::of(run, run.state(is_worked_on(look.storage, run)?), counts, look, visit));
        }
        let next = runs.last().map(|run| run.id).filter(|_| runs.len() as u64 == SHOWN);
        Ok(Self { rows, next })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::whole("runs", rendered(self));
        for row in &self.rows {
            parts.shape.push_str(&format!("{}\n", row.id));
            parts.cell(format!("run:{}", row.id), rendered(row));
        }
        parts
    }
}

impl Row {
    fn of(run: &Run, state: RunState, counts: RunCounts, look: &Look<'_>, visit: &Visit) -> Self {
        let all = [
            (counts.running, "running"),
            (counts.created, "queued"),
            (counts.failed, "failed"),
            (counts.skipped, "skipped"),
            (counts.successful, "successful"),
        ];
        let said = all.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        let said = said.collect::<Vec<_>>().join(", ");
        let targets =
            if run.request.targets.is_empty() { "nothing".to_owned() } else { run.request.targets.join(", ") };
        let missed = run.missed.as_ref().map(|missed| line(&missed.reason));
        Self {
            id: run.id,
            status: Status::of_run(state, run.held),
            targets: line(&targets),
            by: match &run.requester {
                Requester::Schedule(job) => format!("schedule of {}", line(job)),
                requester => line(&asked(requester, false)),
            },
            counts: missed.unwrap_or(if said.is_empty() { "no build yet".to_owned() } else { said }),
            created: visit.zone.ago(run.created, look.storage.clock().now()),
        }
    }
}

impl One {
    fn read(look: &Look<'_>, id: u64, visit: &Visit) -> Result<Self, Problem> {
        let run = look.storage.get_run(id)?;
        let of_run = BuildFilter { run: Some(id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
        let builds = look.storage.get_job_builds(&of_run)?;
        let waits = waits_for(look.storage, &builds, &look.workspace.context.pools)?;
        let moment = look_at(look.storage, &builds)?.with_waits(waits);
        let state = run.state(is_worked_on(look.storage, &run)?);
        let counts = look.storage.get_run_counts(&[id])?.into_iter().next().unwrap_or_default();
        let all = run.jobs(&builds, state);
        let more = all.len().saturating_sub(JOBS);
        let jobs = all.iter().take(JOBS).map(|job| of(job.id, &job.became, &moment)).collect();
        let planned = run.plan.iter().flat_map(|plan| &plan.order);
        let mine = run.request.targets.iter().chain(planned).all(|job| visit.may_run(job));
        let is_open = run.status.is_none();
        let request = &run.request;
        let flags = [(request.deps, "--deps"), (request.force, "--force"), (request.revdeps, "--revdeps")];
        let flags: Vec<&str> = flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).collect();
        let time = |at| visit.zone.clock(at, moment.now).text;
        let text = |value: Option<String>| value.unwrap_or_default();
        let facts = [
            ("Requested", time(run.created)),
            ("Ended", text(run.end_time.map(time))),
            ("By", line(&asked(&run.requester, false))),
            ("With", flags.join(" ")),
            ("Rest of", text(request.rest_of.map(|run| format!("run {run}")))),
            ("Priority", if run.priority == 0 { String::new() } else { run.priority.to_string() }),
            ("Cancelled", text(run.cancel.as_deref().map(|by| line(&format!("by {by}"))))),
        ];
        Ok(Self {
            row: Row::of(&run, state, counts, look, visit),
            csrf: visit.csrf.clone(),
            may_cancel: mine && is_open,
            may_start: mine && is_open && run.held,
            may_rerun: mine && !is_open && run.missed.is_none(),
            failed: counts.failed > 0 || state != RunState::Ended(jobcontrol_core::run::RunStatus::Successful),
            facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            jobs,
            more,
        })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        parts.cell("run:body", rendered(self));
        parts
    }
}

fn of(id: &str, became: &JobBecame<'_>, moment: &Moment) -> Job {
    let nothing =
        Job { id: id.to_owned(), status: None, build: None, said: String::new(), is_bad: false, took: String::new() };
    match became {
        JobBecame::Built(build) => Job {
            status: Some(Status::of_build(build, moment)),
            build: Some(build.id),
            said: line(&reason(build, moment).unwrap_or_default()),
            is_bad: is_bad(build),
            took: took(build, moment),
            ..nothing
        },
        JobBecame::Shared(build) => {
            Job { build: Some(*build), said: "the build of another run was used".to_owned(), ..nothing }
        }
        JobBecame::Waits(jobs) if jobs.is_empty() => Job { said: "waits for its turn".to_owned(), ..nothing },
        JobBecame::Waits(jobs) => Job { said: line(&format!("waits for {}", jobs.join(", "))), ..nothing },
        JobBecame::NotBuilt(reason) => Job { said: line(&format!("not built: {reason}")), ..nothing },
    }
}
