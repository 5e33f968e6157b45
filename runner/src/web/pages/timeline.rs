//! The builds of a period, one row for each job, and planned runs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;

use askama::Template;
use axum::extract::State;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use serde::Deserialize;

use super::super::api::tagged;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::feed::given;
use super::frame::Frame;
use super::frame::ok;
use super::row::Tag;
use super::status::Status;
use super::times::Zone;
use super::times::count;
use super::visit::Visit;
use crate::request::window::narrow;

/// Periods to choose from, in hours, with the hours between two marks.
const SPANS: [(u64, i8, &str); 4] = [(1, 1, "1 h"), (6, 1, "6 h"), (24, 2, "24 h"), (168, 24, "7 days")];
/// Most builds to read, most jobs on one page, and most builds of all rows that are drawn one by
/// one with a link.
const BUILDS: u64 = 20_000;
const JOBS: usize = 200;
const LINKS: usize = 800;
/// Most builds of a row that are drawn one by one. More become one path for each kind.
const ONE_BY_ONE: usize = 400;
/// One part in this many of the picture lies in the future. Most planned runs of a row.
const AHEAD: i64 = 12;
const PLANNED: usize = 50;
/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

/// The period and the jobs to show.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimelineQuery {
    h: Option<u64>,
    /// The end of the period.
    to: Option<String>,
    tag: Option<String>,
    /// Only jobs that failed in this period.
    failed: Option<String>,
    /// The job after which the rows continue.
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "timeline.html")]
struct Page {
    frame: Frame,
    body: Body,
}

#[derive(Template)]
#[template(path = "timeline_body.html")]
struct Body {
    sub: String,
    hours: u64,
    spans: Vec<(u64, &'static str, String)>,
    earlier: String,
    later: Option<String>,
    now: String,
    tags: Vec<Tag>,
    tag: String,
    failed: bool,
    to: String,
    marks: Vec<(f64, String)>,
    now_at: Option<(f64, String)>,
    rows: Vec<Row>,
    next: Option<String>,
}

/// The builds of a job.
struct Row {
    job: String,
    words: String,
    bars: Vec<Bar>,
    /// A path for each kind, if there are very many builds.
    paths: Vec<(&'static str, String)>,
    planned: Vec<f64>,
}

struct Bar {
    id: u64,
    title: String,
    class: &'static str,
    left: f64,
    width: f64,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<TimelineQuery>, visit: Visit) -> Answer {
    web.look(move |look| {
        let body = body(look, &query, &visit)?;
        let frame = Frame::new(look, "timeline", &visit);
        let hours = query.h.map(|hours| hours.to_string());
        let own = [
            ("h", hours.as_deref()),
            ("to", query.to.as_deref()),
            ("tag", query.tag.as_deref()),
            ("failed", query.failed.as_deref().map(|_| "on")),
            ("after", query.after.as_deref()),
        ];
        ok(&Page { frame: frame.fed(body.parts().feed("timeline", &own)), body })
    })
    .await
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, query: &TimelineQuery, visit: &Visit) -> Result<Parts, Problem> {
    Ok(body(look, query, visit)?.parts())
}

impl Body {
    fn parts(&self) -> Parts {
        let mut parts = Parts::one("timeline", self);
        parts.text("timeline:sub", &self.sub);
        parts
    }
}

/// The period that is shown, and the present moment.
struct Span {
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
}

impl Span {
    fn of(query: &TimelineQuery, now: Timestamp) -> Result<(Self, u64), Problem> {
        let usage =
            |name: &str, reason: String| Problem::new(Sort::Usage, format!("{name}: {reason}")).parameter(name, reason);
        let hours = query.h.unwrap_or(24);
        if !(1..=31 * 24).contains(&hours) {
            return Err(usage("h", format!("`{hours}` is not a number from 1 to 744")));
        }
        let to = query.to.as_deref().filter(|to| !to.is_empty()).map(Timestamp::parse).transpose();
        let to = to.map_err(|reason| usage("to", reason))?;
        let length = i64::try_from(hours).unwrap_or(24) * HOUR;
        // A picture that ends now has a part for the future.
        let ahead = length / AHEAD;
        let end = to.map_or(Timestamp(now.0.saturating_add(ahead)), |to| to);
        Ok((Self { from: Timestamp(end.0.saturating_sub(length)), to: end, now }, hours))
    }

