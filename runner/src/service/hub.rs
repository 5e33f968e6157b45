//! The events of a service in one order, each with a number, for watchers such as a browser or a
//! script. An event causes work only for the watchers that it concerns, and no watcher can delay
//! it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::lock::lock;
use crate::service::onlooker::Next;
use crate::service::onlooker::Queue;
use crate::service::snapshot::Snapshot;
use crate::service::told::Told;
use crate::show::events::is_shown;

/// How many events can be requested again: some minutes of a busy service, so that a reader who was
/// away misses nothing.
const KEPT: usize = 10_000;

/// How many bytes these events may have. A record has up to 64 KiB.
const KEPT_BYTES: usize = 32 << 20;

/// What a watcher watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Everything.
    All,
    /// A job.
    Job(Arc<str>),
    /// A run.
    Run(u64),
    /// A build.
    Build(u64),
}

/// The events of a service.
pub(crate) struct Hub {
    state: Mutex<State>,
    storage: Arc<dyn Storage>,
    /// Distinguishes the numbers of this service from those of others. It is the start in
    /// microseconds.
    began: i64,
}

type Queues = BTreeMap<u64, Arc<Queue>>;

#[derive(Default)]
struct State {
    /// The number of the newest event.
    number: u64,
    kept: VecDeque<Arc<Told>>,
    kept_bytes: usize,
    /// Up to this number, events of other processes may be missing among those that are kept.
    blind: u64,
    next: u64,
    all: Queues,
    jobs: HashMap<Arc<str>, Queues>,
    runs: HashMap<u64, Queues>,
    builds: HashMap<u64, Queues>,
    /// The runs of unfinished builds, as far as somebody watches a run.
    run_of: HashMap<u64, Option<u64>>,
    /// The attempts of unfinished builds after their first one.
    attempts: HashMap<u64, u32>,
    closed: bool,
}

