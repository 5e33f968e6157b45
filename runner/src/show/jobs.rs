//! The shapes of jobs and of their graph.

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;
use serde::Serialize;
use utoipa::ToSchema;

use crate::show::json::BriefJson;
use crate::show::json::DiagnosticJson;
use crate::show::moment::Moment;

/// A job.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobJson<'a> {
    id: &'a str,
    title: Option<&'a str>,
    notes: Option<&'a str>,
    tags: &'a [String],
    file: &'a str,
    function: String,
    signature: String,
    /// What the plugin says about the function.
    docs: Option<&'a str>,
    plugin: &'a str,
    protected: bool,
    dependencies: &'a [String],
    dependents: Vec<&'a str>,
    /// `not_built`, `failed`, `failing`, `outdated` or `success`.
    #[schema(value_type = String)]
    status: &'a JobStatus,
    /// Whether it has finished builds, all of which were skipped.
    only_skipped: bool,
    /// The newest finished build, if it failed after a success.
    failing_build: Option<u64>,
    outdated_because: &'a [String],
    latest_build: Option<BriefJson<'a>>,
    /// Everything that the manifest says, with defaults for what it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    config: Option<Json<'a>>,
}

/// The status of a job whose manifest has mistakes.
pub(crate) const BROKEN: &str = "broken";

/// A job whose manifest has mistakes.
#[derive(Serialize, ToSchema)]
pub(crate) struct BrokenJobJson<'a> {
    id: &'a str,
    status: &'static str,
    /// What is wrong with it; empty if its whole file cannot be read.
    diagnostics: Vec<DiagnosticJson<'a>>,
    latest_build: Option<BriefJson<'a>>,
}

impl<'a> BrokenJobJson<'a> {
    pub(crate) fn new(graph: &'a Graph, id: &'a str, latest: Option<&'a Build>, moment: &Moment) -> Self {
        Self {
            id,
            status: BROKEN,
            diagnostics: graph.broken.get(id).into_iter().flatten().map(DiagnosticJson::new).collect(),
            latest_build: latest.map(|build| BriefJson::new(build, moment)),
        }
    }
}

/// A job in the list of all.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ListedJson<'a> {
    Sound(Box<JobJson<'a>>),
    Broken(Box<BrokenJobJson<'a>>),
}

impl<'a> JobJson<'a> {
    pub(crate) fn new(
        graph: &'a Graph,
        checked: &'a CheckedJob,
        status: &'a JobStatus,
        latest: Option<&'a Build>,
        moment: &Moment,
    ) -> Self {
        let job = &checked.job;
        Self {
            id: &job.id,
            title: job.title.as_deref(),
            notes: job.notes.as_deref(),
            tags: &job.tags,
            file: &job.place.source.path,
            function: job.function.to_string(),
            signature: checked.signature.to_string(),
            docs: checked.signature.docs.as_deref(),
            plugin: &checked.plugin.digest,
            protected: job.protected,
            dependencies: &graph.dependencies[&job.id],
            dependents: dependents(graph, &job.id),
            status,
            only_skipped: *status == JobStatus::OnlySkipped,
            failing_build: if let JobStatus::Failing { build, .. } = status { Some(*build) } else { None },
            outdated_because: status.outdated_because(),
            latest_build: latest.map(|build| BriefJson::new(build, moment)),
            config: None,
        }
    }

    /// Adds everything that the manifest says.
    pub(crate) fn with_config(self, config: &'a Value) -> Self {
        Self { config: Some(Json(config)), ..self }
    }
}

/// Returns the jobs that need a job directly.
pub(crate) fn dependents<'a>(graph: &'a Graph, id: &str) -> Vec<&'a str> {
    let needs = |(_, needs): &(&String, &Vec<String>)| needs.iter().any(|need| need == id);
    graph.dependencies.iter().filter(needs).map(|(other, _)| other.as_str()).collect()
}

/// Jobs, and the dependencies among them.
#[derive(Serialize, ToSchema)]
pub(crate) struct GraphJson<'a> {
    pub(crate) jobs: Vec<&'a str>,
    pub(crate) edges: Vec<EdgeJson<'a>>,
}

/// A dependency, from the job that is needed.
#[derive(Serialize, ToSchema)]
pub(crate) struct EdgeJson<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
}
