//! A soak: files are edited, runs asked for and cancelled, and one of two services is killed, all
//! at random. At the end nothing is lost, nothing was done twice, and nothing is stuck.
//! `JOBCONTROL_SOAK` says for how many seconds.

use std::time::Duration;
use std::time::Instant;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::Connection;

use crate::harness::Folder;
use crate::harness::serving::Serving;
use crate::harness::serving::says;

use super::folder;

/// Jobs with `on: change`, in three files that are edited.
const FILES: usize = 3;
/// Seconds without an order.
const DEFAULT: u64 = 60;

fn manifest(file: usize, value: u32) -> String {
    format!(
        "jobs:
  - {{ id: base-{file}, function: add:add, args: [{value}, 1], on: change }}
  - {{ id: mid-{file}, function: add:add, kwargs: {{ a: !retval base-{file}, b: 1 }}, on: change, pool: narrow }}
  - {{ id: top-{file}, function: add:add, kwargs: {{ a: !retval mid-{file}, b: !retval base-{file} }}, on: change }}
  - {{ id: flaky-{file}, function: attempts:flaky, args: [2], retry: {{ attempts: 9, initial: 5ms }}, dependencies: [base-{file}] }}
"
    )
}

struct Soak {
    folder: Folder,
    random: StdRng,
    services: Vec<Serving>,
    edits: u32,
    kills: u32,
}

impl Soak {
    fn act(&mut self) {
        let (file, job) =
            (self.random.random_range(0..FILES), ["base", "mid", "top", "flaky"][self.random.random_range(0..4)]);
        let id = format!("{job}-{file}");
        match self.random.random_range(0..20) {
            0..=5 => {
                self.edits += 1;
                let value = self.random.random_range(0..1_000);
                self.folder.write(&format!("jobs/soak-{file}.yaml"), manifest(file, value));
            }
            6 => self.folder.write(&format!("jobs/soak-{file}.yaml"), "jobs:\n  - { id: "),
            7..=10 => drop(self.folder.run(&["enqueue", &id, "--deps"])),
            11..=13 => drop(self.folder.run(&["run", &id, "--deps", "-q"])),
            14..=16 => {
                let runs = self.folder.json(&["runs", "--limit", "3"]);
                if let Some(run) = runs.as_array().and_then(|runs| runs.last()) {
                    drop(self.folder.run(&["runs", "cancel", &run["id"].to_string(), "--no-wait"]));
                }
            }
            which => {
                self.kills += 1;
                let service = self.services.remove(self.random.random_range(0..2));
                if which == 17 {
                    drop(service.stop());
                } else {
                    service.kill();
                }
                self.services.push(Serving::start(&self.folder, &["--grace", "2s"]));
            }
        }
    }
}

fn count(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Rows that must not be there, as text.
fn none(db: &Connection, what: &str, sql: &str) {
    let mut rows = db.prepare(sql).unwrap();
    let found: Vec<String> = rows
        .query_map([], |row| Ok(format!("{:?} {:?}", row.get_ref(0)?, row.get_ref(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(found.is_empty(), "{what}: {found:#?}");
}

#[expect(clippy::print_stdout, reason = "the seed makes it repeatable")]
#[test]
#[ignore = "it takes a minute: CI runs it by itself"]
fn nothing_is_lost_nothing_is_done_twice_and_nothing_is_stuck() {
    let seconds = std::env::var("JOBCONTROL_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT);
    let seed = std::env::var("JOBCONTROL_SOAK_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let folder = folder(&[
        "id: tick, function: add:add, args: [1, 2], schedule: { cron: '* * * * * *', catch_up: all, max: 10000, overlap: queue }",
    ]);
    folder.write("jobcontrol.yaml", "pools: { narrow: 1 }\n");
    (0..FILES).for_each(|file| folder.write(&format!("jobs/soak-{file}.yaml"), manifest(file, 0)));
    let first = Serving::start(&folder, &["--grace", "2s"]);
    first.until(|record| says(record, "schedule begins"));
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let began = count(&db, "SELECT last FROM schedule WHERE job_id = 'tick'");
    drop(db);
    let services = vec![first, Serving::start(&folder, &["--grace", "2s"])];
    let mut soak = Soak { folder, random: StdRng::seed_from_u64(seed), services, edits: 0, kills: 0 };
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        soak.act();
    }
    let Soak { folder, services, edits, kills, .. } = soak;
    (0..FILES).for_each(|file| folder.write(&format!("jobs/soak-{file}.yaml"), manifest(file, 7)));
    services.into_iter().for_each(|service| drop(service.stop()));
    // One more service does what is left. The schedule would go on for ever.
    folder.write("jobs/jobs.yaml", "");
    let last = Serving::start(&folder, &[]);
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let open = || count(&db, "SELECT count(*) FROM run WHERE status IS NULL");
    last.until(|record| says(record, "changes were looked at") && record["due"] == 0 && open() == 0);
    last.stop();
    println!(
        "seed {seed}: {edits} edits, {kills} services ended, {} builds, {} runs",
        count(&db, "SELECT count(*) FROM build"),
        count(&db, "SELECT count(*) FROM run")
    );
    sound(&db, began);
    assert!(!folder.path("jobcontrol.db.owners").exists(), "a lease is left");
}

/// What must be true of a store when all is over.
fn sound(db: &Connection, began: i64) {
    none(db, "builds that are not over", "SELECT id, job_id FROM build WHERE finished = 0");
    none(db, "runs that are not over", "SELECT id, targets FROM run WHERE status IS NULL");
    none(
        db,
        "builds without a run",
        "SELECT id, job_id FROM build WHERE run IS NULL OR run NOT IN (SELECT id FROM run)",
    );
    none(db, "builds done twice in a run", "SELECT run, job_id FROM build GROUP BY run, job_id HAVING count(*) > 1");
    none(
        db,
        "good runs with a bad build",
        "SELECT run.id, build.id FROM run JOIN build ON build.run = run.id WHERE run.status = 'SUCCESSFUL' AND build.success = 0",
    );
    none(db, "uses of what is gone", "SELECT build, used FROM pin WHERE used NOT IN (SELECT id FROM build)");
    none(db, "foreign keys", "SELECT \"table\", rowid FROM pragma_foreign_key_check");
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    // Each second is one run, or stands in a row that says why not.
    let due = count(db, "SELECT last FROM schedule WHERE job_id = 'tick'") / 1_000_000 - began / 1_000_000;
    let made = count(db, "SELECT count(*) FROM run WHERE requested_by = 'schedule:tick' AND dues IS NULL");
    let left_out = count(db, "SELECT coalesce(sum(dues), 0) FROM run WHERE requested_by = 'schedule:tick'");
    assert_eq!(due, made + left_out, "{made} made, {left_out} left out");
}
