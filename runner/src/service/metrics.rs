//! Counts what a service does, for `/metrics`. Nothing is counted by job, because there would be as
//! many labels as jobs.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::run::Missed;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::Commits;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;

use crate::lock::lock;

/// Bounds of waiting times in seconds, from a free slot to a queue that lasts the night.
const WAITED: [f64; 10] = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0];
/// Bounds of how long builds take in seconds, from a call that computes to a job of a day.
const TOOK: [f64; 12] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0];

/// One label with one of few values.
type Label = [(&'static str, &'static str); 1];
/// A number that other parts keep.
type Held = Gauge<u64, AtomicU64>;

/// What a service counts.
pub(super) struct Metrics {
    registry: Registry,
    builds: Family<Label, Counter>,
    attempts_failed: Counter,
    waited: Histogram,
    took: Histogram,
    reloads: Counter,
    due: Family<Label, Counter>,
    told: Family<Label, Counter>,
    held: Numbers<Held>,
    dropped: Counter,
    commits: Counter,
    writes: Counter,
    /// When builds that have not started were created; `None` for builds that have started.
    unfinished: Mutex<HashMap<u64, Option<Instant>>>,
}

/// Numbers that are read at the moment somebody asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers<T> {
    pub(super) running: T,
    pub(super) waiting: T,
    pub(super) runs: T,
    pub(super) jobs: T,
    pub(super) mistakes: T,
    pub(super) leads: T,
    pub(super) charged: T,
    pub(super) chargeable: T,
    pub(super) resident: T,
    pub(super) workers: T,
    pub(super) worker_slots: T,
    pub(super) given: T,
    pub(super) offered: T,
}

/// What other parts have counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Events that watchers lost.
    pub(super) dropped: u64,
    /// Commits of the store.
    pub(super) commits: Option<Commits>,
}

/// The result of a message about a failed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// A receiver was notified.
    Delivered,
    /// A receiver could not be notified.
    Failed,
}

impl Metrics {
    pub(super) fn new() -> Arc<Self> {
        let mut registry = Registry::default();
        let (waited, took) = (Histogram::new(WAITED), Histogram::new(TOOK));
        let (builds, attempts_failed, reloads, due, told) = Default::default();
        let (held, dropped, commits, writes) = Default::default();
        let (unfinished, metrics) = Default::default();
        let this = Self {
            registry: metrics,
            builds,
            attempts_failed,
            waited,
            took,
            reloads,
            due,
            told,
            held,
            dropped,
            commits,
            writes,
            unfinished,
        };
        this.register(&mut registry);
        Arc::new(Self { registry, ..this })
    }

    fn register(&self, registry: &mut Registry) {
        let held = self.held.clone();
        let help = "Memory of the process that is in use";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, held.resident);
        let own = registry.sub_registry_with_prefix("jobcontrol");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        own.register("build", "The program", version);
        own.register("builds", "Builds that have ended here", self.builds.clone());
        own.register("attempts_failed", "Attempts of builds that failed", self.attempts_failed.clone());
        let help = "How long builds waited until they started";
        own.register_with_unit("build_wait", help, Unit::Seconds, self.waited.clone());
        let help = "How long builds took from their start to their end";
        own.register_with_unit("build_duration", help, Unit::Seconds, self.took.clone());
        own.register("builds_running", "Builds that have a slot", held.running);
        own.register("builds_waiting", "Builds that wait for a slot", held.waiting);
        own.register("runs_active", "Runs that this service works on", held.runs);
        own.register("jobs", "Jobs in force", held.jobs);
        own.register("manifest_mistakes", "Mistakes in the current manifests", held.mistakes);
        own.register("reloads", "Changes of the jobs that were read", self.reloads.clone());
        let help = "Runs that schedules made due, by result";
        own.register("schedule_due", help, self.due.clone());
        own.register("leader", "Whether this service handles schedules", held.leads);
        own.register("notifications", "Messages about failed runs", self.told.clone());
        let help = "Memory of the host that running builds are charged with";
        own.register_with_unit("builds_memory", help, Unit::Bytes, held.charged);
        let help = "The most memory that running builds may be charged with together";
        own.register_with_unit("builds_memory_limit", help, Unit::Bytes, held.chargeable);
        own.register("workers", "Workers on the bus that were heard", held.workers);
        own.register("worker_slots", "Slots of these workers", held.worker_slots);
        own.register("worker_attempts", "Attempts of this service that workers run", held.given);
        own.register("worker_offers", "Attempts of this service that wait for a worker", held.offered);
        let help = "Events that watchers lost because they were slow";
        own.register("watcher_events_dropped", help, self.dropped.clone());
        own.register("store_commits", "Commits of this process", self.commits.clone());
        own.register("store_writes", "Changes in these commits", self.writes.clone());
    }

    /// Counts what happened to a build. Called on threads of guests, for every event. Never waits.
    pub(super) fn observe(&self, event: &Event) {
        let id = event.build_id;
        match &event.kind {
            EventKind::Created => drop(lock(&self.unfinished).insert(id, Some(Instant::now()))),
            // A build that found a free slot at once has no event of its creation.
            EventKind::Started | EventKind::TakenOver { .. } => {
                let created = lock(&self.unfinished).insert(id, None).flatten();
                if matches!(event.kind, EventKind::Started) {
                    self.waited.observe(created.map_or(0.0, |created| created.elapsed().as_secs_f64()));
                }
            }
            EventKind::AttemptFailed { .. } => drop(self.attempts_failed.inc()),
            EventKind::Finished { ending, took } => {
                let started = lock(&self.unfinished).remove(&id).is_some_and(|created| created.is_none());
                self.builds.get_or_create(&status(ending.status())).inc();
                if started {
                    // A build takes less than the 285 years for which a float of microseconds is
                    // exact.
                    self.took.observe(std::time::Duration::from_micros(*took).as_secs_f64());
                }
                if started && matches!(ending, Ending::Failed(_)) {
                    self.attempts_failed.inc();
                }
            }
            _ => {}
        }
    }

    /// Counts a reload of the files that changed something.
    pub(super) fn reloaded(&self) {
        self.reloads.inc();
    }

    /// Counts what a schedule made due: runs that were started, and runs that were left out.
    pub(super) fn fell_due(&self, fired: usize, left_out: &[Missed]) {
        self.due.get_or_create(&[("result", "fired")]).inc_by(fired as u64);
        for missed in left_out {
            let result = if missed.status == RunStatus::Skipped { "skipped" } else { "missed" };
            self.due.get_or_create(&[("result", result)]).inc_by(missed.count);
        }
    }

    /// Counts a message to one receiver.
    pub(super) fn told(&self, became: Became) {
        let result = match became {
            Became::Delivered => "delivered",
            Became::Failed => "failed",
        };
        self.told.get_or_create(&[("result", result)]).inc();
    }

    /// Returns everything in the text format of OpenMetrics.
    pub(super) fn text(&self, now: &Numbers<u64>, counted: Counted) -> String {
        self.held.set(now);
        let commits = counted.commits.unwrap_or_default();
        for (counter, value) in
            [(&self.dropped, counted.dropped), (&self.commits, commits.commits), (&self.writes, commits.writes)]
        {
            counter.inner().fetch_max(value, std::sync::atomic::Ordering::Relaxed);
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _: fmt::Result = encode(&mut text, &self.registry);
        text
    }
}

