//! `builds`, `build show` and `build delete`: the builds in the store.

use std::time::Instant;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::build::Build;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Storage;
use serde::Serialize;

use super::completions;
use super::error;
use super::error::CliError;
use super::flags::SET;
use super::flags::flag;
use super::render::Out;
use super::render::Page;
use super::render::build::Whole;
use super::render::build::build as page;
use super::render::text;
use super::render::time::local;
use super::repr::repr;
use super::rerun;
use crate::app::App;
use crate::execute::hooks::Which;
use crate::request::build_ref::BuildRef;
use crate::request::delete::Deleted;
use crate::request::delete::clean_up_and_delete;
use crate::request::delete::deletable;
use crate::request::interrupted::look_at;
use crate::request::targets::known_job;
use crate::request::targets::tagged;
use crate::request::traceback::PATIENCE;
use crate::request::waits::waits_for;
use crate::request::whole::WholeBuild;
use crate::show::json::BriefJson;
use crate::show::moment::Moment;

/// Which builds to list; filters combine.
#[derive(Args, Debug)]
pub(super) struct BuildsArgs {
    /// Only those of this job
    #[arg(add = ArgValueCandidates::new(completions::jobs))]
    job: Option<String>,
    /// Only builds that have started
    #[arg(long, action = SET, overrides_with = "no_started")]
    started: bool,
    /// Only builds that have not started
    #[arg(long, action = SET)]
    no_started: bool,
    /// Only builds that have finished
    #[arg(long, action = SET, overrides_with = "no_finished")]
    finished: bool,
    /// Only builds that have not finished
    #[arg(long, action = SET)]
    no_finished: bool,
    /// Only builds that succeeded, skipped ones included
    #[arg(long, action = SET, overrides_with = "no_success")]
    success: bool,
    /// Only builds that have not succeeded
    #[arg(long, action = SET)]
    no_success: bool,
    /// Only builds that were skipped
    #[arg(long, action = SET, overrides_with = "no_skipped")]
    skipped: bool,
    /// Only builds that were not skipped
    #[arg(long, action = SET)]
    no_skipped: bool,
    /// Only those of jobs with this tag
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(completions::tags))]
    tag: Option<String>,
    /// The order: newest last (`asc`) or newest first (`desc`)
    #[arg(long, value_enum, default_value_t)]
    order: Sorting,
    /// List at most this many: the newest ones
    #[arg(long, default_value_t = 100)]
    limit: u64,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Sorting {
    #[default]
    Asc,
    Desc,
}

/// What to do with one build.
#[derive(Subcommand, Debug)]
pub(super) enum BuildCommand {
    /// Show its status, progress, return value, and failure with traceback
    Show {
        /// The build's number, or a job for its latest build (`JOB~1`: the previous one)
        #[arg(add = ArgValueCandidates::new(completions::jobs))]
        build: BuildRef,
    },
    /// Repeat it as it was, as its job is now, or with other arguments; or repeat the rest of a
    /// failed run
    Rerun(rerun::RerunArgs),
    /// Cancel it, whichever process runs it, and wait until it has ended
    Cancel(super::cancel::CancelArgs),
    /// Delete it, with its progress and log
    Delete {
        /// The builds' numbers
        #[arg(required = true, value_name = "BUILD", value_parser = build_number)]
        builds: Vec<u64>,
        /// Delete it even if its `cleanup_function` fails
        #[arg(long)]
        force: bool,
    },
}

/// Reads the number of a build to delete. Other names of builds are not accepted here.
fn build_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a build number; `jobcontrol builds {text}` lists those of a job"))
}

const HEADER: &[&str] = &["BUILD", "JOB", "STATUS", "STARTED", "TOOK", "FAILURE"];

/// Shows builds in a table. If any is a rerun, a column shows which build each one repeats.
pub(super) fn table(builds: &[Build], moment: &Moment) -> Page {
    let reruns = builds.iter().any(|build| build.rerun_of.is_some());
    let mut header = HEADER.to_vec();
    if reruns {
        header.insert(3, "RERUN OF");
    }
    let rows = builds.iter().map(|build| {
        let mut cells = row(build, moment);
        if reruns {
            cells.insert(3, build.rerun_of.map(|id| id.to_string()).unwrap_or_default());
        }
        cells
    });
    text::table(&header, rows.collect())
}

/// Returns one row below [`HEADER`].
fn row(build: &Build, moment: &Moment) -> Vec<String> {
    vec![
        build.id.to_string(),
        build.job_id.clone(),
        text::status_of(build, moment),
        build.start_time.map(local).unwrap_or_default(),
        text::took(build, moment),
        text::outcome(build, moment),
    ]
}