impl Hub {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        let began = storage.clock().now().0;
        Self { state: Mutex::default(), storage, began }
    }

    /// Publishes what happened to a build.
    pub(super) fn publish(&self, event: &Arc<Event>) {
        if !is_shown(&event.kind) {
            return;
        }
        let mut state = lock(&self.state);
        while !state.runs.is_empty() && !state.run_of.contains_key(&event.build_id) {
            drop(state);
            // No publisher waits for this, because it is done on a separate thread.
            let run = self.run_of(event.build_id);
            state = lock(&self.state);
            state.run_of.insert(event.build_id, run);
        }
        state.publish(event);
    }

    fn run_of(&self, build: u64) -> Option<u64> {
        let after = Some(build.saturating_sub(1));
        let one = BuildFilter { after, limit: 1, brief: true, ..BuildFilter::default() };
        let found = self.storage.get_job_builds(&one).unwrap_or_default().pop();
        found.filter(|found| found.id == build).and_then(|found| found.run)
    }

    /// Publishes a reload of the files.
    pub(super) fn reload(&self, created: Timestamp, now: &Arc<Snapshot>) {
        let mut state = lock(&self.state);
        state.number += 1;
        let told = Arc::new(Told::of_reload(state.number, created, Arc::clone(now)));
        state.all.values().for_each(|queue| queue.push(Arc::clone(&told)));
        let concerned = state.jobs.iter().filter(|(job, _)| told.is_of_job(job));
        concerned.flat_map(|(_, queues)| queues.values()).for_each(|queue| queue.push(Arc::clone(&told)));
        state.keep(told);
    }

    /// Notifies all watchers that events were lost before they came here.
    pub(super) fn lost(&self, count: u64) {
        let mut state = lock(&self.state);
        state.number += 1;
        let number = state.number;
        // Nobody can continue from an earlier event.
        state.kept.clear();
        state.kept_bytes = 0;
        state.each(&mut |queue| queue.lose(count, number));
    }

    /// Returns whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        let state = lock(&self.state);
        !(state.all.is_empty() && state.jobs.is_empty() && state.runs.is_empty() && state.builds.is_empty())
    }

    /// Records that nobody looks for what other processes do from now on.
    pub(super) fn blind(&self) {
        let mut state = lock(&self.state);
        state.blind = state.number;
    }

    /// Disconnects all watchers. Nothing more will come.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.each(&mut |queue| queue.close());
    }

    /// Starts to watch, from now on or from after the event of that id. Reads the store.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub(crate) fn watch(self: &Arc<Self>, concern: Concern, after: Option<&str>) -> Result<Watch> {
        let of_run: HashSet<u64> = match (&concern, after) {
            (Concern::Run(run), Some(_)) => {
                let every =
                    BuildFilter { run: Some(*run), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
                self.storage.get_job_builds(&every)?.iter().map(|build| build.id).collect()
            }
            _ => HashSet::new(),
        };
        let queue = Arc::new(Queue::default());
        let mut state = lock(&self.state);
        let from = after.map(|id| self.number_of(id).filter(|number| state.has_all_after(*number)));
        state.next += 1;
        let key = state.next;
        state.queues(&concern).insert(key, Arc::clone(&queue));
        if state.closed {
            queue.close();
        }
        let is_meant = |told: &Told| match &concern {
            Concern::All => true,
            Concern::Job(job) => told.is_of_job(job),
            Concern::Run(_) => told.build().is_some_and(|build| of_run.contains(&build)),
            Concern::Build(build) => told.build() == Some(*build),
        };
        let missed = match from {
            Some(Some(number)) => {
                state.kept.iter().filter(|told| told.number > number && is_meant(told)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let (number, is_fresh) = (state.number, matches!(from, Some(None)));
        drop(state);
        Ok(Watch { hub: Arc::clone(self), concern, key, queue, missed, number, is_fresh })
    }

    /// Returns the id of the event with this number.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.began)
    }

    fn number_of(&self, id: &str) -> Option<u64> {
        let (began, number) = id.split_once('-')?;
        number.parse().ok().filter(|_| began.parse() == Ok(self.began))
    }
}

impl State {
    fn publish(&mut self, event: &Arc<Event>) {
        self.number += 1;
        let build = event.build_id;
        if let EventKind::AttemptStarted { attempt, .. } | EventKind::TakenOver { attempt, .. } = event.kind {
            self.attempts.insert(build, attempt);
        }
        let attempt = self.attempts.get(&build).copied();
        let attempt =
            attempt.unwrap_or_else(|| u32::from(!matches!(event.kind, EventKind::Created | EventKind::Waits { .. })));
        let told = Arc::new(Told::of_build(self.number, Arc::clone(event), attempt));
        let run = self.run_of.get(&build).copied().flatten();
        let concerned = [
            Some(&self.all),
            self.jobs.get(&event.job_id),
            run.and_then(|run| self.runs.get(&run)),
            self.builds.get(&build),
        ];
        for queue in concerned.into_iter().flatten().flat_map(|queues| queues.values()) {
            queue.push(Arc::clone(&told));
        }
        if matches!(event.kind, EventKind::Finished { .. }) {
            self.attempts.remove(&build);
            self.run_of.remove(&build);
        }
        self.keep(told);
    }

    fn keep(&mut self, told: Arc<Told>) {
        self.kept_bytes += told.size;
        self.kept.push_back(told);
        while self.kept.len() > KEPT || self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_bytes -= oldest.size;
        }
    }

    /// Returns whether every event after this one is kept.
    fn has_all_after(&self, number: u64) -> bool {
        let first = self.kept.front().map_or(self.number + 1, |oldest| oldest.number);
        number >= self.blind && number <= self.number && number + 1 >= first
    }

    fn queues(&mut self, concern: &Concern) -> &mut Queues {
        match concern {
            Concern::All => &mut self.all,
            Concern::Job(job) => self.jobs.entry(Arc::clone(job)).or_default(),
            Concern::Run(run) => self.runs.entry(*run).or_default(),
            Concern::Build(build) => self.builds.entry(*build).or_default(),
        }
    }

    fn each(&self, call: &mut dyn FnMut(&Queue)) {
        let (jobs, runs, builds) = (self.jobs.values(), self.runs.values(), self.builds.values());
        for queues in std::iter::once(&self.all).chain(jobs).chain(runs).chain(builds) {
            queues.values().for_each(|queue| call(queue));
        }
    }

    fn leave(&mut self, concern: &Concern, key: u64) {
        let queues = self.queues(concern);
        queues.remove(&key);
        if queues.is_empty() {
            match concern {
                Concern::All => {}
                Concern::Job(job) => drop(self.jobs.remove(job)),
                Concern::Run(run) => drop(self.runs.remove(run)),
                Concern::Build(build) => drop(self.builds.remove(build)),
            }
        }
        if self.runs.is_empty() {
            self.run_of.clear();
        }
    }
}

