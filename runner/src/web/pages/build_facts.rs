//! The facts beside a build: its attempts, the builds it used and the builds that used it, its
//! arguments, times and limits.

use askama::Template;
use jobcontrol_core::build::Build;
use jobcontrol_core::config;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::value::RETVAL_KEY;
use jobcontrol_core::value::Value;

use super::super::problem::Problem;
use super::super::state::Look;
use super::row::asked;
use super::row::line;
use super::row::took;
use super::status::Status;
use super::times::Time;
use super::value::Tree;
use super::visit::Visit;
use crate::request::whole::WholeBuild;

/// Most builds to show that used this one.
const USERS: usize = 20;
/// How many later builds of each job to search for them.
const LOOKED: u64 = 50;

/// The facts beside a build.
#[derive(Template)]
#[template(path = "build_facts.html")]
pub(super) struct Facts {
    attempts: Vec<(u32, Status, String)>,
    uses: Vec<(String, u64)>,
    used_by: Vec<(String, u64, Status)>,
    arguments: Vec<Argument>,
    started: Option<Time>,
    took: String,
    why: String,
    run: Option<u64>,
    worker: String,
    again: Option<u64>,
    function: String,
    plugin: Option<(String, String)>,
    used: Vec<Used>,
    id: u64,
    is_open: bool,
}

/// An argument: a value, or a pinned build of another job.
enum Argument {
    Value(Tree),
    Pinned { name: String, job: String, build: u64 },
}

/// The use of a limited resource, and its limit.
struct Used {
    name: &'static str,
    said: String,
    value: u64,
    most: u64,
}

impl Facts {
    /// Collects the facts of a build.
    pub(super) fn of(look: &Look<'_>, whole: &WholeBuild, visit: &Visit) -> Result<Self, Problem> {
        let (build, moment) = (&whole.build, &whole.moment);
        let attempts = whole.attempts.iter().map(|attempt| {
            let status = match (&attempt.failure, attempt.end_time) {
                (Some(_), _) => Status { class: "failed", word: "failed" },
                (None, Some(_)) => Status { class: "ok", word: "successful" },
                (None, None) => Status { class: "running", word: "running" },
            };
            let end = attempt.end_time.unwrap_or(moment.now);
            (attempt.number, status, show_took(end.since(attempt.start_time)))
        });
        let many = whole.attempts.len() > 1 || build.retry_time.is_some();
        let function = config::function(&build.config);
        let plugin = FunctionRef::parse(function)
            .ok()
            .zip(build.plugin.as_deref())
            .map(|(function, digest)| (line(&function.plugin), digest.get(..8).unwrap_or(digest).to_owned()));
        Ok(Self {
            attempts: if many { attempts.collect() } else { Vec::new() },
            uses: build.pins.iter().map(|pin| (pin.job.clone(), pin.build)).collect(),
            used_by: used_by(look, build)?,
            arguments: arguments(build),
            started: build.start_time.map(|at| visit.zone.clock(at, moment.now)),
            took: took(build, moment),
            why: whole.run.as_ref().map(|run| line(&asked(&run.requester, build.edited))).unwrap_or_default(),
            run: build.run,
            worker: build.worker.as_deref().map(line).unwrap_or_default(),
            again: build.rerun_of,
            function: line(function),
            plugin,
            used: used(build),
            id: build.id,
            is_open: !build.finished,
        })
    }
}

/// Returns the builds of dependents that are pinned to this build, among the builds after it.
fn used_by(look: &Look<'_>, build: &Build) -> Result<Vec<(String, u64, Status)>, Problem> {
    let graph = &look.current.catalog.graph;
    let needs = |(_, needs): &(&String, &Vec<String>)| needs.contains(&build.job_id);
    let mut found = Vec::new();
    for (job, _) in graph.dependencies.iter().filter(needs) {
        let after = BuildFilter { after: Some(build.id), limit: LOOKED, brief: true, ..BuildFilter::job(job) };
        let users = look.storage.get_job_builds(&after)?;
        let pinned = users.iter().filter(|user| user.pins.iter().any(|pin| pin.build == build.id));
        found.extend(pinned.map(|user| (job.clone(), user.id, Status::of(user.status()))));
        if found.len() >= USERS {
            break;
        }
    }
    found.truncate(USERS);
    Ok(found)
}

/// Returns the arguments of the call, with the ones given by hand last.
fn arguments(build: &Build) -> Vec<Argument> {
    let mut all = Vec::new();
    for (_, part) in config::shown_arguments(&build.config) {
        match part {
            Value::Map(entries) => all.extend(entries.iter().map(|(name, value)| argument(build, name, value))),
            Value::List(items) => {
                all.extend(items.iter().enumerate().map(|(at, value)| argument(build, &format!("[{at}]"), value)));
            }
            other => all.push(argument(build, "", other)),
        }
    }
    all
}

fn argument(build: &Build, name: &str, value: &Value) -> Argument {
    let job = match value {
        Value::Map(entries) => match entries.as_slice() {
            [(key, Value::String(job))] if key == RETVAL_KEY => Some(job),
            _ => None,
        },
        _ => None,
    };
    let pin =
        job.and_then(|job| build.pins.iter().find(|pin| *job == pin.job || job.starts_with(&format!("{}.", pin.job))));
    match pin {
        Some(pin) => Argument::Pinned { name: line(name), job: pin.job.clone(), build: pin.build },
        None => Argument::Value(Tree::of(name, value)),
    }
}

/// Returns how much of its limits the build used.
fn used(build: &Build) -> Vec<Used> {
    let Some(usage) = build.usage else { return Vec::new() };
    let mut all = Vec::new();
    let limit = |key| config::limit(&build.config, key);
    if let Some(most) = limit("memory") {
        let said = format!("{} of {}", show_bytes(usage.peak_memory), show_bytes(most));
        all.push(Used { name: "Memory", said, value: usage.peak_memory.min(most), most });
    }
    let requests = usage.traffic.requests;
    if requests > 0 {
        let said = format!(
            "{requests}, {} sent, {} received",
            show_bytes(usage.traffic.sent),
            show_bytes(usage.traffic.received)
        );
        all.push(Used { name: "Requests", said, value: 0, most: 0 });
    }
    all.push(Used { name: "Guest time", said: show_took(usage.guest_time), value: 0, most: 0 });
    all
}