pub(super) fn list(app: &App, out: &Out, args: &BuildsArgs) -> Result<u8, CliError> {
    let workspace = &app.settings.workspace;
    let filter = BuildFilter {
        job_id: args.job.as_deref().map(|job| job.strip_prefix("job:").unwrap_or(job).to_owned()),
        job_ids: args
            .tag
            .as_deref()
            .map(|tag| tagged(workspace, tag))
            .transpose()?
            .map(|jobs| jobs.into_iter().collect()),
        started: flag(args.started, args.no_started),
        finished: flag(args.finished, args.no_finished),
        success: flag(args.success, args.no_success),
        skipped: flag(args.skipped, args.no_skipped),
        order: Order::Desc,
        limit: args.limit,
        brief: true,
        ..BuildFilter::default()
    };
    let storage = app.storage(false)?;
    let mut builds = storage.get_job_builds(&filter)?;
    if matches!(args.order, Sorting::Asc) {
        builds.reverse();
    }
    let waits = waits_for(&*storage, &builds, &workspace.context.pools)?;
    let moment = look_at(&*storage, &builds)?.with_waits(waits);
    if let Some(job) = filter.job_id.as_deref().filter(|_| builds.is_empty()) {
        known_job(workspace, &*storage, job)?;
    }
    if out.is_json() {
        out.json(&builds.iter().map(|build| BriefJson::new(build, &moment)).collect::<Vec<_>>())?;
        return Ok(error::DONE);
    }
    if builds.is_empty() {
        out.say("no builds");
    } else {
        out.answer(table(&builds, &moment))?;
    }
    // Builds are counted only if there can be more, because counting takes longer than listing.
    if builds.len() as u64 == args.limit && !out.quiet {
        let all = storage.count_job_builds(&filter)?;
        if all > args.limit {
            out.say(format!("the newest {} of {all} builds; `--limit {all}` shows all", args.limit));
        }
    }
    Ok(error::DONE)
}

/// Ends the build if its process is dead, cleans it up and deletes it.
fn delete(app: &App, out: &Out, storage: &dyn Storage, id: u64, force: bool) -> Result<(), CliError> {
    match clean_up_and_delete(storage, id, force, &|build| app.hook(build, Which::Cleanup))? {
        Deleted::Gone => Ok(()),
        Deleted::Forced(reason) => {
            out.warn(&format!("build {id}: its cleanup_function {reason}"));
            Ok(())
        }
        Deleted::Stays(reason) => {
            let message = format!("build {id} was not deleted: its cleanup_function {reason}");
            Err(CliError::failed(format!("{message}; `--force` deletes it anyway")))
        }
    }
}

fn show(app: &App, out: &Out, storage: &dyn Storage, id: u64) -> Result<(), CliError> {
    let pools = &app.settings.workspace.context.pools;
    let whole = WholeBuild::read(app.plugins(), storage, pools, id, Instant::now() + PATIENCE)?;
    let repr = repr(app, out, &whole.build);
    if out.is_json() {
        return out.json(&whole.shape().with_repr(repr));
    }
    let shown = Whole {
        build: &whole.build,
        repr: repr.as_deref(),
        attempts: &whole.attempts,
        progress: &whole.progress,
        run: whole.run.as_ref(),
        aftermath: whole.aftermath.as_ref(),
        full: out.full || !out.is_for_people(),
    };
    out.answer(page(&shown, &whole.moment))
}

#[derive(Serialize)]
struct DeletedJson<'a> {
    deleted: &'a [u64],
}

pub(super) fn build(app: &App, out: &Out, command: &BuildCommand) -> Result<u8, CliError> {
    let storage = app.storage(false)?;
    match command {
        BuildCommand::Show { build } => {
            let id = build.find(&app.settings.workspace, &*storage)?;
            show(app, out, &*storage, id)?;
        }
        BuildCommand::Rerun(args) => return rerun::rerun(app, out, args),
        BuildCommand::Cancel(args) => return super::cancel::cancel(app, out, args),
        BuildCommand::Delete { builds, force } => {
            let mut builds = builds.clone();
            builds.sort_unstable();
            builds.dedup();
            deletable(&*storage, &builds)?;
            // Later builds may use earlier ones, never the other way round.
            for id in builds.iter().rev() {
                delete(app, out, &*storage, *id, *force)?;
            }
            if out.is_json() {
                out.json(&DeletedJson { deleted: &builds })?;
            } else {
                let ids = builds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                out.answer(format!("deleted {ids}"))?;
            }
        }
    }
    Ok(error::DONE)
}
