//! Pages for people: rendered here, complete without scripts, and kept current with them. They ask
//! what the routes of the API ask.
//!
//! - `visit`: who looks at a page; `times`: their clock
//! - `frame`: what every page has around it, and how it is sent
//! - `jobs`, `job`, `run_form`, `manifest`, `builds`, `build`, `runs`, `graph`, `timeline`,
//!   `schedules`, `plugins`, `reloads`, `workers`: a page each
//! - their parts: `status`, `row`, `strip`, `picture` and `around`, `job_head`, `build_facts`,
//!   `failure`, `progress`, `value`, `code`, `log`, `notes`, `fields`
//! - `actions`: what forms do; `login`: signing in; `files`: logs and values to keep; `go`: where
//!   one can go
//! - `feed`: what of a page changes; `view`: of which page; `live`: the stream of it
//! - `error`: what went wrong, for browsers

mod actions;
mod around;
mod build;
mod build_facts;
mod builds;
mod code;
pub(super) mod error;
mod failure;
mod feed;
mod fields;
mod files;
mod frame;
mod go;
mod graph;
mod job;
mod job_head;
mod jobs;
mod live;
mod log;
mod login;
mod manifest;
mod notes;
mod picture;
mod plugins;
mod progress;
mod reloads;
mod row;
mod run_form;
mod runs;
mod schedules;
mod status;
mod strip;
mod timeline;
mod times;
mod value;
mod view;
mod visit;
mod workers;

use axum::Router;
use axum::routing::get;
use axum::routing::post;

use super::gate::LOGIN;
use super::state::Web;

/// All of them.
pub(super) fn routes() -> Router<Web> {
    let routes = Router::new().route("/", get(jobs::page)).route("/jobs", get(jobs::page));
    let routes = routes
        .route("/jobs/{id}", get(job::page))
        .route("/jobs/{id}/run", get(run_form::page).post(run_form::run))
        .route("/jobs/{id}/builds", get(builds::of_job))
        .route("/jobs/{id}/manifest", get(manifest::page))
        .route("/builds", get(builds::page))
        .route("/builds/{id}", get(build::page))
        .route("/builds/{id}/log", get(files::chunk))
        .route("/builds/{id}/log.txt", get(files::log_text))
        .route("/builds/{id}/log.jsonl", get(files::log_lines))
        .route("/builds/{id}/retval.json", get(files::retval_json))
        .route("/builds/{id}/retval.yaml", get(files::retval_yaml))
        .route("/runs", get(runs::page))
        .route("/runs/{id}", get(runs::one))
        .route("/graph", get(graph::page))
        .route("/timeline", get(timeline::page))
        .route("/schedules", get(schedules::page))
        .route("/plugins", get(plugins::page))
        .route("/plugins/{name}", get(plugins::one))
        .route("/reloads", get(reloads::page).post(actions::look_at_files))
        .route("/workers", get(workers::page))
        .route("/go.json", get(go::places))
        .route(feed::PATH, get(live::stream));
    routes
        .route("/builds/{id}/rerun", post(actions::rerun))
        .route("/builds/{id}/cancel", post(actions::cancel))
        .route("/builds/{id}/delete", post(actions::delete))
        .route("/runs/{id}/cancel", post(actions::cancel_run))
        .route("/runs/{id}/start", post(actions::start_run))
        .route("/runs/{id}/rerun", post(actions::rerun_run))
        .route("/preferences", post(actions::preferences))
        .route("/logout", post(login::logout))
        .route(LOGIN, post(login::login))
}