/// A watcher, until this is dropped.
pub(crate) struct Watch {
    hub: Arc<Hub>,
    concern: Concern,
    key: u64,
    queue: Arc<Queue>,
    /// What happened from the requested event up to now.
    pub(crate) missed: Vec<Arc<Told>>,
    /// The number of the newest event when this began.
    pub(crate) number: u64,
    /// Whether the requested event is not known, so that nobody knows what happened since.
    pub(crate) is_fresh: bool,
}

impl Watch {
    /// Returns the id of the event with this number.
    pub(crate) fn id(&self, number: u64) -> String {
        self.hub.id(number)
    }

    /// Returns all that has happened since the last call, or `None` once nothing more will come.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Vec<Next>>> {
        self.queue.poll(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.hub.state).leave(&self.concern, self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use jobcontrol_core::clock::SystemClock;
    use jobcontrol_core::memory::MemoryStorage;

    use super::*;

    impl Hub {
        /// Creates a hub without a store file behind it.
        pub(crate) fn in_memory() -> Arc<Self> {
            Arc::new(Self::new(Arc::new(MemoryStorage::new(Arc::new(SystemClock)))))
        }

        /// Returns the store that is behind it.
        pub(crate) fn storage(&self) -> &dyn Storage {
            &*self.storage
        }
    }

    fn event(build: u64, job: &str, kind: EventKind) -> Arc<Event> {
        Arc::new(Event { build_id: build, job_id: job.into(), kind })
    }

    fn taken(watch: &Watch) -> usize {
        match watch.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(next)) => next.len(),
            _ => 0,
        }
    }

    #[test]
    fn an_event_goes_to_those_whom_it_concerns_alone() {
        let hub = Hub::in_memory();
        let one = |i: usize| hub.watch(Concern::Job(format!("job-{i}").into()), None).unwrap();
        let jobs: Vec<Watch> = (0..990).map(one).collect();
        let all: Vec<Watch> = (0..10).map(|_| hub.watch(Concern::All, None).unwrap()).collect();
        let mut seen = 0;
        for build in 1..=3_000 {
            hub.publish(&event(build, "job-7", EventKind::Started));
            if build % 1_000 == 0 {
                seen += all.iter().map(taken).sum::<usize>() + taken(&jobs[7]);
            }
        }
        assert_eq!((seen, jobs.iter().map(taken).sum::<usize>()), (33_000, 0));
        drop(jobs);
        assert_eq!(lock(&hub.state).jobs.len(), 0, "a watcher that has gone leaves nothing");
    }

    #[test]
    fn what_is_not_known_any_more_begins_afresh() {
        let hub = Hub::in_memory();
        (1..=5).for_each(|build| hub.publish(&event(build, "a", EventKind::Started)));
        let after = |number: u64| hub.watch(Concern::All, Some(&hub.id(number))).unwrap();
        assert_eq!((after(2).missed.len(), after(2).is_fresh), (3, false));
        assert_eq!((after(5).missed.len(), after(5).is_fresh), (0, false));
        assert!(after(6).is_fresh, "it is yet to come");
        hub.blind();
        assert!(after(4).is_fresh && !after(5).is_fresh, "others may have done something");
        hub.lost(2);
        assert!(after(5).is_fresh && !after(6).is_fresh);
        hub.publish(&event(6, "a", EventKind::Started));
        assert_eq!(after(6).missed.len(), 1);
    }
}
