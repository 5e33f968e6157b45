//! The list of all jobs. The ones that need attention come first.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::Mark;
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
use super::row::Tag;
use super::row::failure;
use super::row::line;
use super::row::names;
use super::row::took;
use super::status::Status;
use super::strip;
use super::strip::Strip;
use super::times::Time;
use super::times::Zone;
use super::times::ago;
use super::times::count;
use super::visit::Visit;
use crate::request::listing::JobFilter;
use crate::request::listing::Listing;

/// Jobs on one page. With their strips they take about 3,500 elements.
const SHOWN: usize = 100;
/// Most mistakes to show on the page.
const PROBLEMS: usize = 5;

/// The jobs to list.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobsQuery {
    q: Option<String>,
    status: Option<String>,
    tag: Option<String>,
    /// The job after which the list continues.
    after: Option<String>,
}

impl JobsQuery {
    /// Returns the query parameters. The first two stay when another status is chosen.
    fn own(&self) -> [(&'static str, Option<&str>); 4] {
        let (status, after) = (self.status.as_deref(), self.after.as_deref());
        [("q", self.q.as_deref()), ("tag", self.tag.as_deref()), ("status", status), ("after", after)]
    }
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Page {
    frame: Frame,
    list: List,
    sub: String,
    query: String,
    /// Each status: its name in the address, its sign, and how many jobs have it.
    statuses: Vec<(&'static str, Status, usize)>,
    status: String,
    all: usize,
    tags: Vec<(Tag, usize)>,
    tag: String,
    /// Query parameters of the links that choose a status.
    kept: String,
    is_empty: bool,
}

/// The jobs, and the mistakes in their files.
#[derive(Template)]
#[template(path = "jobs_list.html")]
struct List {
    groups: Vec<Group>,
    mistakes: String,
    problems: Vec<String>,
    last_good: String,
    /// The address of the next page.
    next: Option<String>,
    filter: String,
}

/// Jobs in the same group.
struct Group {
    name: &'static str,
    rows: Vec<Row>,
}

/// A job. Each cell holds its HTML.
struct Row {
    id: String,
    protected: bool,
    status: String,
    why: String,
    strip: String,
    last: String,
    next: String,
    tags: Vec<Tag>,
    may_run: bool,
}

#[derive(Template)]
#[template(path = "job_last.html")]
struct Last {
    last: Option<(u64, Time, String)>,
}

#[derive(Template)]
#[template(path = "job_next.html")]
struct Next {
    next: Option<Time>,
    rule: String,
}

#[derive(Template)]
#[template(path = "job_why.html")]
struct Why {
    text: String,
    is_bad: bool,
}

/// The groups, from the most to the least important.
const GROUPS: [&str; 4] = ["Needs attention", "Running and waiting", "Up to date", "Not built"];

/// The statuses to choose from, by their names in the address.
const STATUSES: [&str; 5] = ["failed", "outdated", "running", "success", "not_built"];

pub(super) async fn page(State(web): State<Web>, Query(query): Query<JobsQuery>, visit: Visit) -> Answer {
    web.look(move |look| ok(&page_of(look, &query, &visit)?)).await
}

fn page_of(look: &Look<'_>, query: &JobsQuery, visit: &Visit) -> Result<Page, Problem> {
    let (reload, catalog) = (look.current, &look.current.catalog);
    let listing = Listing::read(catalog, look.storage)?;
    let list = List::of(look, &listing, query, visit)?;
    let mut tags: BTreeMap<&str, usize> = BTreeMap::new();
    let jobs = catalog.graph.jobs.values();
    jobs.flat_map(|checked| &checked.job.tags).for_each(|tag| *tags.entry(tag).or_default() += 1);
    let ids = listing.ids();
    let counted = |name: &'static str| {
        let sign = if name == "running" { Status::of(BuildStatus::Running) } else { Status::named(name) };
        (name, sign, ids.iter().filter(|id| stands_as(&listing, id) == name).count())
    };
    let all = ids.len();
    let next = next_run(look);
    let manifests = count(reload.manifests.len() as u64, "manifest", "manifests");
    Ok(Page {
        frame: Frame::new(look, "jobs", visit).fed(list.parts().feed("jobs", &query.own())),
        sub: format!("{} in {manifests}{next}", count(all as u64, "job", "jobs")),
        is_empty: all == 0 && list.mistakes.is_empty(),
        list,
        query: query.q.clone().unwrap_or_default(),
        statuses: STATUSES.into_iter().map(counted).collect(),
        status: query.status.clone().unwrap_or_default(),
        all,
        tags: tags.into_iter().map(|(tag, count)| (Tag::of(tag), count)).collect(),
        tag: query.tag.clone().unwrap_or_default(),
        kept: given(&query.own()[..2]),
    })
}

/// Describes which job is due first.
fn next_run(look: &Look<'_>) -> String {
    let now = look.storage.clock().now();
    let jobs = look.current.catalog.graph.jobs.values();
    let due = jobs.filter_map(|checked| Some((checked.job.schedule.as_ref()?.next_after(now)?, &checked.job.id)));
    due.min().map(|(at, id)| format!(" · next run {}: {id}", ago(at, now))).unwrap_or_default()
}

/// Returns the status of a job, by its name in the address.
fn stands_as(listing: &Listing<'_>, id: &str) -> &'static str {
    if listing.open(id).is_some() {
        return "running";
    }
    match listing.status_name(id) {
        "failing" | "broken" => "failed",
        name => name,
    }
}

/// Returns the index of a job's group.
fn group_of(listing: &Listing<'_>, id: &str) -> usize {
    match stands_as(listing, id) {
        "running" => 1,
        "failed" | "outdated" => 0,
        "success" => 2,
        _ => 3,
    }
}

impl List {
    fn of(look: &Look<'_>, listing: &Listing<'_>, query: &JobsQuery, visit: &Visit) -> Result<Self, Problem> {
        let reload = look.current;
        let filter = JobFilter {
            text: query.q.clone().filter(|text| !text.trim().is_empty()),
            tag: query.tag.clone().filter(|tag| !tag.is_empty()),
            ..JobFilter::default()
        };
        let chosen = query.status.as_deref().filter(|status| !status.is_empty());
        let mut ids = listing.matching(&filter);
        ids.retain(|id| chosen.is_none_or(|status| stands_as(listing, id) == status));
        // By group, then by name.
        ids.sort_by_key(|id| group_of(listing, id));
        let first =
            query.after.as_deref().and_then(|after| ids.iter().position(|id| *id == after)).map_or(0, |at| at + 1);
        let shown = &ids[first..ids.len().min(first + SHOWN)];
        let marks = look.storage.get_marks(shown, strip::SMALL)?;
        let mut groups = GROUPS.map(|name| Group { name, rows: Vec::new() });
        for (id, marks) in shown.iter().zip(marks) {
            groups[group_of(listing, id)].rows.push(Row::of(listing, id, &marks, visit));
        }
        let more = ids.len() > first + SHOWN;
        let next = shown.last().filter(|_| more).map(|last| {
            let [q, tag, status, _] = query.own();
            format!("/?{}", given(&[q, tag, status, ("after", Some(*last))]))
        });
        let problem = |problem: &Diagnostic| {
            let place = problem.path().map(|path| format!("{path}: ")).unwrap_or_default();
            line(&format!("{place}{}", problem.message))
        };
        let mistakes = reload.problems.len() as u64;
        let filter = [query.q.as_deref(), chosen, query.tag.as_deref()];
        Ok(Self {
            groups: groups.into_iter().filter(|group| !group.rows.is_empty()).collect(),
            mistakes: if mistakes == 0 { String::new() } else { count(mistakes, "mistake", "mistakes") },
            problems: reload.problems.iter().take(PROBLEMS).map(problem).collect(),
            last_good: names(&reload.last_good),
            next,
            filter: filter.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Returns which rows stand where, and each cell that may change by itself.
    fn parts(&self) -> Parts {
        let mut parts = Parts::whole("jobs", rendered(self));
        for group in &self.groups {
            parts.shape.push_str(group.name);
            for row in &group.rows {
                parts.shape.push_str(&format!("\n{}", row.id));
                let cells = [
                    ("status", &row.status),
                    ("why", &row.why),
                    ("strip", &row.strip),
                    ("last", &row.last),
                    ("next", &row.next),
                ];
                parts.cells.extend(cells.map(|(name, html)| (format!("{name}:{}", row.id), html.clone())));
            }
        }
        parts.shape.push_str(&format!("\n{}{:?}{}", self.mistakes, self.problems, self.last_good));
        parts
    }
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, query: &JobsQuery, visit: &Visit) -> Result<Parts, Problem> {
    let listing = Listing::read(&look.current.catalog, look.storage)?;
    Ok(List::of(look, &listing, query, visit)?.parts())
}

impl Row {
    fn of(listing: &Listing<'_>, id: &str, marks: &[Mark], visit: &Visit) -> Self {
        let (job, newest) = (listing.job(id).map(|checked| &checked.job), listing.newest(id));
        let (zone, now) = (&visit.zone, listing.moment.now);
        let last = newest.map(|build| {
            let at = build.start_time.unwrap_or(build.created);
            (build.id, zone.ago(at, now), took(build, &listing.moment))
        });
        let schedule = job.and_then(|job| job.schedule.as_ref());
        let next = schedule.and_then(|schedule| schedule.next_after(now));
        Self {
            id: id.to_owned(),
            protected: job.is_some_and(|job| job.protected),
            status: rendered(&Status::of_listed(listing, id)),
            why: rendered(&why(listing, id)),
            strip: if marks.is_empty() { NO_BUILDS.to_owned() } else { rendered(&Strip::of(marks)) },
            last: rendered(&Last { last }),
            next: rendered(&Next {
                next: next.map(|at| soon(zone, at, now)),
                rule: schedule.map(|schedule| line(&schedule.cron.to_string())).unwrap_or_default(),
            }),
            tags: job.map(|job| Tag::all(&job.tags)).unwrap_or_default(),
            may_run: job.is_some() && visit.may_run(id),
        }
    }
}

const NO_BUILDS: &str = "<span class=\"muted small\">no builds yet</span>";

/// Formats a future moment: how soon it is, or its date if it is more than a day away.
pub(super) fn soon(zone: &Zone, at: Timestamp, now: Timestamp) -> Time {
    const DAY: u64 = 86_400_000_000;
    if at.since(now) < DAY { zone.ago(at, now) } else { zone.time(at, zone.show(at, "%e %b %H:%M").trim().to_owned()) }
}

/// Returns why a job needs attention, or else its title.
fn why(listing: &Listing<'_>, id: &str) -> Why {
    let name = listing.status_name(id);
    let newest = listing.newest(id);
    let told = match name {
        "broken" => Some("its manifest has mistakes".to_owned()),
        "failed" | "failing" => newest.and_then(failure),
        "outdated" => listing.status(id).and_then(|status| status.outdated_because().first()).cloned(),
        _ => None,
    };
    let title = || listing.job(id).and_then(|checked| checked.job.title.clone());
    let is_bad = told.is_some() && matches!(name, "failed" | "failing" | "broken");
    Why { text: line(&told.or_else(title).unwrap_or_default()), is_bad }
}
