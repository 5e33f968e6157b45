//! Builds, as the store has them.

use std::time::Duration;
use std::time::Instant;

use axum::extract::State;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::difference::differences;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::value::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Look;
use super::super::state::Web;
use super::limits::next;
use super::limits::page;
use super::limits::parameter;
use crate::request::interrupted::look_at;
use crate::request::refusal::Refusal;
use crate::request::targets::known_in;
use crate::request::waits::waits_for;
use crate::request::whole::WholeBuild;
use crate::request::window::narrow;
use crate::show::difference::DiffJson;
use crate::show::difference::DifferenceJson;
use crate::show::json::BriefJson;
use crate::show::json::BuildJson;
use crate::show::pages::BuildsJson;
use crate::show::schema::Progressed;

/// How long to look up the names of a failure's calls. A later request finds them.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<Web> {
    let routes = OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(progress));
    routes.routes(routes!(retval)).routes(routes!(diff))
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Sorted {
    /// The oldest first.
    Asc,
    /// The newest first.
    #[default]
    Desc,
}

/// The builds to list. Filters combine.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BuildsQuery {
    /// Only builds of this job.
    job_id: Option<String>,
    /// Only builds of jobs that have this tag now.
    tag: Option<String>,
    /// Only builds that have started, or have not.
    started: Option<bool>,
    /// Only builds that have finished, or have not.
    finished: Option<bool>,
    /// Only builds that succeeded (including skipped ones), or did not.
    success: Option<bool>,
    /// Only builds that were skipped, or were not.
    skipped: Option<bool>,
    /// Only builds of this run.
    run: Option<u64>,
    /// Only builds created at this time or later.
    #[param(format = DateTime)]
    min_date: Option<String>,
    /// Only builds created before this time.
    #[param(format = DateTime)]
    max_date: Option<String>,
    /// Only builds with a smaller id.
    before: Option<u64>,
    /// Only builds with a greater id.
    after: Option<u64>,
    /// The order: `asc` lists the oldest first, `desc` the newest. The default is `desc`.
    #[serde(default)]
    #[param(inline, required = false)]
    order: Sorted,
    /// The most builds to list, up to 1000. The default is 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

impl BuildsQuery {
    fn filter(&self, look: &Look<'_>) -> Result<BuildFilter, Problem> {
        let mut filter = BuildFilter {
            job_id: self.job_id.clone(),
            job_ids: self.tag.as_deref().map(|tag| tagged(look, tag)),
            started: self.started,
            finished: self.finished,
            success: self.success,
            skipped: self.skipped,
            run: self.run,
            before: self.before,
            after: self.after,
            order: match self.order {
                Sorted::Asc => Order::Asc,
                Sorted::Desc => Order::Desc,
            },
            limit: page(self.limit)?,
            brief: true,
            ..BuildFilter::default()
        };
        let from = parameter("min_date", self.min_date.as_deref(), Timestamp::parse)?;
        let to = parameter("max_date", self.max_date.as_deref(), Timestamp::parse)?;
        narrow(look.storage, &mut filter, from, to)?;
        Ok(filter)
    }
}

/// Returns the jobs that have a tag now.
pub(in super::super) fn tagged(look: &Look<'_>, tag: &str) -> Vec<String> {
    let jobs = look.current.catalog.graph.jobs.values().map(|checked| &checked.job);
    jobs.filter(|job| job.tags.iter().any(|other| other == tag)).map(|job| job.id.clone()).collect()
}

/// List builds.
#[utoipa::path(
    get, path = "/builds", tag = "builds", operation_id = "listBuilds", params(BuildsQuery),
    responses((status = 200, body = BuildsJson), (status = 400, body = ProblemJson), (status = 404, body = ProblemJson)),
)]
async fn list(State(web): State<Web>, Query(query): Query<BuildsQuery>) -> Answer {
    web.look(move |look| {
        let filter = query.filter(look)?;
        let builds = look.storage.get_job_builds(&filter)?;
        if let Some(job) = filter.job_id.as_deref().filter(|_| builds.is_empty()) {
            known_or_built(look, job)?;
        }
        let pools = &look.workspace.context.pools;
        let moment = look_at(look.storage, &builds)?.with_waits(waits_for(look.storage, &builds, pools)?);
        let shapes = builds.iter().map(|build| BriefJson::new(build, &moment)).collect();
        json(&BuildsJson { builds: shapes, next: next(&builds, filter.limit, |build| build.id) })
    })
    .await
}

/// Returns an error if neither a manifest nor the store has the job.
pub(in super::super) fn known_or_built(look: &Look<'_>, job: &str) -> Result<(), Problem> {
    let any = BuildFilter { limit: 1, brief: true, ..BuildFilter::job(job) };
    if look.storage.get_job_builds(&any)?.is_empty() {
        known_in(&look.current.catalog, job)?;
    }
    Ok(())
}

/// Show one build in full.
#[utoipa::path(
    get, path = "/builds/{id}", tag = "builds", operation_id = "showBuild", params(("id" = u64, Path, description = "The build's number")),
    responses((status = 200, body = BuildJson), (status = 404, body = ProblemJson)),
)]
async fn one(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    web.look(move |look| {
        let (plugins, pools) = (&look.workspace.reader, &look.workspace.context.pools);
        let whole = WholeBuild::read(plugins, look.storage, pools, id, Instant::now() + PATIENCE)?;
        json(&whole.shape())
    })
    .await
}

/// Show the progress of a build: the newest report of each group.
#[utoipa::path(
    get, path = "/builds/{id}/progress", tag = "builds", operation_id = "showProgress",
    params(("id" = u64, Path, description = "The build's number")),
    responses((status = 200, body = Vec<Progressed>), (status = 404, body = ProblemJson)),
)]
async fn progress(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    web.look(move |look| {
        let progress = look.storage.get_build_progress_info(id)?;
        if progress.is_empty() {
            look.storage.get_build(id)?;
        }
        json(&progress)
    })
    .await
}

/// Show what a build returned.
#[utoipa::path(
    get, path = "/builds/{id}/retval", tag = "builds", operation_id = "showRetval", params(("id" = u64, Path, description = "The build's number")),
    responses((status = 200, body = serde_json::Value), (status = 404, body = ProblemJson)),
)]
async fn retval(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    web.look(move |look| match look.storage.get_build(id)?.retval {
        Some(value) => json(&Json(&value)),
        None => Err(Refusal::not_found(format!("build {id} returned nothing")).into()),
    })
    .await
}

/// Show the differences between a build and its job's last success before it.
#[utoipa::path(
    get, path = "/builds/{id}/diff", tag = "builds", operation_id = "showDiff", params(("id" = u64, Path, description = "The build's number")),
    responses((status = 200, body = DiffJson), (status = 404, body = ProblemJson)),
)]
async fn diff(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    web.look(move |look| {
        let build = look.storage.get_build(id)?;
        let before = BuildFilter { before: Some(id), brief: true, ..BuildFilter::latest_success(&build.job_id) };
        let last_success = look.storage.get_job_builds(&before)?.pop();
        let found = last_success.as_ref().map(|last| differences(last, &build)).unwrap_or_default();
        json(&DiffJson {
            build: id,
            last_success: last_success.map(|last| last.id),
            differences: found.iter().map(DifferenceJson::new).collect(),
        })
    })
    .await
}
