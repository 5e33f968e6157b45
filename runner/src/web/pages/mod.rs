//! Pages for people: rendered here, complete without scripts. They ask what the routes of the API ask.
//!
//! - `frame`: what every page has around it, and how it is sent
//! - `jobs`, `job`, `builds`, `build`: a page each
//! - `row`: a build in a list, and how jobs and builds stand, in a sign and a word
//! - `error`: what went wrong, for browsers

mod build;
mod builds;
pub(super) mod error;
mod frame;
mod job;
mod jobs;
mod row;

use axum::Router;
use axum::routing::get;

use super::state::Web;

/// All of them.
pub(super) fn routes() -> Router<Web> {
    let routes = Router::new().route("/", get(jobs::page)).route("/jobs", get(jobs::page));
    let routes = routes.route("/jobs/{id}", get(job::page));
    routes.route("/builds", get(builds::page)).route("/builds/{id}", get(build::page))
}
