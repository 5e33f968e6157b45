//! `next`: when schedules are due next.

use clap::Args;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::schedule::Schedule;
use serde::Serialize;

use super::completions;
use super::error;
use super::error::CliError;
use super::render::Out;
use super::render::text;
use super::render::time::local;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::request::refusal::Refusal;
use crate::request::targets::sound;

/// Which schedule to show, and how far ahead.
#[derive(Args, Debug)]
pub(super) struct NextArgs {
    /// The job's id; without one, each job with a schedule is listed with its next time
    #[arg(add = ArgValueCandidates::new(completions::jobs))]
    job: Option<String>,
    /// How many times to list
    #[arg(long, value_name = "N", default_value_t = 5, requires = "job", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
}

/// When a job is due.
#[derive(Serialize)]
struct NextJson<'a> {
    job_id: &'a str,
    cron: String,
    timezone: &'a str,
    /// When runs are due.
    due: Vec<Timestamp>,
    /// When they begin, which is later than `due` if the schedule has a jitter.
    start: Vec<Timestamp>,
}

pub(super) fn next(app: &App, out: &Out, args: &NextArgs) -> Result<u8, CliError> {
    let now = app.clock.now();
    let Some(id) = &args.job else {
        return all(app, out, now);
    };
    let catalog = Catalog::load_for(&app.settings.workspace, &[id]).map_err(Refusal::usage)?;
    sound(&catalog, &[id])?;
    let Some(schedule) = &catalog.graph.jobs[id].job.schedule else {
        return Err(Refusal::usage(format!("`{id}` has no schedule"))
            .hint("`schedule: { cron: \"0 6 * * *\", timezone: Europe/Rome }` in its manifest gives it one")
            .into());
    };
    let due: Vec<Timestamp> = schedule.upcoming(now).take(args.count as usize).collect();
    if out.is_json() {
        out.json(&json(id, schedule, due))?;
        return Ok(error::DONE);
    }
    if due.is_empty() {
        out.say(format!("the schedule of `{id}` is never due again"));
        return Ok(error::DONE);
    }
    let rows = due.iter().map(|due| vec![schedule.timezone.show(*due), local(*due), start(schedule, id, *due)]);
    let zone = schedule.timezone.name().to_uppercase();
    out.answer(text::table(&[&zone, "HERE", "STARTS"], rows.collect()))?;
    Ok(error::DONE)
}

fn json<'a>(id: &'a str, schedule: &'a Schedule, due: Vec<Timestamp>) -> NextJson<'a> {
    let start = due.iter().map(|due| schedule.start_of(id, *due)).collect();
    NextJson { job_id: id, cron: schedule.cron.to_string(), timezone: schedule.timezone.name(), due, start }
}

/// Shows when a run begins, if that is later than it is due.
fn start(schedule: &Schedule, job: &str, due: Timestamp) -> String {
    let start = schedule.start_of(job, due);
    if start == due { String::new() } else { local(start) }
}

fn all(app: &App, out: &Out, now: Timestamp) -> Result<u8, CliError> {
    let catalog = Catalog::load(&app.settings.workspace).map_err(Refusal::usage)?;
    let scheduled = catalog.graph.jobs.iter();
    let scheduled = scheduled.filter_map(|(id, checked)| Some((id.as_str(), checked.job.schedule.as_ref()?)));
    let mut next: Vec<_> = scheduled.map(|(id, schedule)| (schedule.next_after(now), id, schedule)).collect();
    // Schedules that are never due again come last.
    next.sort_by_key(|(due, id, _)| (due.is_none(), *due, *id));
    if out.is_json() {
        let shapes = next.iter().map(|(due, id, schedule)| json(id, schedule, due.iter().copied().collect()));
        out.json(&shapes.collect::<Vec<_>>())?;
    } else if next.is_empty() {
        out.say("no job has a schedule");
    } else {
        let rows = next.iter().map(|(due, id, schedule)| {
            let rule = format!("{} {}", schedule.cron, schedule.timezone.name());
            vec![(*id).to_owned(), due.map_or_else(|| "never".to_owned(), local), rule]
        });
        out.answer(text::table(&["JOB", "NEXT", "SCHEDULE"], rows.collect()))?;
    }
    Ok(error::DONE)
}
