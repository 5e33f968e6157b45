//! The processes that run builds of this store: this service, and others that are working on
//! builds.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use jobcontrol_core::limits::show_bytes;

use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::frame::Frame;
use super::frame::ok;
use super::row::line;
use super::visit::Visit;
use crate::bus::wire::PROTOCOL;
use crate::machine::resident_memory;

#[derive(Template)]
#[template(path = "workers.html")]
struct Page {
    frame: Frame,
    body: Body,
}

#[derive(Template)]
#[template(path = "workers_body.html")]
struct Body {
    facts: Vec<(&'static str, String)>,
    /// `None` if builds run in this process.
    workers: Option<Vec<Remote>>,
    others: Vec<Other>,
}

/// A worker on the bus.
struct Remote {
    name: String,
    version: String,
    slots: u32,
    labels: String,
    /// Why it gets no attempts.
    refused: Option<String>,
    stops: bool,
    is_unlisted: bool,
    builds: Vec<u64>,
    heard: u64,
}

/// Another process that runs builds.
struct Other {
    name: String,
    is_alive: bool,
    builds: Vec<(u64, String)>,
}

/// Most builds to list for each process.
const BUILDS: usize = 10;

pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Answer {
    web.look(move |look| {
        let body = body(look)?;
        let frame = Frame::new(look, "builds", &visit).fed(Parts::one("workers", &body).feed("workers", &[]));
        ok(&Page { frame, body })
    })
    .await
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>) -> Result<Parts, Problem> {
    Ok(Parts::one("workers", &body(look)?))
}

fn body(look: &Look<'_>) -> Result<Body, Problem> {
    let slots = look.service.engine().slots();
    let ((running, waiting), (charged, chargeable)) = (slots.counts(), slots.memory());
    let own = look.service.owner();
    let mut others: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for build in look.storage.get_running_builds()? {
        if let Some(owner) = build.owner.filter(|owner| owner != own) {
            others.entry(owner).or_default().push((build.id, build.job_id));
        }
    }
    let mut shown = Vec::new();
    for (owner, mut builds) in others {
        builds.truncate(BUILDS);
        shown.push(Other { is_alive: look.storage.is_alive(&owner)?, name: line(&owner), builds });
    }
    let facts = [
        ("Process", line(own)),
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Runs now", format!("{running} builds, {waiting} waiting for a slot")),
        ("Memory of builds", format!("{} of {} may be used", show_bytes(charged), show_bytes(chargeable))),
        ("Total memory", show_bytes(resident_memory())),
        (
            "Schedules",
            if look.service.leads() { "handled by this service" } else { "handled by another service" }.to_owned(),
        ),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    Ok(Body { facts, workers: workers(look), others: shown })
}

/// Returns the workers that run builds of this service.
fn workers(look: &Look<'_>) -> Option<Vec<Remote>> {
    let remote = look.service.engine().remote()?;
    let workers = remote.workers().into_iter().map(|(name, mut known)| {
        known.builds.truncate(BUILDS);
        Remote {
            name: line(&name),
            version: line(&known.version),
            slots: known.slots,
            labels: line(&known.labels.to_string()),
            refused: (known.protocol != PROTOCOL)
                .then(|| format!("version {} of the protocol, not {PROTOCOL}", known.protocol)),
            stops: known.stops,
            is_unlisted: known.is_unlisted,
            builds: known.builds,
            heard: known.heard.elapsed().as_secs(),
        }
    });
    Some(workers.collect())
}
