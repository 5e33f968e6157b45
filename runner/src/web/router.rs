//! All routes, and the layers that every request passes.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower_http::compression::CompressionLayer;

use super::api;
use super::api::description;
use super::assets;
use super::gate::gate;
use super::pages;
use super::problem::Problem;
use super::problem::Sort;
use super::state::Admission;
use super::state::Web;
use crate::service::serving::Service;

/// Builds the router for the API, the pages and the assets. Requests need the extension that
/// [`serve`](super::accept::serve) attaches to them.
pub(super) fn router(service: Arc<Service>, admission: Admission) -> Router {
    let web = Web::new(service, admission);
    let (routes, described) = api::routes().split_for_parts();
    let text = description::describe(described);
    let routes = routes.route(description::PATH, get(move || async move { description::response(text) }));
    let routes = routes.merge(pages::routes()).route(assets::PATH, get(assets::serve));
    let routes = routes.fallback(nothing).method_not_allowed_fallback(not_so);
    // Event streams are not compressed, because buffering would delay their events.
    let routes = routes.layer(CompressionLayer::new().gzip(true));
    routes.layer(from_fn_with_state(web.clone(), gate)).with_state(web)
}

async fn nothing() -> Problem {
    let problem = Problem::new(Sort::NotFound, "there is nothing at this address");
    problem.hint(format!("`{}` describes the API", description::PATH))
}

async fn not_so() -> Problem {
    Problem::new(Sort::Method, "the method is not allowed at this address")
}