    /// Returns the position of a moment, in percent.
    fn at(&self, time: Timestamp) -> f64 {
        let whole = self.to.since(self.from).max(1) as f64;
        let past = if time.0 >= self.from.0 { time.since(self.from) as f64 } else { 0.0 };
        ((past / whole * 100.0).clamp(0.0, 100.0) * 100.0).round() / 100.0
    }
}

fn body(look: &Look<'_>, query: &TimelineQuery, visit: &Visit) -> Result<Body, Problem> {
    let (span, hours) = Span::of(query, look.storage.clock().now())?;
    let builds = read(look, query, &span)?;
    let is_cut = builds.len() as u64 == BUILDS;
    let failures = builds.iter().filter(|build| build.status() == BuildStatus::Failed).count();
    let graph = &look.current.catalog.graph;
    let tag = query.tag.clone().unwrap_or_default();
    let mut of_job: BTreeMap<&str, Vec<&Build>> = BTreeMap::new();
    builds.iter().rev().for_each(|build| of_job.entry(&build.job_id).or_default().push(build));
    // Planned runs are shown even if nothing was built.
    for (id, checked) in &graph.jobs {
        if checked.job.schedule.is_some() && (tag.is_empty() || checked.job.tags.contains(&tag)) {
            of_job.entry(id).or_default();
        }
    }
    let failed = query.failed.is_some();
    if failed {
        of_job.retain(|_, builds| builds.iter().any(|build| build.status() == BuildStatus::Failed));
    }
    let after = query.after.as_deref();
    let mut left = of_job.into_iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
    let page: Vec<(&str, Vec<&Build>)> = left.by_ref().take(JOBS).collect();
    let all: usize = page.iter().map(|(_, builds)| builds.len()).sum();
    let most = if all <= LINKS { ONE_BY_ONE } else { LINKS / page.len().max(1) };
    let rows: Vec<Row> = page.iter().map(|(id, builds)| row(id, builds, &span, look, &visit.zone, most)).collect();
    let own = |to: Option<&str>, h: u64, after: Option<&str>| {
        let h = h.to_string();
        let failed = query.failed.as_deref().map(|_| "on");
        format!(
            "/timeline?{}",
            given(&[("h", Some(&h)), ("to", to), ("tag", Some(&tag)), ("failed", failed), ("after", after)])
        )
    };
    let next =
        left.next().is_some().then(|| rows.last().map(|row| own(query.to.as_deref(), hours, Some(&row.job)))).flatten();
    let every = SPANS.iter().find(|(span, ..)| hours <= *span).map_or(24, |(_, every, _)| *every);
    let half = i64::try_from(hours).unwrap_or(24) * HOUR / 2;
    let moved = |by: i64| Timestamp(span.to.0.saturating_add(by)).to_string();
    let format = "%a %e %b %H:%M";
    let shown = |at| visit.zone.show(at, format);
    let sub = format!(
        "{}{} in {hours} h, {failures} failed · {} to {}, {}",
        if is_cut { "the newest " } else { "" },
        count(builds.len() as u64, "build", "builds"),
        shown(span.from),
        shown(span.to),
        visit.zone.name()
    );
    let mark = if hours > 48 { "%e %b" } else { "%H:%M" };
    let marks = visit.zone.hours(span.from, span.to, every).into_iter();
    let is_in = span.now.0 >= span.from.0 && span.now.0 <= span.to.0;
    let tags: BTreeSet<String> = graph.jobs.values().flat_map(|checked| checked.job.tags.iter().cloned()).collect();
    Ok(Body {
        sub,
        hours,
        spans: SPANS.iter().map(|(h, _, word)| (*h, *word, own(query.to.as_deref(), *h, None))).collect(),
        earlier: own(Some(&moved(-half)), hours, None),
        later: query.to.as_ref().map(|_| own(Some(&moved(half)), hours, None)),
        now: own(None, hours, None),
        tags: tags.iter().map(|tag| Tag::of(tag)).collect(),
        tag: tag.clone(),
        failed,
        to: query.to.clone().unwrap_or_default(),
        marks: marks.map(|at| (span.at(at), visit.zone.show(at, mark).trim().to_owned())).collect(),
        now_at: is_in.then(|| (span.at(span.now), visit.zone.show(span.now, "%H:%M"))),
        rows,
        next,
    })
}

fn read(look: &Look<'_>, query: &TimelineQuery, span: &Span) -> Result<Vec<Build>, Problem> {
    let tag = query.tag.as_deref().filter(|tag| !tag.is_empty());
    let mut filter = BuildFilter {
        job_ids: tag.map(|tag| tagged(look, tag)),
        order: Order::Desc,
        limit: BUILDS,
        brief: true,
        ..BuildFilter::default()
    };
    // Without an end, read up to the newest build, even if a clock was put back.
    let to = query.to.as_ref().filter(|to| !to.is_empty()).map(|_| span.to);
    narrow(look.storage, &mut filter, Some(span.from), to)?;
    Ok(look.storage.get_job_builds(&filter)?)
}

fn class_of(build: &Build) -> &'static str {
    match build.status() {
        BuildStatus::Failed => " failed",
        BuildStatus::Skipped => " skipped",
        BuildStatus::Running => " running",
        BuildStatus::Created => " wait",
        BuildStatus::Successful => "",
    }
}

fn row(job: &str, builds: &[&Build], span: &Span, look: &Look<'_>, zone: &Zone, most: usize) -> Row {
    let place = |build: &Build| {
        let start = build.start_time.unwrap_or(build.created);
        let end = build.end_time.unwrap_or(span.now);
        let left = span.at(start);
        (left, (span.at(end) - left).max(0.02))
    };
    let failed = builds.iter().filter(|build| build.status() == BuildStatus::Failed).count();
    let mut bars = Vec::new();
    let mut paths: BTreeMap<&'static str, String> = BTreeMap::new();
    for build in builds {
        let (left, width) = place(build);
        let class = class_of(build);
        if builds.len() > most {
            // A path cannot use percent. Its unit is a thousandth of the row.
            let path = paths.entry(class).or_default();
            let (x, w) = ((left * 10.0).round(), (width * 10.0).max(1.0).round());
            // Builds with the same pixels are drawn once.
            if !path.ends_with(&format!("M{x} 9h{w}v10h-{w}z")) {
                let _ = write!(path, "M{x} 9h{w}v10h-{w}z");
            }
            continue;
        }
        let took =
            build.start_time.zip(build.end_time).map(|(start, end)| format!(", {}", show_took(end.since(start))));
        let title = format!(
            "{} {}{}",
            zone.show(build.created, "%H:%M:%S"),
            Status::of(build.status()).word,
            took.unwrap_or_default()
        );
        bars.push(Bar { id: build.id, title, class, left, width });
    }
    let schedule = look.current.catalog.graph.jobs.get(job).and_then(|checked| checked.job.schedule.as_ref());
    let upcoming = schedule.into_iter().flat_map(|schedule| schedule.upcoming(span.now));
    let planned = upcoming.take_while(|at| at.0 <= span.to.0).take(PLANNED).map(|at| span.at(at));
    let words = format!("{}, {failed} failed", count(builds.len() as u64, "build", "builds"));
    Row { job: job.to_owned(), words, bars, paths: paths.into_iter().collect(), planned: planned.collect() }
}
