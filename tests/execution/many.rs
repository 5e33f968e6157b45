//! Many processes on one store: they share it without an error, and what is killed at any point
//! leaves a store in which nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::Folder;

/// Rounds of killing where nobody says how many; `ci/nightly` says a hundred.
const ROUNDS: u32 = 10;
/// Processes that are killed in each round.
const KILLED: usize = 3;
/// The longest that one of them is left, in microseconds: some end by themselves before.
const LONGEST: u64 = 500_000;

/// A quick job, one that says something, one that fails and is tried again, and a chain.
const JOBS: &str = "jobs:
  - { id: quick, function: attempts:flaky, args: [1] }
  - { id: talks, function: log_raw:write, args: [1, 0, 5, 0, 0, 20] }
  - { id: again, function: attempts:flaky, args: [3], retry: { attempts: 4, initial: 1ms, max: 20ms } }
  - { id: next, function: attempts:flaky, args: [!retval quick] }
  - { id: check, function: attempts:flaky, args: [1] }
";
const ALL: &[&str] = &["run", "--deps", "quick", "talks", "again", "next"];

fn folder() -> Folder {
    Folder::new().guest("attempts.wat").guest("log_raw.wat").file("jobs/jobs.yaml", JOBS)
}

/// Numbers that can be had again from their seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's MMIX generator; its high bits are good enough for moments.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What a process said of its builds before it was killed: the ends it told, with the status.
fn told(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let said = BufReader::new(child.stderr.take().expect("a pipe"));
    std::thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// `JOB: build 7 SUCCESSFUL in 3 ms` as the build and its status.
fn end_of(line: &str) -> Option<(u64, String)> {
    let mut words = line.split(": build ").nth(1)?.split(' ');
    let build = words.next()?.parse().ok()?;
    let status = words.next().filter(|word| ["SUCCESSFUL", "FAILED", "SKIPPED"].contains(word))?;
    Some((build, status.to_owned()))
}

#[expect(clippy::print_stdout, reason = "who repeats a failure needs its seed")]
#[test]
fn what_is_killed_at_any_point_loses_nothing() {
    let seed = std::env::var("JOBCONTROL_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let rounds = std::env::var("JOBCONTROL_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    println!("JOBCONTROL_KILL_SEED={seed} JOBCONTROL_KILL_ROUNDS={rounds}");
    let mut random = Random(seed);
    let folder = folder();
    folder.run(ALL).code(0);
    let mut known: Vec<(u64, String)> = Vec::new();
    for round in 0..rounds {
        let since = Instant::now();
        let mut children: Vec<_> = (0..KILLED)
            .map(|_| {
                let mut child = folder.start(ALL);
                let lines = told(&mut child);
                (child, lines, Duration::from_micros(random.below(LONGEST)))
            })
            .collect();
        children.sort_by_key(|(_, _, after)| *after);
        for (child, lines, after) in &mut children {
            // The moment of the kill is the input of this test; nothing is expected to have
            // happened by then.
            std::thread::sleep(after.saturating_sub(since.elapsed()));
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
            let lines: Vec<_> = lines.iter().collect();
            assert!(!lines.iter().any(|line| line.contains("locked") || line.contains("error")), "{lines:#?}");
            known.extend(lines.iter().filter_map(|line| end_of(line)));
        }
        folder.run(&["run", "check"]).code(0).stdout("1\n");
        sound(&folder, &known, &format!("seed {seed}, round {round}"));
    }
    assert!(rounds < 10 || !known.is_empty(), "no process came as far as the end of a build; seed {seed}");
}

/// Looks at every row.
fn sound(folder: &Folder, known: &[(u64, String)], when: &str) {
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    db.busy_timeout(Duration::from_secs(60)).unwrap();
    let number =
        |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or_else(|e| panic!("{when}: {e}"));
    let answer: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok", "{when}");
    let faults = [
        ("SELECT count(*) FROM pragma_foreign_key_check", "rows of builds that are not there"),
        (
            "SELECT count(*) FROM build WHERE finished = 0 AND (started = 0 OR job_id <> 'again')",
            "builds without attempts left that nobody runs and nobody ended",
        ),
        (
            "SELECT count(*) FROM run WHERE status IS NULL
             AND NOT EXISTS (SELECT 1 FROM build WHERE build.run = run.id AND finished = 0)",
            "runs that nobody works on and nobody ended",
        ),
        ("SELECT count(*) FROM build WHERE run IS NULL OR run NOT IN (SELECT id FROM run)", "builds of no run"),
        (
            "SELECT count(*) FROM build JOIN run ON run.id = build.run
             WHERE build.id < first_build OR build.id > coalesce(last_build, build.id)",
            "builds that their run does not find",
        ),
        ("SELECT max(id) - count(*) FROM run", "runs that vanished"),
        ("SELECT count(*) FROM build WHERE finished = 1 AND end_time IS NULL", "ends without a time"),
        ("SELECT count(*) FROM build WHERE end_time < start_time", "ends before the start"),
        ("SELECT count(*) FROM build WHERE success = 1 AND exception IS NOT NULL", "successes with a failure"),
        (
            "SELECT count(*) FROM build WHERE finished = 1 AND success = 0 AND exception IS NULL",
            "failures without a reason",
        ),
        (
            "SELECT count(*) FROM build WHERE finished = 1 AND retry_time IS NOT NULL",
            "ended builds that wait for an attempt",
        ),
        ("SELECT count(*) FROM build WHERE plugin NOT IN (SELECT digest FROM plugin)", "plugins that were not kept"),
        (
            "SELECT count(*) FROM build WHERE attempt > 1 AND
             (SELECT count(*) FROM attempt WHERE build_id = build.id AND number < build.attempt) <> attempt - 1",
            "attempts that were not kept",
        ),
        (
            "SELECT count(*) FROM log JOIN build ON build.id = log.build_id
             WHERE log.attempt > build.attempt OR log.attempt < 1 OR build.job_id <> 'talks'",
            "log records of somebody else",
        ),
        (
            "SELECT count(*) FROM build WHERE job_id = 'talks' AND success = 1
             AND (SELECT count(*) FROM log WHERE build_id = build.id) <> 20",
            "successes that lack records",
        ),
        ("SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'build') - max(id) FROM build", "ids that vanished"),
        ("SELECT max(id) - count(*) FROM build", "builds that vanished"),
    ];
    for (sql, what) in faults {
        assert_eq!(number(sql), 0, "{when}: {what}");
    }
    let status = "SELECT status FROM builds WHERE id = ?1";
    let mut seen = BTreeSet::new();
    for (build, told) in known {
        let kept: String =
            db.query_row(status, [build], |row| row.get(0)).unwrap_or_else(|e| panic!("{when}: build {build}: {e}"));
        assert_eq!(kept, *told, "{when}: build {build}");
        assert!(seen.insert(build), "{when}: build {build} was ended twice");
    }
}

#[test]
fn many_runs_at_once_share_a_store() {
    const RUNS: usize = 8;
    let folder = folder();
    let children: Vec<_> = (0..RUNS).map(|_| folder.start(ALL)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("locked") && !said.contains("error") && !said.contains("interrupted"), "{said}");
    }
    sound(&folder, &[], "after all of them");
    let builds = folder.json(&["builds", "--limit", "1000"]);
    let ids: Vec<_> = builds.as_array().unwrap().iter().map(|build| build["id"].clone()).collect();
    assert_eq!(ids, (1..=ids.len()).map(Value::from).collect::<Vec<_>>());
    let last = |job: &str| folder.json(&["builds", job]).as_array().unwrap().len();
    assert_eq!((last("talks"), last("again")), (RUNS, RUNS));
}
