//! The shapes of lists that come in pages, and of single files.

use serde::Serialize;
use utoipa::ToSchema;

use crate::show::jobs::ListedJson;
use crate::show::json::BriefJson;
use crate::show::json::DiagnosticJson;
use crate::show::json::RecordJson;
use crate::show::plugins::PluginBriefJson;
use crate::show::runs::RunJson;

/// Jobs in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobsJson<'a> {
    pub(crate) jobs: Vec<ListedJson<'a>>,
    /// Given as `after`, the jobs that follow; none where there are none.
    pub(crate) next: Option<&'a str>,
}

/// Builds in the order that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct BuildsJson<'a> {
    pub(crate) builds: Vec<BriefJson<'a>>,
    /// Given as `before` (`after` where the oldest come first), the builds that follow; none where there are none.
    pub(crate) next: Option<u64>,
}

/// Runs, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunsJson<'a> {
    pub(crate) runs: Vec<RunJson<'a>>,
    /// Given as `before`, the runs that follow; none where there are none.
    pub(crate) next: Option<u64>,
}

/// Log records, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogJson<'a> {
    pub(crate) records: Vec<RecordJson<'a>>,
    /// Given as `after`, the records that follow. With `q` there may be none among them.
    pub(crate) next: Option<u64>,
}

/// Plugins in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct PluginsJson<'a> {
    pub(crate) plugins: Vec<PluginBriefJson<'a>>,
    /// Why others cannot be used.
    pub(crate) problems: Vec<&'a str>,
}

/// A manifest.
#[derive(Serialize, ToSchema)]
pub(crate) struct ManifestJson<'a> {
    pub(crate) file: &'a str,
    /// The file as it is now.
    pub(crate) text: &'a str,
    /// Whether the last good version of the file is used in its place.
    pub(crate) last_good: bool,
    /// What is wrong with the file.
    pub(crate) diagnostics: Vec<DiagnosticJson<'a>>,
}

/// Builds of a time, a row a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineJson<'a> {
    #[schema(format = DateTime)]
    pub(crate) from: String,
    #[schema(format = DateTime)]
    pub(crate) to: String,
    pub(crate) jobs: Vec<TimelineRowJson<'a>>,
    /// Whether there are more builds than are shown; the oldest are left out.
    pub(crate) cut: bool,
}

/// The builds of a job, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineRowJson<'a> {
    pub(crate) job_id: &'a str,
    pub(crate) builds: Vec<BriefJson<'a>>,
}
