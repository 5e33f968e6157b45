//! The shapes of lists that come in pages, and of single files.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::reload::Altered;
use jobcontrol_core::reload::Problem;
use jobcontrol_core::reload::Reload;
use serde::Serialize;
use utoipa::ToSchema;

use crate::show::jobs::ListedJson;
use crate::show::json::BriefJson;
use crate::show::json::DiagnosticJson;
use crate::show::json::RecordJson;
use crate::show::plugins::PluginBriefJson;
use crate::show::runs::RunJson;
use crate::show::schema::AlteredJob;
use crate::show::schema::Mistake;

/// Jobs in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobsJson<'a> {
    pub(crate) jobs: Vec<ListedJson<'a>>,
    /// Pass this as `after` to get the jobs that follow; null if there are none.
    pub(crate) next: Option<&'a str>,
}

/// Builds in the order that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct BuildsJson<'a> {
    pub(crate) builds: Vec<BriefJson<'a>>,
    /// Pass this as `before` (as `after` if the oldest come first) to get the builds that follow;
    /// null if there are none.
    pub(crate) next: Option<u64>,
}

/// Runs, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunsJson<'a> {
    pub(crate) runs: Vec<RunJson<'a>>,
    /// Pass this as `before` to get the runs that follow; null if there are none.
    pub(crate) next: Option<u64>,
}

/// Log records, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogJson<'a> {
    pub(crate) records: Vec<RecordJson<'a>>,
    /// Pass this as `after` to get the records that follow. With `q`, there may be none.
    pub(crate) next: Option<u64>,
}

/// Plugins in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct PluginsJson<'a> {
    pub(crate) plugins: Vec<PluginBriefJson<'a>>,
    /// Why other plugins cannot be used.
    pub(crate) problems: Vec<&'a str>,
}

/// A manifest.
#[derive(Serialize, ToSchema)]
pub(crate) struct ManifestJson<'a> {
    pub(crate) file: &'a str,
    /// The file as it is now.
    pub(crate) text: &'a str,
    /// Whether the last good version of the file is used instead.
    pub(crate) last_good: bool,
    /// What is wrong with the file.
    pub(crate) diagnostics: Vec<DiagnosticJson<'a>>,
}

/// The builds of a period, one row for each job.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineJson<'a> {
    #[schema(format = DateTime)]
    pub(crate) from: String,
    #[schema(format = DateTime)]
    pub(crate) to: String,
    pub(crate) jobs: Vec<TimelineRowJson<'a>>,
    /// Whether there are more builds than are shown. The oldest are left out.
    pub(crate) cut: bool,
}

/// The builds of a job, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineRowJson<'a> {
    pub(crate) job_id: &'a str,
    pub(crate) builds: Vec<BriefJson<'a>>,
}

/// Reloads of the files that changed something, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReloadsJson<'a> {
    pub(crate) reloads: Vec<ReloadJson<'a>>,
    /// Pass this as `before` to get the reloads that follow; null if there are none.
    pub(crate) next: Option<u64>,
}

/// A reload of the files, and what it changed. The lists are cut at 1,000 entries.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReloadJson<'a> {
    /// Left out in an event, because only a service that leads records it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Whether the service read the files for the first time.
    first: bool,
    /// Files that changed.
    files: &'a [String],
    /// Jobs that are new.
    added: &'a [String],
    /// Jobs that are gone.
    removed: &'a [String],
    /// Jobs that have changed.
    #[schema(value_type = Vec<AlteredJob>)]
    altered: &'a [Altered],
    /// Files whose last good version stays in use.
    last_good: &'a [String],
    /// How many jobs there are.
    jobs: u64,
    /// How many mistakes there are.
    errors: u64,
    /// The first 100 of them.
    #[schema(value_type = Vec<Mistake>)]
    problems: &'a [Problem],
}

impl<'a> ReloadJson<'a> {
    pub(crate) fn new(id: Option<u64>, created: Timestamp, reload: &'a Reload) -> Self {
        Self {
            id,
            created,
            first: reload.first,
            files: &reload.files,
            added: &reload.added,
            removed: &reload.removed,
            altered: &reload.altered,
            last_good: &reload.last_good,
            jobs: reload.jobs,
            errors: reload.errors,
            problems: &reload.problems,
        }
    }
}

/// The schedules of jobs, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchedulesJson<'a> {
    pub(crate) schedules: Vec<ScheduleJson<'a>>,
}

/// The schedule of a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleJson<'a> {
    pub(crate) job_id: &'a str,
    pub(crate) cron: String,
    pub(crate) timezone: &'a str,
    /// When it is due next; null if it never is.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) next: Option<Timestamp>,
    /// Every due time up to this moment was handled; null if no service has looked at it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) seen_to: Option<Timestamp>,
    /// How its last run ended, was missed or skipped; null if there was none.
    pub(crate) last_status: Option<&'static str>,
    /// The last run.
    pub(crate) last_run: Option<u64>,
    /// Its runs that are not over, oldest first.
    pub(crate) open_runs: Vec<u64>,
}
