//! `logs` and `logs prune`: shows and deletes log records.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::manifest::parse_duration;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::Storage;
use serde::Serialize;

use super::completions;
use super::error;
use super::error::CliError;
use super::moment::parse_moment;
use super::render::Out;
use super::render::text;
use crate::app::App;
use crate::request::build_ref::BuildRef;
use crate::request::interrupted::look_at;
use crate::show::json::RecordJson;

/// How often the store is looked at while following.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// Which records to show.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct LogsArgs {
    #[command(subcommand)]
    command: Option<LogsCommand>,
    /// The build's number, or a job for its latest build (`JOB~1`: the previous one)
    #[arg(required = true, add = ArgValueCandidates::new(completions::jobs))]
    build: Option<BuildRef>,
    /// Keep printing new records until the build ends
    #[arg(long, short)]
    follow: bool,
    /// Only records at or above this level: debug, info, warning, error, critical or a number
    #[arg(long, value_name = "LEVEL", value_parser = Level::parse)]
    min_level: Option<i64>,
    /// Only records from this time on: how long ago (`2h`), a date or time in the local time zone,
    /// or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<Timestamp>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Timestamp>,
}

#[derive(Subcommand, Debug)]
enum LogsCommand {
    /// Delete log records at or below a level and older than an age
    Prune {
        /// Only those of this job
        #[arg(long, add = ArgValueCandidates::new(completions::jobs))]
        job: Option<String>,
        /// Only those of this build
        #[arg(long)]
        build: Option<u64>,
        /// Only those older than this: `30d`, `12h`, or `0` for any age
        #[arg(long, value_name = "DURATION", value_parser = parse_age)]
        max_age: Option<u64>,
        /// Only those at or below this level
        #[arg(long, value_parser = Level::parse)]
        level: Option<i64>,
    },
}

/// Reads an age, and returns it in seconds. `0` means any age.
fn parse_age(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(0) => Ok(0),
        Ok(number) => Err(format!("`{number}` has no unit: write `{number}s` or `{number}d`")),
        Err(_) => parse_duration(text).map(|age| age.as_secs()),
    }
}

#[derive(Serialize)]
struct PrunedJson {
    pruned: u64,
}

pub(super) fn logs(app: &App, out: &Out, args: &LogsArgs) -> Result<u8, CliError> {
    let storage = app.storage(false)?;
    if let Some(LogsCommand::Prune { job, build, max_age, level }) = &args.command {
        if job.is_none() && build.is_none() && max_age.is_none() && level.is_none() {
            let message = "say which records to delete: --job, --build, --max-age or --level";
            return Err(CliError::usage(message.to_owned()));
        }
        let pruned = storage.prune_log_messages(job.as_deref(), *build, *max_age, *level)?;
        if out.is_json() {
            out.json(&PrunedJson { pruned })?;
        } else {
            out.answer(format!("{pruned} records deleted"))?;
        }
        return Ok(error::DONE);
    }
    let Some(wanted) = &args.build else {
        return Err(CliError::usage("which build?".to_owned()));
    };
    let build = wanted.find(&app.settings.workspace, &*storage)?;
    if matches!(wanted, BuildRef::Latest { .. }) && !out.is_json() && !out.quiet {
        out.say(format!("the log of build {build}:"));
    }
    let several = storage.get_build(build)?.attempt > 1;
    let mut filter = LogFilter {
        build_id: Some(build),
        min_level: args.min_level,
        min_date: args.since,
        max_date: args.until,
        ..LogFilter::default()
    };
    if args.follow {
        follow(&*storage, out, build, &mut filter)?;
    } else if out.is_json() {
        let mut records = Vec::new();
        storage.iter_log_messages(&filter, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })?;
        out.json(&records.iter().map(RecordJson::new).collect::<Vec<_>>())?;
    } else {
        print_new(&*storage, out, &mut filter, several)?;
        if filter.after.is_none() {
            out.say("no log records");
        }
    }
    Ok(error::DONE)
}

/// Prints new records until the build has ended and no new ones are left, or until its process is
/// gone.
fn follow(storage: &dyn Storage, out: &Out, build: u64, filter: &mut LogFilter) -> Result<(), CliError> {
    let mut seen = None;
    loop {
        // The version is read first, so that records written before the end are not missed.
        let version = storage.data_version()?;
        if seen != Some(version) {
            seen = Some(version);
            let build = storage.get_build(build)?;
            print_new(storage, out, filter, build.attempt > 1)?;
            if build.finished {
                return Ok(());
            }
        }
        // The death of a process changes nothing in the store, so it is checked each time.
        let record = storage.get_build(build)?;
        if look_at(storage, [&record])?.is_interrupted(&record) {
            print_new(storage, out, filter, false)?;
            out.warn(&format!("build {build} was interrupted: the process that ran it is gone"));
            return Ok(());
        }
        std::thread::sleep(FOLLOW_EVERY);
    }
}

fn print_new(storage: &dyn Storage, out: &Out, filter: &mut LogFilter, several: bool) -> Result<(), CliError> {
    let mut result = Ok(());
    let mut last = filter.after;
    storage.iter_log_messages(filter, &mut |record: LogRecord| {
        last = Some(record.id);
        result = if out.is_json() {
            out.json_line(&RecordJson::new(&record))
        } else {
            out.answer(text::stored(&record, several))
        };
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    filter.after = last;
    result
}
