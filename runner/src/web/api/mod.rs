//! The routes of the API, a file a resource. Field names are those of `--format json`.
//!
//! - `jobs`, `builds`, `logs`, `runs`, `plugins`, `graph`, `timeline`, `diagnostics`, `reloads`,
//!   `schedules`: the resources
//! - `events`: what happens, as it happens
//! - `asking`: new runs; `changes`: what is cancelled and deleted; `reruns`: what is done again;
//!   all by `starting`
//! - `health`: whether the service is alive and ready
//! - `limits`: how much comes at once; `base`: where all of it is
//! - `description`: the whole as OpenAPI

mod asking;
mod base;
mod builds;
mod changes;
pub(super) mod description;
mod diagnostics;
mod events;
mod graph;
mod health;
mod jobs;
mod limits;
mod logs;
mod plugins;
mod reloads;
mod reruns;
mod runs;
mod schedules;
mod starting;
mod timeline;

use utoipa_axum::router::OpenApiRouter;

use super::state::Web;
use base::BASE;
pub(super) use builds::known_or_built;
pub(super) use builds::tagged;
pub(super) use events::HEARTBEAT;
pub(super) use events::HELLO;
pub(super) use events::LAST_EVENT_ID;
pub(super) use events::event_stream;
pub(super) use events::shut_out;

/// All routes, with their description.
pub(super) fn routes() -> OpenApiRouter<Web> {
    let resources = [
        jobs::routes(),
        builds::routes(),
        asking::routes(),
        changes::routes(),
        reruns::routes(),
        logs::routes(),
        runs::routes(),
        plugins::routes(),
        graph::routes(),
        timeline::routes(),
        diagnostics::routes(),
        events::routes(),
        reloads::routes(),
        schedules::routes(),
    ];
    let all = resources.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge);
    OpenApiRouter::new().nest(BASE, all).merge(health::routes())
}