impl Numbers<Held> {
    fn set(&self, now: &Numbers<u64>) {
        let all = [
            (&self.running, now.running),
            (&self.waiting, now.waiting),
            (&self.runs, now.runs),
            (&self.jobs, now.jobs),
            (&self.mistakes, now.mistakes),
            (&self.leads, now.leads),
            (&self.charged, now.charged),
            (&self.chargeable, now.chargeable),
            (&self.resident, now.resident),
            (&self.workers, now.workers),
            (&self.worker_slots, now.worker_slots),
            (&self.given, now.given),
            (&self.offered, now.offered),
        ];
        for (gauge, value) in all {
            gauge.set(value);
        }
    }
}

fn status(status: BuildStatus) -> Label {
    [("status", status.name())]
}

#[cfg(test)]
mod tests {
    use jobcontrol_core::failure::Failure;

    use super::*;

    fn event(build_id: u64, kind: EventKind) -> Event {
        Event { build_id, job_id: "job".into(), kind }
    }

    fn finished(ending: Ending) -> EventKind {
        EventKind::Finished { ending, took: 20_000 }
    }

    #[test]
    fn builds_are_counted_from_their_events() {
        let metrics = Metrics::new();
        let failed = || Ending::Failed(Failure::default());
        for event in [
            event(1, EventKind::Created),
            event(1, EventKind::Started),
            event(1, finished(Ending::Returned)),
            event(2, EventKind::Started),
            event(2, finished(failed())),
            // It was cancelled while it waited.
            event(3, EventKind::Created),
            event(3, finished(failed())),
        ] {
            metrics.observe(&event);
        }
        let text = metrics.text(&Numbers { running: 7, ..Numbers::default() }, Counted::default());
        for line in [
            "jobcontrol_builds_total{status=\"SUCCESSFUL\"} 1",
            "jobcontrol_builds_total{status=\"FAILED\"} 2",
            "jobcontrol_attempts_failed_total 1",
            "jobcontrol_build_wait_seconds_count 2",
            "jobcontrol_build_duration_seconds_count 2",
            "jobcontrol_build_duration_seconds_bucket{le=\"0.01\"} 0",
            "jobcontrol_build_duration_seconds_bucket{le=\"0.05\"} 2",
            "jobcontrol_builds_running 7",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
        assert!(lock(&metrics.unfinished).is_empty());
    }

    #[test]
    fn counters_of_others_never_fall() {
        let metrics = Metrics::new();
        let at = |dropped| metrics.text(&Numbers::default(), Counted { dropped, commits: None });
        assert!(at(5).contains("jobcontrol_watcher_events_dropped_total 5\n"));
        assert!(at(4).contains("jobcontrol_watcher_events_dropped_total 5\n"));
    }
}
