//! `builds`, `build show` and `build delete`: what the store has.

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::build::still_needs;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;
use serde::Serialize;

use super::SET;
use super::error;
use super::error::CliError;
use super::flag;
use super::render::Out;
use super::render::text;
use super::rerun;
use super::run::no_job;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::execute::hooks::Which;
use crate::show::json::BriefJson;
use crate::show::json::BuildJson;
use crate::show::json::Details;

/// Which builds to list; filters combine.
#[derive(Args, Debug)]
pub(super) struct BuildsArgs {
    /// Only those of this job
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
    /// Oldest first, or newest first
    #[arg(long, value_enum, default_value_t)]
    order: Sorting,
    /// How many at most
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
        /// The build's number
        build: u64,
    },
    /// Do it again: as it was, as its job is now, or with other arguments; or the rest of a run that failed
    Rerun(rerun::RerunArgs),
    /// End it, whichever process runs it; waits until it has ended
    Cancel(super::cancel::CancelArgs),
    /// Delete it, with its progress and log
    Delete {
        /// The builds' numbers
        #[arg(required = true, value_name = "BUILD")]
        builds: Vec<u64>,
        /// Delete it although its `cleanup_function` fails
        #[arg(long)]
        force: bool,
    },
}

const HEADER: &[&str] = &["BUILD", "JOB", "STATUS", "STARTED", "TOOK", "FAILURE"];

/// Builds in a table, with a column of what each did again if any did.
pub(super) fn table(builds: &[Build], now: Timestamp) -> String {
    let reruns = builds.iter().any(|build| build.rerun_of().is_some());
    let mut header = HEADER.to_vec();
    if reruns {
        header.insert(3, "RERUN OF");
    }
    let rows = builds.iter().map(|build| {
        let mut cells = row(build, now);
        if reruns {
            cells.insert(3, build.rerun_of().map(|id| id.to_string()).unwrap_or_default());
        }
        cells
    });
    text::table(&header, rows.collect())
}

/// One row below [`HEADER`].
fn row(build: &Build, now: Timestamp) -> Vec<String> {
    vec![
        build.id.to_string(),
        build.job_id.clone(),
        text::build_status(build.status()),
        build.start_time.map(|t| t.to_string()).unwrap_or_default(),
        text::duration(build, now),
        text::outcome(build),
    ]
}

pub(super) fn list(app: &App, out: &Out, args: &BuildsArgs) -> Result<u8, CliError> {
    let filter = BuildFilter {
        job_id: args.job.clone(),
        started: flag(args.started, args.no_started),
        finished: flag(args.finished, args.no_finished),
        success: flag(args.success, args.no_success),
        skipped: flag(args.skipped, args.no_skipped),
        order: if matches!(args.order, Sorting::Asc) { Order::Asc } else { Order::Desc },
        limit: args.limit,
        brief: true,
        ..BuildFilter::default()
    };
    let builds = app.storage(false)?.get_job_builds(&filter)?;
    if let Some(job) = args.job.as_deref().filter(|_| builds.is_empty()) {
        known_job(app, job)?;
    }
    if out.is_json() {
        out.json(&builds.iter().map(BriefJson::new).collect::<Vec<_>>())?;
    } else if builds.is_empty() {
        out.say("no builds");
    } else {
        let now = app.clock.now();
        out.answer(&table(&builds, now))?;
    }
    Ok(error::DONE)
}

/// Refuses a name that neither a manifest nor the store has: the builds of a job that was removed stay.
fn known_job(app: &App, job: &str) -> Result<(), CliError> {
    let any = BuildFilter { job_id: Some(job.to_owned()), limit: 1, brief: true, ..BuildFilter::default() };
    if !app.storage(false)?.get_job_builds(&any)?.is_empty() {
        return Ok(());
    }
    // Where the manifests cannot be read, nobody knows.
    let Ok(catalog) = Catalog::load(&app.settings.workspace) else {
        return Ok(());
    };
    let known = catalog.graph.dependencies.contains_key(job) || catalog.graph.broken.contains_key(job);
    if known || !catalog.problems.is_empty() { Ok(()) } else { Err(no_job(&catalog, job)) }
}

