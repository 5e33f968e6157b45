//! The routes of the API, one file for each resource. Field names are those of `--format json`.
//!
//! - `jobs`, `builds`, `logs`, `runs`, `plugins`, `graph`, `timeline`, `diagnostics`, `reloads`,
//!   `schedules`: the resources
//! - `events`: events as they happen
//! - `asking`: new runs; `changes`: cancels and deletes; `reruns`: repeats runs and builds;
//!   `starting`: starts a run for these
//! - `health`: whether the service is alive and ready
//! - `limits`: the size of one page; `base`: the address of this version of the API
//! - `description`: the whole API as OpenAPI

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

/// Returns all routes with their description.
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
