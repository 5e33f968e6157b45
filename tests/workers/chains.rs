//! Chains of jobs, each of which adds one, and what is true of them whatever happens meanwhile.

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::value::Value;

use crate::harness::Folder;

/// So many chains of so many jobs each. The first job of a chain adds one to its number.
#[derive(Clone, Copy)]
pub struct Chains {
    pub count: u64,
    pub length: u64,
}

impl Chains {
    /// The manifest of all jobs.
    pub fn jobs(self) -> String {
        let job = |chain: u64, link: u64| {
            let arg = if link == 0 { chain.to_string() } else { format!("!retval {}", name(chain, link - 1)) };
            format!(
                "  - {{ id: {}, function: add:add, args: [{arg}, 1], \
                 retry: {{ attempts: 50, initial: 1ms, on: [interrupted] }} }}\n",
                name(chain, link)
            )
        };
        let jobs: String =
            (0..self.count).flat_map(|chain| (0..self.length).map(move |link| job(chain, link))).collect();
        format!("jobs:\n{jobs}")
    }

    /// Asks for all jobs of these chains.
    pub fn ask(self, folder: &Folder, chains: Range<u64>) {
        let ends: Vec<String> = chains.map(|chain| name(chain, self.length - 1)).collect();
        let asked: Vec<&str> = ["enqueue", "--deps"].into_iter().chain(ends.iter().map(String::as_str)).collect();
        folder.run(&asked).code(0);
    }

    /// How many jobs of these chains were built.
    pub fn built(self, store: &impl Storage, chains: Range<u64>) -> usize {
        let jobs = chains.flat_map(|chain| (0..self.length).map(move |link| name(chain, link)));
        jobs.filter(|job| is_built(store, job)).count()
    }

    /// Whether all chains have come to their end.
    pub fn are_done(self, store: &impl Storage) -> bool {
        (0..self.count).all(|chain| is_built(store, &name(chain, self.length - 1)))
    }

    /// Asserts that every job was built once, with the right value. `run` names this run of the
    /// test.
    pub fn check(self, store: &impl Storage, run: &str) {
        for chain in 0..self.count {
            for link in 0..self.length {
                let job = name(chain, link);
                let builds = store.get_job_builds(&BuildFilter::job(&job)).expect("a store");
                let good: Vec<_> = builds.iter().filter(|build| build.status() == BuildStatus::Successful).collect();
                assert_eq!(good.len(), 1, "{run}: {job} was built {} times", good.len());
                assert_eq!(good[0].retval, Some(Value::Int((chain + link + 1).into())), "{run}");
            }
        }
    }
}

fn name(chain: u64, link: u64) -> String {
    format!("c{chain}-{link}")
}

fn is_built(store: &impl Storage, job: &str) -> bool {
    store.get_latest_successful_build(job).expect("a store").is_some()
}

/// What the random choices of a test begin with.
pub fn seed() -> u64 {
    std::env::var("JOBCONTROL_SEED").ok().map_or(1, |seed| seed.parse().expect("a number"))
}

/// Waits until something is so, and fails if that takes too long.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(90);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}
