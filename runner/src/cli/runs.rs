//! `runs`, and `runs show`, `cancel` and `rerun`: what was requested, and the outcome.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use clap::Subcommand;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::run::JobBecame;
use jobcontrol_core::run::Missed;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunCounts;
use jobcontrol_core::run::RunJob;
use jobcontrol_core::run::RunState;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::Storage;
use serde::Serialize;

use super::carry_out::arm;
use super::carry_out::carry_out;
use super::completions;
use super::error;
use super::error::CliError;
use super::person::by;
use super::render::BOLD;
use super::render::DIM;
use super::render::GREEN;
use super::render::Out;
use super::render::Page;
use super::render::RED;
use super::render::YELLOW;
use super::render::styled;
use super::render::text;
use super::render::time::local;
use crate::app::App;
use crate::request::cancel::cancel_run;
use crate::request::cancel::is_worked_on;
use crate::request::cancel::wait_for_run;
use crate::request::interrupted::look_at;
use crate::request::rerun;
use crate::request::targets::tagged;
use crate::show::escape::one_line;
use crate::show::moment::Moment;
use crate::show::runs::RunJson;
use crate::show::runs::state_name;

fn run_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a run number; `jobcontrol runs` lists them"))
}

/// The number of runs to read at once.
const PAGE: u64 = 1_000;

/// Which runs to list, or what to do with one.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// List at most this many: the newest ones
    #[arg(long, default_value_t = 100)]
    limit: u64,
    /// Only runs of a job with this tag
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(completions::tags))]
    tag: Option<String>,
}

#[derive(Subcommand, Debug)]
enum RunsCommand {
    /// Show the outcome of each job of a run
    Show {
        /// The run's number
        #[arg(value_parser = run_number)]
        run: u64,
    },
    /// Cancel a run with all its builds, whichever process runs it, and wait until it has ended
    Cancel {
        /// The run's number
        #[arg(value_parser = run_number)]
        run: u64,
        /// Do not wait until the process that runs it has ended it
        #[arg(long)]
        no_wait: bool,
    },
    /// Repeat a run with the jobs as they are now
    Rerun {
        /// The run's number
        #[arg(value_parser = run_number)]
        run: u64,
        /// Repeat only what failed or was not built; successful builds of that run are used as they
        /// are
        #[arg(long)]
        from_failed: bool,
        /// Run protected jobs without asking
        #[arg(long)]
        yes_protected: bool,
    },
}

pub(super) fn runs(app: &App, out: &Out, args: &RunsArgs) -> Result<u8, CliError> {
    match &args.command {
        None => list(app, out, args),
        Some(RunsCommand::Show { run }) => show(app, out, *run),
        Some(RunsCommand::Cancel { run, no_wait }) => cancel(app, out, *run, *no_wait),
        Some(RunsCommand::Rerun { run, from_failed, yes_protected }) => {
            // A store that does not exist has nothing to repeat, so none is created.
            let storage = app.storage(app.store.is_there())?;
            let (run, workspace) = (storage.get_run(*run)?, &app.settings.workspace);
            let ready = if *from_failed {
                rerun::from_failed(workspace, &*storage, &run)?
            } else {
                rerun::whole(workspace, &app.store, &run)?
            };
            arm(out, &ready, *yes_protected)?;
            let shown = ready.plan.order.clone();
            carry_out(app, out, ready, &shown)
        }
    }
}

/// Returns the newest runs that have one of the tagged jobs as a target, newest first.
fn newest(storage: &dyn Storage, limit: u64, tagged: Option<&BTreeSet<String>>) -> Result<Vec<Run>, CliError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut runs, mut before) = (Vec::new(), None);
    while runs.len() < limit {
        let page =
            storage.get_runs(&RunFilter { before, limit: Some(PAGE.min(limit as u64)), ..RunFilter::default() })?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        let wanted = |run: &Run| tagged.is_none_or(|jobs| run.request.targets.iter().any(|job| jobs.contains(job)));
        runs.extend(page.into_iter().filter(wanted));
    }
    runs.truncate(limit);
    Ok(runs)
}

