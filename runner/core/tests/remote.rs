//! Services, workers and a broker in one thread, under a scheduler that loses, doubles, delays and
//! reorders messages and kills whom it likes. Each seed is one schedule, and can be replayed.
//!
//! `JOBCONTROL_SCHEDULES` says how many schedules run, `JOBCONTROL_SEED` which one is replayed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use jobcontrol_core::remote::Action;
use jobcontrol_core::remote::AttemptKey;
use jobcontrol_core::remote::Claim;
use jobcontrol_core::remote::Due;
use jobcontrol_core::remote::Hands;
use jobcontrol_core::remote::Leases;
use jobcontrol_core::remote::Verdict;

/// The broker offers what nobody confirmed again after this time.
const REDELIVERY: u64 = 30_000;

/// Nothing goes wrong after this time, so that all builds must end.
const CALM: u64 = 120_000;

/// All builds have ended by then.
const DEADLINE: u64 = 600_000;

const BUILDS: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Report {
    Log(u64),
    End(u64),
}

/// What arrives somewhere. Workers are numbers; `Arc<str>` is the name of one of their lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Offer { worker: usize, key: AttemptKey },
    Claim { worker: usize, name: Arc<str>, key: AttemptKey },
    Answer { worker: usize, name: Arc<str>, key: AttemptKey, granted: bool },
    Publish { worker: usize, name: Arc<str>, key: AttemptKey, number: u64, report: Report },
    Confirmed { worker: usize, name: Arc<str>, key: AttemptKey, number: u64 },
    Deliver { name: Arc<str>, key: AttemptKey, number: u64, report: Report },
    Beat { worker: usize, name: Arc<str>, keys: Vec<AttemptKey> },
    Stop { worker: usize, name: Arc<str>, key: AttemptKey },
    HandBack { name: Arc<str>, key: AttemptKey },
    Step { worker: usize, name: Arc<str>, key: AttemptKey, step: u64 },
    Redeliver { key: AttemptKey },
    WorkerTick { worker: usize },
    ServiceTick,
    Chaos,
}

/// A build as the store has it.
#[derive(Debug, Default)]
struct Row {
    attempt: u32,
    /// By attempt and worker: an attempt that was handed back has the records of both.
    logs: BTreeMap<(u32, Arc<str>), Vec<u64>>,
    value: Option<u64>,
}

struct Worker {
    name: Arc<str>,
    hands: Hands<AttemptKey, Report>,
    guests: BTreeSet<AttemptKey>,
    /// All that this life has begun.
    began: BTreeSet<AttemptKey>,
    lives: u32,
}

