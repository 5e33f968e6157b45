//! Jobs: their manifests and their status.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Look;
use super::super::state::Web;
use super::limits::page;
use crate::request::form::Form;
use crate::request::listing::JobFilter;
use crate::request::listing::Listing;
use crate::request::manifest::manifest_of;
use crate::request::refusal::Refusal;
use crate::request::targets::known_in;
use crate::request::targets::sound;
use crate::show::form::FormJson;
use crate::show::jobs::ListedJson;
use crate::show::json::DiagnosticJson;
use crate::show::pages::JobsJson;
use crate::show::pages::ManifestJson;

pub(super) fn routes() -> OpenApiRouter<Web> {
    let routes = OpenApiRouter::new().routes(routes!(list)).routes(routes!(one));
    routes.routes(routes!(form)).routes(routes!(manifest))
}

/// The jobs to list. Filters combine.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct JobsQuery {
    /// Only jobs with this text in their id, title, function or tags.
    q: Option<String>,
    /// Only jobs with one of these statuses, separated by commas: `not_built`, `failed`, `failing`,
    /// `outdated`, `success`, `broken`.
    status: Option<String>,
    /// Only jobs with this tag.
    tag: Option<String>,
    /// Only jobs whose ids come after this one.
    after: Option<String>,
    /// The most jobs to list, up to 1000. The default is 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// List the jobs and their status.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", operation_id = "listJobs", params(JobsQuery),
    responses((status = 200, body = JobsJson), (status = 400, body = ProblemJson)),
)]
async fn list(State(web): State<Web>, Query(query): Query<JobsQuery>) -> Answer {
    web.look(move |look| {
        let limit = usize::try_from(page(query.limit)?).unwrap_or(usize::MAX);
        let statuses = query.status.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
        let filter = JobFilter { text: query.q, statuses, tag: query.tag, after: query.after };
        let listing = Listing::read(&look.current.catalog, look.storage)?;
        let ids = listing.matching(&filter);
        let shown = &ids[..ids.len().min(limit)];
        let next = shown.last().copied().filter(|_| ids.len() > shown.len());
        json(&JobsJson { jobs: shown.iter().map(|id| listing.shape(id)).collect(), next })
    })
    .await
}

/// Show one job, with everything in its manifest.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", operation_id = "showJob", params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, body = ListedJson), (status = 404, body = ProblemJson)),
)]
async fn one(State(web): State<Web>, Path(id): Path<String>) -> Answer {
    web.look(move |look| {
        let catalog = &look.current.catalog;
        known_in(catalog, &id)?;
        let listing = Listing::read(catalog, look.storage)?;
        let config = listing.job(&id).map(|checked| checked.job.to_config());
        match (listing.shape(&id), &config) {
            (ListedJson::Sound(job), Some(config)) => json(&job.with_config(config)),
            (shape, _) => json(&shape),
        }
    })
    .await
}

/// Show the form that has to be filled in to run a job.
#[utoipa::path(
    get, path = "/jobs/{id}/form", tag = "jobs", operation_id = "showForm", params(("id" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = FormJson), (status = 404, body = ProblemJson),
        (status = 422, body = ProblemJson, description = "The manifest of the job has mistakes"),
    ),
)]
async fn form(State(web): State<Web>, Path(id): Path<String>) -> Answer {
    web.look(move |look| {
        let catalog = &look.current.catalog;
        let Some(checked) = catalog.graph.jobs.get(&id) else {
            sound(catalog, &[&id])?;
            return Err(Refusal::not_found(format!("there is no job `{id}`")).into());
        };
        json(&Form::of(checked).shape())
    })
    .await
}

/// Show the manifest of a job, with its mistakes.
#[utoipa::path(
    get, path = "/jobs/{id}/manifest", tag = "jobs", operation_id = "showManifest", params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, body = ManifestJson), (status = 404, body = ProblemJson)),
)]
async fn manifest(State(web): State<Web>, Path(id): Path<String>) -> Answer {
    web.look(move |look| told(look, &id)).await
}

fn told(look: &Look<'_>, id: &str) -> Answer {
    let manifest = manifest_of(look.current, id)?;
    json(&ManifestJson {
        file: &manifest.source.path,
        text: &manifest.source.text,
        last_good: manifest.last_good,
        diagnostics: manifest.diagnostics.into_iter().map(DiagnosticJson::new).collect(),
    })
}