fn list(app: &App, out: &Out, args: &RunsArgs) -> Result<u8, CliError> {
    let tagged = args.tag.as_deref().map(|tag| tagged(&app.settings.workspace, tag)).transpose()?;
    let storage = app.storage(false)?;
    let mut runs = newest(&*storage, args.limit, tagged.as_ref())?;
    // As in the list of builds, the newest comes last, where a person looks first.
    runs.reverse();
    let ids: Vec<u64> = runs.iter().map(|run| run.id).collect();
    let counts = storage.get_run_counts(&ids)?;
    let mut states = Vec::new();
    for run in &runs {
        states.push(run.state(is_worked_on(&*storage, run)?));
    }
    let all = runs.iter().zip(states).zip(counts).map(|((run, state), counts)| (run, state, counts));
    if out.is_json() {
        out.json(&all.map(|(run, state, counts)| RunJson::new(run, state, counts)).collect::<Vec<_>>())?;
    } else if runs.is_empty() {
        out.say("no runs");
    } else {
        let now = app.clock.now();
        let rows = all.map(|(run, state, counts)| {
            vec![
                run.id.to_string(),
                targets(run),
                shown_state(state),
                built(run, state, counts),
                one_line(&text::requester(&run.requester)),
                local(run.created),
                took(run, state, now),
            ]
        });
        let header = ["RUN", "TARGETS", "STATUS", "BUILDS", "REQUESTED BY", "CREATED", "TOOK"];
        out.answer(text::table(&header, rows.collect()))?;
    }
    Ok(error::DONE)
}

/// The number of targets to name; the others are only counted.
const NAMED: usize = 3;

fn targets(run: &Run) -> String {
    let named: Vec<_> = run.request.targets.iter().take(NAMED).map(|id| one_line(id)).collect();
    match run.request.targets.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn shown_state(state: RunState) -> String {
    let style = match state {
        RunState::Waiting | RunState::Running | RunState::Ended(RunStatus::Interrupted) => YELLOW,
        RunState::Ended(RunStatus::Skipped | RunStatus::Missed) => DIM,
        RunState::Ended(RunStatus::Successful) => GREEN,
        RunState::Ended(RunStatus::Failed | RunStatus::Cancelled) => RED,
    };
    styled(style, state_name(state))
}

/// Shows how far the builds of a run are: `3 of 5, 1 failed`.
fn built(run: &Run, state: RunState, counts: RunCounts) -> String {
    if let Some(missed) = &run.missed {
        return format!("{} due", missed.count);
    }
    let done = counts.successful + counts.skipped + run.shared.len() as u64;
    let mut text = match &run.plan {
        Some(plan) => format!("{done} of {}", plan.order.len()),
        None => done.to_string(),
    };
    let (running, waiting) = match state {
        RunState::Running | RunState::Waiting => ("running", "waiting"),
        RunState::Ended(_) => ("unfinished", "not started"),
    };
    let others = [(counts.failed, "failed"), (counts.running, running), (counts.created, waiting)];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, ", {count} {what}");
    }
    text
}

fn took(run: &Run, state: RunState, now: Timestamp) -> String {
    match (run.end_time, state) {
        _ if run.missed.is_some() => String::new(),
        (Some(end), _) => show_took(end.since(run.created)),
        (None, RunState::Running) => show_took(now.since(run.created)),
        (None, RunState::Waiting | RunState::Ended(_)) => String::new(),
    }
}