struct World {
    seed: u64,
    random: ChaCha8Rng,
    now: u64,
    order: u64,
    queue: BinaryHeap<std::cmp::Reverse<(u64, u64, Message)>>,
    leases: Leases,
    workers: Vec<Worker>,
    store: BTreeMap<u64, Row>,
    /// Offers that the broker has, and has not heard to be dealt with.
    offers: BTreeSet<AttemptKey>,
    /// Reports that the broker has, by their message id.
    reports: BTreeSet<(Arc<str>, AttemptKey, u64)>,
    /// Faults that happened, to see that the schedule tests something.
    faults: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let workers = (0..3).map(|number| Worker {
            name: format!("worker {number}.0").into(),
            hands: Hands::default(),
            guests: BTreeSet::new(),
            began: BTreeSet::new(),
            lives: 0,
        });
        let mut world = Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            leases: Leases::default(),
            workers: workers.collect(),
            store: (0..BUILDS).map(|build| (build, Row::default())).collect(),
            offers: BTreeSet::new(),
            reports: BTreeSet::new(),
            faults: 0,
        };
        for build in 0..BUILDS {
            world.next_attempt(build);
        }
        (0..3).for_each(|worker| world.later(1000, Message::WorkerTick { worker }));
        world.later(1000, Message::ServiceTick);
        world.later(500, Message::Chaos);
        world
    }

    fn time(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn later(&mut self, delay: u64, message: Message) {
        self.order += 1;
        self.queue.push(std::cmp::Reverse((self.now + delay, self.order, message)));
    }

    fn chance(&mut self, percent: u32) -> bool {
        let happens = self.now < CALM && self.random.random_range(0..100) < percent;
        self.faults += u64::from(happens);
        happens
    }

    /// Sends a message over a network that loses, doubles, delays and reorders.
    fn send(&mut self, message: Message) {
        if self.chance(10) {
            return;
        }
        if self.chance(10) {
            let delay = self.random.random_range(1..30_000);
            self.later(delay, message.clone());
        }
        let delay = if self.chance(10) { self.random.random_range(1..15_000) } else { self.random.random_range(1..20) };
        self.later(delay, message);
    }

    /// What a service does when a build has no attempt that counts.
    fn next_attempt(&mut self, build: u64) {
        let Some(row) = self.store.get_mut(&build) else { return };
        row.attempt += 1;
        let key = AttemptKey { build, attempt: row.attempt };
        self.leases.offer(key, Duration::from_millis(self.now));
        self.offer(key);
    }

    fn offer(&mut self, key: AttemptKey) {
        self.offers.insert(key);
        self.later(1, Message::Redeliver { key });
    }

    fn handle(&mut self, message: Message) {
        let now = self.time();
        match message {
            Message::Redeliver { key } => {
                if self.offers.contains(&key) {
                    let worker = self.random.random_range(0..self.workers.len());
                    self.send(Message::Offer { worker, key });
                    self.later(REDELIVERY, Message::Redeliver { key });
                }
            }
            Message::Offer { worker, key } => {
                let actions = self.workers[worker].hands.offered(key, now);
                self.act(worker, actions);
            }
            Message::Claim { worker, name, key } if self.chance(5) => {
                // The service is not on the bus at this moment.
                if self.workers[worker].name == name {
                    let actions = self.workers[worker].hands.unanswered(key);
                    self.act(worker, actions);
                }
            }
            Message::Claim { worker, name, key } => {
                let granted = self.leases.claim(key, &name, now) == Claim::Granted;
                self.send(Message::Answer { worker, name, key, granted });
            }
            Message::Deliver { name, key, number, report } => self.record(&name, key, number, report),
            Message::HandBack { name, key } => {
                if self.leases.hand_back(key, &name, now) {
                    self.offer(key);
                }
            }
            Message::Beat { worker, name, keys } => {
                for key in self.leases.heard(&name, &keys, now) {
                    self.send(Message::Stop { worker, name: Arc::clone(&name), key });
                }
            }
            Message::ServiceTick => {
                for due in self.leases.due(now) {
                    match due {
                        Due::Offer(key) => self.offer(key),
                        Due::Lost(key, name) => {
                            self.must_not_have_forgotten(key, &name);
                            self.next_attempt(key.build);
                        }
                    }
                }
                self.later(1000, Message::ServiceTick);
            }
            Message::Chaos => {
                self.kill_somebody();
                if self.now < CALM {
                    let delay = self.random.random_range(500..20_000);
                    self.later(delay, Message::Chaos);
                }
            }
            Message::Publish { worker, name, key, number, report } => {
                // The broker keeps a message once, and confirms it each time.
                if self.reports.insert((Arc::clone(&name), key, number)) {
                    let delay = if self.chance(10) { self.random.random_range(1..20_000) } else { 1 };
                    self.later(delay, Message::Deliver { name: Arc::clone(&name), key, number, report });
                    if self.chance(10) {
                        let delay = self.random.random_range(1..30_000);
                        self.later(delay, Message::Deliver { name: Arc::clone(&name), key, number, report });
                    }
                }
                self.send(Message::Confirmed { worker, name, key, number });
            }
            Message::WorkerTick { worker } => self.worker_tick(worker),
            message => self.handle_at_worker(&message),
        }
    }

    /// Messages to one life of a worker; a later life does not hear them.
    fn handle_at_worker(&mut self, message: &Message) {
        let (worker, name) = match message {
            Message::Answer { worker, name, .. }
            | Message::Confirmed { worker, name, .. }
            | Message::Stop { worker, name, .. }
            | Message::Step { worker, name, .. } => (*worker, Arc::clone(name)),
            _ => return,
        };
        if self.workers[worker].name != name {
            return;
        }
        let now = self.time();
        let hands = &mut self.workers[worker].hands;
        let actions = match message {
            Message::Answer { key, granted, .. } => hands.answered(*key, *granted),
            Message::Confirmed { key, number, .. } => hands.confirmed(*key, *number, now),
            Message::Stop { key, .. } => hands.stop(*key),
            Message::Step { key, step, .. } => return self.step(worker, *key, *step),
            _ => Vec::new(),
        };
        self.act(worker, actions);
    }

    /// A guest writes some records, and returns.
    fn step(&mut self, worker: usize, key: AttemptKey, step: u64) {
        if !self.workers[worker].guests.contains(&key) {
            return;
        }
        let (now, last) = (self.time(), step == records(key));
        let report = if last { Report::End(key.build * 10) } else { Report::Log(step) };
        if last {
            self.workers[worker].guests.remove(&key);
        } else {
            let name = Arc::clone(&self.workers[worker].name);
            let delay = self.random.random_range(1..5_000);
            self.later(delay, Message::Step { worker, name, key, step: step + 1 });
        }
        let actions = self.workers[worker].hands.said(&key, report, last, now);
        self.act(worker, actions);
    }

    fn worker_tick(&mut self, worker: usize) {
        let now = self.time();
        let actions = self.workers[worker].hands.due(now);
        self.act(worker, actions);
        let (name, keys) = (Arc::clone(&self.workers[worker].name), self.workers[worker].hands.works_on());
        self.send(Message::Beat { worker, name, keys });
        self.later(1000, Message::WorkerTick { worker });
    }

    fn act(&mut self, worker: usize, actions: Vec<Action<AttemptKey, Report>>) {
        let name = Arc::clone(&self.workers[worker].name);
        for action in actions {
            let name = Arc::clone(&name);
            match action {
                Action::Claim(key) => self.send(Message::Claim { worker, name, key }),
                Action::Start(key) => {
                    self.workers[worker].guests.insert(key);
                    self.workers[worker].began.insert(key);
                    self.later(1, Message::Step { worker, name, key, step: 0 });
                }
                Action::Send(key, number, report) => {
                    self.send(Message::Publish { worker, name, key, number, report });
                }
                Action::Kill(key) => drop(self.workers[worker].guests.remove(&key)),
                // The broker still has it, and delivers it again.
                Action::Return(_) => {}
                Action::Drop(key) => drop(self.offers.remove(&key)),
            }
        }
    }

    /// What the service does with a report that reaches it.
    fn record(&mut self, name: &Arc<str>, key: AttemptKey, number: u64, report: Report) {
        let verdict = self.leases.report(key, name, number, self.time());
        // The broker loses nothing that it has confirmed.
        assert_ne!(verdict, Verdict::Gap, "seed {}: report {number} of {key:?} was never sent", self.seed);
        if verdict == Verdict::Early {
            return self.later(1000, Message::Deliver { name: Arc::clone(name), key, number, report });
        }
        if verdict != Verdict::New {
            return;
        }
        let seed = self.seed;
        let Some(row) = self.store.get_mut(&key.build) else { return };
        assert_eq!(row.attempt, key.attempt, "seed {seed}: a report of an old attempt was taken");
        assert_eq!(row.value, None, "seed {seed}: a report after the end was taken");
        let logs = row.logs.entry((key.attempt, Arc::clone(name))).or_default();
        match report {
            Report::Log(record) => logs.push(record),
            Report::End(value) => {
                assert_eq!(
                    logs.len() as u64,
                    records(key),
                    "seed {seed}: build {} ended without all its log",
                    key.build
                );
                row.value = Some(value);
                self.leases.end(key);
            }
        }
    }

    /// A worker that lives and began an attempt works on it until the service has its end.
    fn must_not_have_forgotten(&self, key: AttemptKey, name: &Arc<str>) {
        let Some(worker) = self.workers.iter().find(|worker| worker.name == *name) else { return };
        let forgotten = worker.began.contains(&key) && !worker.hands.works_on().contains(&key);
        assert!(!forgotten, "seed {}: {name} forgot {key:?}", self.seed);
    }

    fn kill_somebody(&mut self) {
        if self.chance(30) {
            // A service that starts again knows the store alone: attempts that ran are interrupted.
            self.leases = Leases::default();
            let open: Vec<u64> =
                self.store.iter().filter(|(_, row)| row.value.is_none()).map(|(build, _)| *build).collect();
            open.into_iter().for_each(|build| self.next_attempt(build));
        } else if self.chance(60) {
            let worker = self.random.random_range(0..self.workers.len());
            let graceful = self.random.random_bool(0.3);
            let granted = self.workers[worker].hands.works_on();
            let old = &mut self.workers[worker];
            old.lives += 1;
            let name = std::mem::replace(&mut old.name, format!("worker {worker}.{}", old.lives).into());
            (old.hands, old.guests, old.began) = Default::default();
            for key in granted.into_iter().filter(|_| graceful) {
                self.send(Message::HandBack { name: Arc::clone(&name), key });
            }
        }
    }

    /// Runs to the end of all builds, and returns how many faults there were.
    fn run(mut self) -> u64 {
        while let Some(std::cmp::Reverse((at, _, message))) = self.queue.pop() {
            self.now = at;
            self.handle(message);
            let all_ended = self.store.values().all(|row| row.value.is_some());
            if self.now > CALM && all_ended && self.workers.iter().all(|worker| worker.hands.is_idle()) {
                break;
            }
            assert!(self.now < DEADLINE, "seed {}: builds did not end: {:#?}", self.seed, self.store);
        }
        for (build, row) in &self.store {
            assert_eq!(row.value, Some(build * 10), "seed {}", self.seed);
            for (attempt, logs) in &row.logs {
                let expected: Vec<u64> = (0..logs.len() as u64).collect();
                assert_eq!(*logs, expected, "seed {}: {attempt:?}", self.seed);
            }
        }
        assert!(self.leases.due(Duration::MAX).is_empty(), "seed {}: a lease is left", self.seed);
        self.faults
    }
}

/// How many records an attempt writes.
fn records(key: AttemptKey) -> u64 {
    key.build % 3
}

#[test]
fn every_build_ends_exactly_once_whatever_is_lost_doubled_delayed_or_killed() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("JOBCONTROL_SEED") {
        World::new(seed).run();
        return;
    }
    let schedules = number("JOBCONTROL_SCHEDULES").unwrap_or(10_000);
    let faults: u64 = (0..schedules).map(|seed| World::new(seed).run()).sum();
    assert!(faults > schedules * 20, "only {faults} faults in {schedules} schedules");
}
