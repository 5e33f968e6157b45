//! `workers`: the workers that are on a bus.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::bus::BusArgs;
use super::error;
use super::error::CliError;
use super::render::Out;
use super::render::text;
use crate::app::App;
use crate::bus::nats::heartbeats;
use crate::bus::wire::Beat;
use crate::bus::wire::PROTOCOL;
use crate::service::engine::EngineError;
use crate::show::escape::one_line;

/// A worker sends a heartbeat every second.
const LISTEN: Duration = Duration::from_millis(2_500);

/// Which bus.
#[derive(Args, Debug)]
pub(super) struct WorkersArgs {
    #[command(flatten)]
    bus: BusArgs,
}

#[derive(Serialize)]
struct WorkerJson<'a> {
    worker: &'a str,
    version: &'a str,
    protocol: u32,
    /// Why it gets no attempts from services of this version.
    refused: Option<String>,
    labels: &'a [String],
    slots: u32,
    /// Whether it is stopping, and takes no more attempts.
    stops: bool,
    attempts: usize,
    builds: BTreeMap<&'a str, Vec<u64>>,
}

impl<'a> WorkerJson<'a> {
    fn of(beat: &'a Beat) -> Self {
        let mut builds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for address in &beat.works_on {
            builds.entry(&address.service).or_default().push(address.key.build);
        }
        let Beat { worker, version, protocol, slots, labels, stops, .. } = beat;
        let refused = (*protocol != PROTOCOL)
            .then(|| format!("it speaks version {protocol} of the protocol, and this program version {PROTOCOL}"));
        let (protocol, slots, stops, attempts) = (*protocol, *slots, *stops, beat.works_on.len());
        Self { worker, version, protocol, refused, labels, slots, stops, attempts, builds }
    }
}

/// Listens for heartbeats, and lists who sent one.
pub(super) fn list(app: &App, out: &Out, args: &WorkersArgs) -> Result<u8, CliError> {
    let Some(address) = args.bus.address(app)? else {
        return Err(CliError::usage("workers are on a bus: add `--bus nats://HOST:4222`"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let beats = runtime.block_on(heartbeats(&address, LISTEN)).map_err(EngineError::from)?;
    let workers: Vec<_> = beats.values().map(WorkerJson::of).collect();
    if out.is_json() {
        out.json(&workers)?;
    } else if workers.is_empty() {
        out.say(format!("no worker was heard on `{}`", address.shown()));
    } else {
        let row = |worker: &WorkerJson<'_>| {
            vec![
                one_line(worker.worker),
                one_line(worker.version),
                worker.slots.to_string(),
                worker.attempts.to_string(),
                one_line(&worker.labels.join(", ")),
            ]
        };
        let titles = ["WORKER", "VERSION", "SLOTS", "RUNNING", "LABELS"];
        out.answer(text::table(&titles, workers.iter().map(row).collect()))?;
        for worker in &workers {
            if worker.stops {
                out.say(format!("`{}` is stopping, and takes no more attempts", one_line(worker.worker)));
            }
            if let Some(reason) = &worker.refused {
                out.say(format!("`{}` gets no attempts: {reason}", one_line(worker.worker)));
            }
        }
    }
    Ok(error::DONE)
}
