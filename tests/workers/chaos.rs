//! Workers, the service and the broker are killed at random. After that, every build has ended
//! exactly once, and with the right value.

use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::value::Value;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::AtWork;
use super::broker::Broker;
use crate::harness::Folder;
use crate::harness::served::Served;

/// Chains of jobs, each of which adds one.
const CHAINS: u64 = 6;
const LENGTH: u64 = 6;

fn jobs() -> String {
    let job = |chain: u64, link: u64| {
        let arg = if link == 0 { chain.to_string() } else { format!("!retval c{chain}-{}", link - 1) };
        format!(
            "  - {{ id: c{chain}-{link}, function: add:add, args: [{arg}, 1], \
             retry: {{ attempts: 50, initial: 1ms, on: [interrupted] }} }}\n"
        )
    };
    let jobs: String = (0..CHAINS).flat_map(|chain| (0..LENGTH).map(move |link| job(chain, link))).collect();
    format!("jobs:\n{jobs}")
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn every_build_ends_once_whoever_is_killed() {
    let seed = std::env::var("JOBCONTROL_SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut broker = Broker::start();
    let folder = Folder::new().guest("add.wat").file("jobs/all.yaml", jobs());
    let mut served = Some(Served::start(&folder, &["--bus", &broker.url()]));
    let mut workers: Vec<AtWork> = (0..3).map(|_| AtWork::start(&broker, 2)).collect();
    let ends: Vec<String> = (0..CHAINS).map(|chain| format!("c{chain}-{}", LENGTH - 1)).collect();
    let asked: Vec<&str> = ["enqueue", "--deps"].into_iter().chain(ends.iter().map(String::as_str)).collect();
    folder.run(&asked).code(0);
    let store = folder.store();
    let until = Instant::now() + Duration::from_secs(150);
    let mut kills = 0;
    loop {
        let done = ends.iter().all(|job| store.get_latest_successful_build(job).unwrap().is_some());
        if done {
            break;
        }
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
    for chain in 0..CHAINS {
        for link in 0..LENGTH {
            let builds = store.get_job_builds(&BuildFilter::job(&format!("c{chain}-{link}"))).unwrap();
            let good: Vec<_> = builds.iter().filter(|build| build.status() == BuildStatus::Successful).collect();
            assert_eq!(good.len(), 1, "seed {seed}: c{chain}-{link} was built {} times", good.len());
            assert_eq!(good[0].retval, Some(Value::Int((chain + link + 1).into())), "seed {seed}");
        }
    }
}
