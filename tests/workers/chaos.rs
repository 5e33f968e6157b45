//! Workers, the service and the broker are killed at random. After that, every build has ended
//! exactly once, and with the right value.

use std::time::Duration;
use std::time::Instant;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::AtWork;
use super::broker::Broker;
use super::chains::Chains;
use super::chains::seed;
use crate::harness::Folder;
use crate::harness::served::Served;

const CHAINS: Chains = Chains { count: 6, length: 6 };

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn every_build_ends_once_whoever_is_killed() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut broker = Broker::start();
    let folder = Folder::new().guest("add.wat").file("jobs/all.yaml", CHAINS.jobs());
    let mut served = Some(Served::start(&folder, &["--bus", &broker.url()]));
    let mut workers: Vec<AtWork> = (0..3).map(|_| AtWork::start(&broker, 2)).collect();
    CHAINS.ask(&folder, 0..CHAINS.count);
    let store = folder.store();
    let until = Instant::now() + Duration::from_secs(150);
    let mut kills = 0;
    while !CHAINS.are_done(&store) {
        assert!(Instant::now() < until, "seed {seed}: the builds did not end");
        if kills < 12 {
            kills += 1;
            match random.random_range(0..10) {
                0..6 => {
                    let worker = random.random_range(0..workers.len());
                    workers.remove(worker).serving.kill();
                    workers.push(AtWork::start(&broker, 2));
                }
                6..8 => {
                    // Killed when it is dropped.
                    drop(served.take());
                    served = Some(Served::start(&folder, &["--bus", &broker.url()]));
                }
                _ => broker.crash(),
            }
        }
        std::thread::yield_now();
    }
    drop(served);
    CHAINS.check(&store, &format!("seed {seed}"));
}