/// What the build's `repr_function` makes of its return value; one that fails is only a pity.
pub(super) fn repr(app: &App, out: &Out, build: &Build) -> Option<String> {
    match app.hook(build, Which::Repr) {
        Ok(Some(Value::String(text))) => Some(text),
        Ok(_) => None,
        Err(reason) => {
            out.warn(&format!("build {}: its repr_function {reason}", build.id));
            None
        }
    }
}

/// Cleans up and deletes.
fn delete(app: &App, out: &Out, storage: &dyn Storage, id: u64, force: bool) -> Result<(), CliError> {
    match clean_up_and_delete(app, out, storage, id, force)? {
        None => Ok(()),
        Some(reason) => Err(CliError::Failed(format!("{reason}; `--force` deletes it all the same"))),
    }
}

/// Cleans up and deletes, or answers why the build stays.
pub(super) fn clean_up_and_delete(
    app: &App,
    out: &Out,
    storage: &dyn Storage,
    id: u64,
    force: bool,
) -> storage::Result<Option<String>> {
    let build = storage.get_build(id)?;
    if build.has_cleanup() {
        // From here on nothing can be pinned to it, whose data may be gone in a moment.
        storage.write(Write::PrepareDelete(id))?;
        match app.hook(&build, Which::Cleanup) {
            Ok(_) => {}
            Err(reason) if force => out.warn(&format!("build {id}: its cleanup_function {reason}")),
            Err(reason) => {
                storage.write(Write::AbandonDelete(id))?;
                return Ok(Some(format!("build {id} was not deleted: its cleanup_function {reason}")));
            }
        }
    }
    storage.delete_build(id).map(|()| None)
}

/// Refuses to delete what a build that stays and has not finished is pinned to.
fn needed(storage: &dyn Storage, builds: &[u64]) -> Result<(), CliError> {
    let all = BuildFilter { finished: Some(false), limit: u64::MAX, brief: true, ..BuildFilter::default() };
    for user in storage.get_job_builds(&all)?.into_iter().filter(|user| !builds.contains(&user.id)) {
        for id in builds {
            still_needs(&user.config, user.id, *id)
                .map_err(|reason| CliError::Usage(format!("{reason}; nothing was deleted")))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct DeletedJson<'a> {
    deleted: &'a [u64],
}

pub(super) fn build(app: &App, out: &Out, command: &BuildCommand) -> Result<u8, CliError> {
    let storage = app.storage(false)?;
    match command {
        BuildCommand::Show { build } => {
            let record = storage.get_build(*build)?;
            let progress = storage.get_build_progress_info(*build)?;
            let repr = repr(app, out, &record);
            let attempts = record.attempts(storage.get_ended_attempts(*build)?);
            if out.is_json() {
                let details = Details { attempts: &attempts, progress: &progress };
                out.json(&BuildJson::new(&record, Some(details)).with_repr(repr))?;
            } else {
                out.answer(&text::build(&record, repr.as_deref(), &attempts, &progress, app.clock.now()))?;
            }
        }
        BuildCommand::Rerun(args) => return rerun::rerun(app, out, args),
        BuildCommand::Cancel(args) => return super::cancel::cancel(app, out, args),
        BuildCommand::Delete { builds, force } => {
            let mut builds = builds.clone();
            builds.sort_unstable();
            builds.dedup();
            // All are looked at first, so that a mistyped number deletes nothing.
            for id in &builds {
                if storage.get_build(*id)?.status() == BuildStatus::Running {
                    return Err(CliError::Usage(format!("build {id} is running; nothing was deleted")));
                }
            }
            needed(&*storage, &builds)?;
            // Later ones may use earlier ones, never the other way round.
            for id in builds.iter().rev() {
                delete(app, out, &*storage, *id, *force)?;
            }
            if out.is_json() {
                out.json(&DeletedJson { deleted: &builds })?;
            } else {
                let ids = builds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                out.answer(&format!("deleted {ids}"))?;
            }
        }
    }
    Ok(error::DONE)
}