fn show(app: &App, out: &Out, id: u64) -> Result<u8, CliError> {
    let storage = app.storage(false)?;
    let run = storage.get_run(id)?;
    let of_run = BuildFilter { run: Some(id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
    let builds = storage.get_job_builds(&of_run)?;
    let moment = look_at(&*storage, &builds)?;
    let state = run.state(is_worked_on(&*storage, &run)?);
    let jobs = run.jobs(&builds, state);
    if out.is_json() {
        let counts = storage.get_run_counts(&[id])?.into_iter().next().unwrap_or_default();
        out.json(&RunJson::new(&run, state, counts).with_jobs(&jobs, &moment))?;
        return Ok(error::DONE);
    }
    let mut page = Page::default();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            page.line(format!("{} {value}", styled(BOLD, format_args!("{name:<12}"))));
        }
    };
    row("run", &id.to_string());
    row("targets", &run.request.targets.join(", "));
    let asked = [("--deps", run.request.deps), ("--force", run.request.force), ("--revdeps", run.request.revdeps)];
    row("with", &asked.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
    row("rest of", &run.request.rest_of.map(|run| format!("run {run}")).unwrap_or_default());
    row("status", &shown_state(state));
    row("held", if run.held { "until somebody starts it" } else { "" });
    if let Some(Missed { reason, first, last, count, .. }) = &run.missed {
        row("reason", &one_line(reason));
        row(
            "due",
            &if count == &1 { local(*first) } else { format!("{count} times, {} to {}", local(*first), local(*last)) },
        );
    }
    row("requested by", &one_line(&text::requester(&run.requester)));
    row("cancel", &run.cancel.as_ref().map(|by| format!("requested by {}", one_line(by))).unwrap_or_default());
    row("created", &local(run.created));
    row("ended", &run.end_time.map(local).unwrap_or_default());
    row("took", &took(&run, state, moment.now));
    let full = pools(&*storage, &jobs)?;
    let rows: Vec<_> = jobs.iter().map(|job| job_row(job, &moment, &full)).collect();
    page.gap();
    page.append(&text::table(&["JOB", "BUILD", "STATUS", "TOOK", ""], rows));
    out.answer(page)?;
    Ok(error::DONE)
}

/// Returns the running builds that hold slots, for each pool that a build of the run waits for.
fn pools<'a>(storage: &dyn Storage, jobs: &[RunJob<'a>]) -> Result<BTreeMap<&'a str, Vec<u64>>, CliError> {
    let waits = |build: &&Build| build.status() == BuildStatus::Created;
    let waiting = jobs.iter().filter_map(|job| match job.became {
        JobBecame::Built(build) => Some(build).filter(waits)?.pool.as_ref(),
        _ => None,
    });
    let names: BTreeSet<&str> = waiting.map(|pool| pool.name.as_str()).collect();
    let mut holders: BTreeMap<&str, Vec<u64>> = names.into_iter().map(|name| (name, Vec::new())).collect();
    if !holders.is_empty() {
        for build in storage.get_running_builds()?.into_iter().filter(|build| build.retry_time.is_none()) {
            if let Some(builds) = build.pool.as_ref().and_then(|pool| holders.get_mut(pool.name.as_str())) {
                builds.push(build.id);
            }
        }
    }
    Ok(holders)
}

fn job_row(job: &RunJob<'_>, moment: &Moment, full: &BTreeMap<&str, Vec<u64>>) -> Vec<String> {
    let id = one_line(job.id);
    match &job.became {
        JobBecame::Built(build) => {
            let waits = match (build.status(), &build.pool) {
                _ if moment.is_interrupted(build) => text::outcome(build, moment),
                (BuildStatus::Created, Some(pool)) => {
                    let holders = full.get(pool.name.as_str()).into_iter().flatten();
                    let holders = holders.map(u64::to_string).collect::<Vec<_>>().join(", ");
                    format!("waits for pool {}, used by builds {holders}", pool.name)
                }
                (BuildStatus::Created, None) => "waits for a slot".to_owned(),
                _ => text::outcome(build, moment),
            };
            vec![id, build.id.to_string(), text::status_of(build, moment), text::took(build, moment), waits]
        }
        JobBecame::Shared(build) => {
            vec![
                id,
                build.to_string(),
                "shared".to_owned(),
                String::new(),
                "another run made it at the same time".to_owned(),
            ]
        }
        JobBecame::Waits(needs) if needs.is_empty() => {
            vec![id, String::new(), "waiting".to_owned(), String::new(), "waits for its turn".to_owned()]
        }
        JobBecame::Waits(needs) => {
            let needs = needs.iter().map(|need| format!("`{}`", one_line(need))).collect::<Vec<_>>().join(", ");
            vec![id, String::new(), "waiting".to_owned(), String::new(), format!("waits for {needs}")]
        }
        JobBecame::NotBuilt(reason) => {
            vec![id, String::new(), styled(RED, "not built"), String::new(), one_line(reason)]
        }
    }
}

#[derive(Serialize)]
struct CancelledJson {
    run: u64,
    status: &'static str,
}

fn cancel(app: &App, out: &Out, id: u64, no_wait: bool) -> Result<u8, CliError> {
    let storage = app.storage(false)?;
    let by = by();
    cancel_run(&*storage, id, &by)?;
    let run = storage.get_run(id)?;
    let status = match run.status {
        Some(status) => Some(status),
        None if no_wait => None,
        None => Some(wait_for_run(&*storage, id, &by)?),
    };
    if out.is_json() {
        out.json(&CancelledJson { run: id, status: status.map_or("RUNNING", RunStatus::name) })?;
    } else {
        out.answer(match status {
            Some(RunStatus::Cancelled) => format!("run {id} was cancelled"),
            Some(status) => format!("run {id} ended before it could be cancelled, {status}"),
            None => format!("the process that runs run {id} was asked to end it"),
        })?;
    }
    Ok(if matches!(status, None | Some(RunStatus::Cancelled)) { error::DONE } else { error::FAILED })
}
