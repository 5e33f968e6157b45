//! Pages for people. They are rendered on the server and work without scripts, which only keep them
//! current. They read the same data as the API.
//!
//! - `visit`: who looks at a page; `times`: the reader's clock
//! - `frame`: the frame around every page, and how pages are sent
//! - `jobs`, `job`, `run_form`, `manifest`, `builds`, `build`, `runs`, `graph`, `timeline`,
//!   `schedules`, `plugins`, `reloads`, `workers`: one page each
//! - their parts: `status`, `row`, `strip`, `picture` and `around`, `job_head`, `build_facts`,
//!   `failure`, `progress`, `value`, `code`, `log`, `notes`, `fields`
//! - `actions`: the forms; `login`: signing in; `files`: logs and values to download; `go`: the
//!   entries of the dialog “Go to”
//! - `feed`: the parts of a page that change; `view`: which page a tab shows; `live`: the stream of
//!   changes
//! - `error`: the error page

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

/// Returns the routes of all pages.
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
