//! Workers, services and the broker are killed at random. After that, every build has ended exactly
//! once, and with the right value.

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::record::sqlite::SqliteStorage;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::AtWork;
use super::broker::Broker;
use super::chains::Chains;
use super::chains::seed;
use super::chains::until;
use super::serve;
use crate::harness::Folder;
use crate::harness::served::Served;

/// How often something is killed. Before each time, one more chain is asked for.
const KILLS: u64 = 12;

/// The chains of each store.
const CHAINS: Chains = Chains { count: KILLS, length: 6 };

/// The builds end this long after the last kill. What was lost is noticed only after a while: the
/// silence of a worker, an offer that nobody confirms, a report that is missing.
const ENDS_WITHIN: Duration = Duration::from_secs(150);

/// The processes that are killed.
struct Processes<'a> {
    random: ChaCha8Rng,
    broker: Broker,
    /// Each with the folder that it serves.
    services: Vec<(&'a Folder, Served)>,
    workers: Vec<AtWork>,
}

impl<'a> Processes<'a> {
    /// Starts a service for each of these folders, which may be the same, and three workers.
    fn start(seed: u64, folders: impl Iterator<Item = &'a Folder>) -> Self {
        let broker = Broker::start();
        let services = folders.map(|folder| (folder, serve(folder, &broker))).collect();
        let workers = (0..3).map(|_| AtWork::start(&broker, 2)).collect();
        Self { random: ChaCha8Rng::seed_from_u64(seed), broker, services, workers }
    }

    /// Kills one of them, and starts another in its place.
    fn kill(&mut self) {
        match self.random.random_range(0..10) {
            0..5 => {
                let worker = self.random.random_range(0..self.workers.len());
                self.workers.remove(worker).serving.kill();
                self.workers.push(AtWork::start(&self.broker, 2));
            }
            5..8 => {
                let service = self.random.random_range(0..self.services.len());
                let (folder, served) = self.services.remove(service);
                // Killed when it is dropped.
                drop(served);
                self.services.push((folder, serve(folder, &self.broker)));
            }
            _ => self.broker.crash(),
        }
    }
}

/// A folder, and the store of its services.
struct Place<'a> {
    number: u64,
    folder: &'a Folder,
    store: SqliteStorage,
}

impl Place<'_> {
    /// The chain that is asked for before that kill. Each store has another one, so builds of the
    /// same number return different values, and a report that reaches the wrong store is noticed.
    fn chain(&self, kill: u64) -> Range<u64> {
        let chain = (kill + self.number * KILLS / 2) % KILLS;
        chain..chain + 1
    }
}

/// Asserts that all builds of some stores end once, whoever is killed meanwhile. Each store has
/// that many services. All share a broker and its workers.
fn every_build_ends_once(services: &[usize]) {
    let seed = seed();
    let folder = || Folder::new().guest("add.wat").file("jobs/all.yaml", CHAINS.jobs());
    let folders: Vec<Folder> = services.iter().map(|_| folder()).collect();
    let served = folders.iter().zip(services).flat_map(|(folder, count)| std::iter::repeat_n(folder, *count));
    let mut processes = Processes::start(seed, served);
    let places = (0..).zip(&folders).map(|(number, folder)| Place { number, folder, store: folder.store() });
    let places: Vec<Place<'_>> = places.collect();
    for kill in 0..KILLS {
        places.iter().for_each(|place| CHAINS.ask(place.folder, place.chain(kill)));
        // The kill is to interrupt work.
        until(&format!("seed {seed}: nothing is built before kill {kill}"), || {
            places.iter().all(|place| CHAINS.built(&place.store, place.chain(kill)) > 0)
        });
        processes.kill();
    }
    let end = Instant::now() + ENDS_WITHIN;
    while !places.iter().all(|place| CHAINS.are_done(&place.store)) {
        assert!(Instant::now() < end, "seed {seed}: the builds did not end");
        std::thread::yield_now();
    }
    drop(processes);
    for place in places {
        CHAINS.check(&place.store, &format!("seed {seed}, store {}", place.number));
    }
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn every_build_ends_once_whoever_is_killed() {
    every_build_ends_once(&[1]);
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn every_build_of_two_stores_ends_once_whoever_is_killed() {
    every_build_ends_once(&[2, 1]);
}
