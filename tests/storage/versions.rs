//! Stores of older versions, brought to today's, and copies put in the place of a store.

use std::path::Path;
use std::sync::Arc;

use jobcontrol::record::sqlite;
use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol::record::sqlite::VERSION;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;
use crate::harness::root;

/// A folder with a store as version 1 wrote it: builds 1 to 10 without 7, of every status, with
/// log, progress and plugins.
fn old() -> Folder {
    let store = std::fs::read(root().join("tests/stores/v1.db")).unwrap();
    Folder::new().file("jobcontrol.db", store).guest("add.wat").file("jobs/x.yaml", JOBS)
}

const JOBS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - { id: two, function: add:add, kwargs: { a: !retval one, b: 10 } }
";

fn version(path: &Path) -> Result<i64> {
    sqlite::version(path, &(Arc::new(|_: &str| {}) as _))
}

/// Rows that no migration may lose, by table.
fn counts(folder: &Folder, file: &str) -> Vec<i64> {
    let db = Connection::open(folder.path(file)).unwrap();
    ["build", "log", "build_progress", "plugin"]
        .iter()
        .map(|table| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap())
        .collect()
}

const ROWS: [i64; 4] = [9, 4, 1, 6];

fn statuses(folder: &Folder) -> Vec<String> {
    let builds = folder.json(&["builds"]);
    let builds = builds.as_array().unwrap_or_else(|| panic!("{builds}"));
    builds
        .iter()
        .map(|b| format!("{} {} {}", b["id"], b["job_id"].as_str().unwrap(), b["status"].as_str().unwrap()))
        .collect()
}

const STATUSES: [&str; 9] = [
    "1 one SUCCESSFUL",
    "2 two SUCCESSFUL",
    "3 bad FAILED",
    "4 skips SKIPPED",
    "5 talks SUCCESSFUL",
    "6 reports SUCCESSFUL",
    "8 two SUCCESSFUL",
    "9 spins RUNNING",
    "10 one CREATED",
];

#[test]
fn a_store_of_version_1_is_brought_forward_and_nothing_is_lost() {
    let folder = old();
    let said = format!(
        "the store `sqlite:jobcontrol.db` was upgraded from version 1 to {VERSION}; the old one is kept beside it\n"
    );
    folder.run(&["store", "migrate"]).code(0).stdout(&said);
    assert_eq!(version(&folder.path("jobcontrol.db")), Ok(VERSION));
    assert_eq!(
        (counts(&folder, "jobcontrol.db"), statuses(&folder)),
        (ROWS.to_vec(), STATUSES.map(str::to_owned).to_vec())
    );
    assert_eq!(
        (version(&folder.path("jobcontrol.db.v1.bak")), counts(&folder, "jobcontrol.db.v1.bak")),
        (Ok(1), ROWS.to_vec())
    );
    let build = |id: &str| folder.json(&["build", "show", id]);
    assert_eq!((&build("2")["retval"], &build("2")["pins"]["one"]["build"]), (&json!(13), &json!(1)));
    assert_eq!(build("3")["exception"]["message"], "integer divide by zero");
    assert_eq!(build("3")["exception_tb"][0]["line"], 4);
    assert_eq!(
        (&build("1")["attempt"], &build("10")["attempt"], &build("6")["progress"][0]["current"]),
        (&json!(1), &json!(0), &json!(3))
    );
    let log = folder.json(&["logs", "5"]);
    assert_eq!(log.as_array().map(Vec::len), Some(3), "{log}");
    folder
        .run(&["store", "migrate"])
        .code(0)
        .stdout(&format!("the store `sqlite:jobcontrol.db` is at version {VERSION}; there is nothing to do\n"));
    assert!(!folder.path("jobcontrol.db.v1.bak.2").exists());
}

#[test]
fn a_store_of_version_3_knows_of_no_requests_and_takes_those_of_new_builds() {
    let store = std::fs::read(root().join("tests/stores/v3.db")).unwrap();
    let folder = Folder::new().file("jobcontrol.db", store).guest("add.wat").file("jobs/x.yaml", JOBS);
    folder.run(&["store", "migrate"]).code(0);
    assert_eq!(version(&folder.path("jobcontrol.db")), Ok(VERSION));
    let build = folder.json(&["build", "show", "2"]);
    assert_eq!((&build["retval"], &build["http"]), (&json!(13), &Value::Null));
    folder.run(&["run", "two"]).code(0);
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let sql = "SELECT http_requests FROM builds WHERE id = ?1";
    let count = |id: u64| db.query_row(sql, [id], |row| row.get::<_, Option<u64>>(0)).unwrap();
    assert_eq!([count(2), count(4)], [None, None]);
}

#[test]
fn a_store_of_version_2_has_runs_and_pins_and_plain_columns_afterwards() {
    let store = std::fs::read(root().join("tests/stores/v2.db")).unwrap();
    let folder = Folder::new().file("jobcontrol.db", store).guest("attempts.wat");
    folder.write("jobs/x.yaml", "jobs:\n  - { id: bad, function: attempts:flaky, args: [1] }\n  - { id: end, function: attempts:flaky, args: [1], dependencies: [bad] }\n");
    folder.run(&["store", "migrate"]).code(0);
    let build = |id: &str| folder.json(&["build", "show", id]);
    let two = build("2");
    assert_eq!((&two["retval"], &two["pins"]["one"]["build"], &two["run"]), (&json!(13), &json!(1), &json!(1)));
    assert_eq!(
        (&two["config"]["pins"], &two["config"]["run"]),
        (&Value::Null, &Value::Null),
        "the config is the job's"
    );
    let rerun = build("5");
    assert_eq!((&rerun["rerun_of"], &rerun["config"]["overrides"]), (&json!(2), &json!({"b": 5})));
    assert_eq!(folder.json(&["logs", "6"])[0]["message"], "xüü");
    let caught = folder.json(&["logs", "7"]);
    assert_eq!((&caught[0]["message"], &caught[0]["exception_tb"][0]["file"]), (&json!("x"), &json!("xxxxx")));
    let runs = folder.json(&["runs"]);
    let told: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        ["SUCCESSFUL", "SUCCESSFUL", "FAILED", "SUCCESSFUL", "SUCCESSFUL", "SUCCESSFUL", "FAILED", "INTERRUPTED"]
    );
    assert_eq!((&runs[2]["targets"], &runs[2]["deps"]), (&json!(["end"]), &json!(true)));
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("SELECT failure_kind FROM builds WHERE id = 4"), "trap");
    assert_eq!(
        text("SELECT failure_message FROM attempts WHERE build_id = 3"),
        "wasm `unreachable` instruction executed"
    );
    assert_eq!(text("SELECT level_name || ' ' || message FROM logs WHERE build_id = 6"), "INFO xüü");
    // A run of which no plan was kept is planned anew.
    folder.run(&["runs", "rerun", "3", "--from-failed"]).code(0);
    assert_eq!(folder.json(&["runs", "show", "9"])["builds"]["successful"], 2);
    let last = folder.json(&["builds", "end"]);
    assert_eq!(last[0]["status"], "SUCCESSFUL");
}

#[test]
fn a_run_brings_the_store_forward_and_who_only_reads_does_not() {
    let folder = old();
    let says =
        format!("the store `jobcontrol.db` has version 1, this program needs {VERSION}: `jobcontrol store migrate`");
    for command in [&["builds"][..], &["jobs"], &["build", "show", "1"], &["logs", "5"]] {
        folder.run(command).code(5).stdout("").says(&says);
    }
    let would =
        format!("the store `sqlite:jobcontrol.db` would be backed up and upgraded from version 1 to {VERSION}\n");
    folder.run(&["store", "migrate", "--dry-run"]).code(0).stdout(&would);
    folder.run(&["store", "prune", "--dry-run"]).code(5).stdout("").says("`jobcontrol store migrate` upgrades it");
    assert_eq!((version(&folder.path("jobcontrol.db")), folder.path("jobcontrol.db.v1.bak").exists()), (Ok(1), false));
    folder.run(&["run", "two"]).code(0).stdout("13\n").says("build 9 was interrupted");
    assert_eq!(
        (version(&folder.path("jobcontrol.db")), version(&folder.path("jobcontrol.db.v1.bak"))),
        (Ok(VERSION), Ok(1))
    );
    assert_eq!(folder.json(&["builds", "two"]).as_array().map(Vec::len), Some(3));
}

#[test]
fn a_store_that_an_older_program_uses_is_left_to_it() {
    let folder = old();
    let owner = folder.store();
    owner.claim("older").unwrap();
    folder.run(&["store", "migrate"]).code(5).says("process older is running builds in it; wait until that has ended");
    folder.run(&["run", "one"]).code(5).says("process older is running builds in it");
    assert_eq!(version(&folder.path("jobcontrol.db")), Ok(1));
    drop(owner);
    folder.run(&["run", "one"]).code(0);
}

#[test]
fn a_migration_that_is_killed_can_be_done_again() {
    let folder = old();
    for round in 0..20 {
        let mut child = folder.start(&["store", "migrate"]);
        // From at once to well after the end, by turns.
        std::hint::black_box((0..round * 200_000_u32).map(std::hint::black_box).fold(0, u32::wrapping_add));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(counts(&folder, "jobcontrol.db"), ROWS, "round {round}");
        if version(&folder.path("jobcontrol.db")) != Ok(1) {
            break;
        }
    }
    folder.run(&["store", "migrate"]).code(0);
    assert_eq!(
        (counts(&folder, "jobcontrol.db"), version(&folder.path("jobcontrol.db"))),
        (ROWS.to_vec(), Ok(VERSION))
    );
    assert_eq!(counts(&folder, "jobcontrol.db.v1.bak"), ROWS);
}

#[test]
fn many_may_migrate_at_once_and_each_succeeds() {
    for _ in 0..10 {
        let folder = old();
        let path = folder.path("jobcontrol.db");
        let together = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            let migrate = || {
                let clock = Arc::new(SystemClock);
                let store = SqliteStorage::open(&path, clock, Arc::new(|_: &str| {})).unwrap();
                together.wait();
                store.install()
            };
            let ends: Vec<_> = (0..4).map(|_| scope.spawn(migrate)).collect();
            ends.into_iter().for_each(|end| assert_eq!(end.join().unwrap(), Ok(())));
        });
        assert_eq!((version(&path), version(&folder.path("jobcontrol.db.v1.bak"))), (Ok(VERSION), Ok(1)));
        assert_eq!(counts(&folder, "jobcontrol.db"), ROWS);
    }
}

#[test]
fn a_backup_of_before_is_not_overwritten() {
    let folder = old().file("jobcontrol.db.v1.bak", "precious");
    folder.run(&["store", "migrate"]).code(0);
    assert_eq!(std::fs::read(folder.path("jobcontrol.db.v1.bak")).unwrap(), b"precious");
    assert_eq!(version(&folder.path("jobcontrol.db.v1.bak.2")), Ok(1));
}

fn greeted() -> Folder {
    let folder = Folder::new().guest("add.wat").file("jobs/x.yaml", JOBS);
    folder.run(&["run", "one"]).code(0);
    folder.run(&["store", "backup", "copy.db"]).code(0);
    folder.run(&["run", "two"]).code(0);
    folder
}

fn builds(folder: &Folder, store: &str) -> usize {
    folder.json(&["--store", &format!("sqlite:{store}"), "builds"]).as_array().map_or(0, Vec::len)
}

#[test]
fn a_copy_is_put_in_the_place_of_the_store_which_is_kept() {
    let folder = greeted();
    let said = "the store `sqlite:jobcontrol.db` is a verified copy of `copy.db`; what was there is kept as `jobcontrol.db.replaced`\n";
    folder.run(&["store", "restore", "copy.db"]).code(0).stdout(said);
    assert_eq!(["jobcontrol.db", "jobcontrol.db.replaced", "copy.db"].map(|store| builds(&folder, store)), [1, 2, 1]);
    folder.run(&["run", "two"]).code(0).stdout("13\n");
    folder.run(&["store", "restore", "copy.db"]).code(0);
    assert_eq!(builds(&folder, "jobcontrol.db.replaced.2"), 2);
    std::fs::remove_file(folder.path("jobcontrol.db")).unwrap();
    folder
        .run(&["store", "restore", "copy.db"])
        .code(0)
        .stdout("the store `sqlite:jobcontrol.db` is a verified copy of `copy.db`\n");
    assert_eq!(builds(&folder, "jobcontrol.db"), 1);
}

#[test]
fn what_is_no_sound_copy_is_refused_and_the_store_stays() {
    let folder = greeted();
    let mut damaged = std::fs::read(folder.path("copy.db")).unwrap();
    let middle = 4096 + 8;
    damaged[middle..middle + 2000].fill(0xff);
    folder.write("damaged.db", damaged);
    folder.write("text.db", "not a database, but long enough to have a header if it were one".repeat(20));
    folder.write("empty.db", "");
    Connection::open(folder.path("foreign.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    std::fs::copy(folder.path("copy.db"), folder.path("newer.db")).unwrap();
    Connection::open(folder.path("newer.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = |file: &str, code: i32, says: &str| {
        folder.run(&["store", "restore", file]).code(code).stdout("").says(says);
        assert_eq!(builds(&folder, "jobcontrol.db"), 2, "{file}");
    };
    refused("damaged.db", 5, "damaged");
    refused("text.db", 5, "it is not a jobcontrol store");
    refused("empty.db", 2, "`empty.db` is an empty database, not a copy of a store");
    refused("foreign.db", 5, "is a database of another program");
    refused("newer.db", 5, "has version 99");
    refused("missing.db", 2, "there is no file `missing.db`");
    refused("jobcontrol.db", 2, "`jobcontrol.db` is the store itself");
    assert!(!folder.path("jobcontrol.db.replaced").exists());
}

#[test]
fn a_store_in_use_is_not_replaced() {
    let folder = greeted();
    let owner = folder.store();
    owner.claim("busy").unwrap();
    folder.run(&["store", "restore", "copy.db"]).code(2).says("is in use by process busy; nothing was replaced");
    drop(owner);
    let reader = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM build", [], |row| row.get(0)).unwrap();
    folder.run(&["store", "restore", "copy.db"]).code(2).says("is in use; nothing was replaced");
    drop(reader);
    assert_eq!(builds(&folder, "jobcontrol.db"), 2);
}

#[test]
fn a_damaged_store_can_be_replaced() {
    let folder = greeted();
    folder.write("jobcontrol.db", "no database at all");
    folder.run(&["store", "restore", "copy.db"]).code(0);
    assert_eq!(builds(&folder, "jobcontrol.db"), 1);
    assert_eq!(std::fs::read(folder.path("jobcontrol.db.replaced")).unwrap(), b"no database at all");
}

#[test]
fn a_copy_of_an_older_version_is_restored_and_then_brought_forward() {
    let folder = greeted();
    std::fs::copy(root().join("tests/stores/v1.db"), folder.path("old.db")).unwrap();
    folder.run(&["store", "restore", "old.db"]).code(0);
    folder.run(&["builds"]).code(5).says("has version 1");
    folder.run(&["store", "migrate"]).code(0);
    let ids: Vec<Value> = folder.json(&["builds"]).as_array().unwrap().iter().map(|b| b["id"].clone()).collect();
    assert_eq!(ids.len(), 9);
}

#[test]
fn a_store_of_version_4_has_no_runs_for_services_and_takes_some() {
    let store = std::fs::read(root().join("tests/stores/v4.db")).unwrap();
    let folder = Folder::new().file("jobcontrol.db", store).guest("add.wat").file("jobs/x.yaml", JOBS);
    folder.run(&["store", "migrate"]).code(0);
    let store = folder.store();
    assert_eq!((store.get_waiting_runs(9), store.get_reloads(None, 9)), (Ok(Vec::new()), Ok(Vec::new())));
    drop(store);
    let runs = folder.json(&["runs"]);
    let told: Vec<_> = runs.as_array().unwrap().iter().map(|run| (&run["status"], &run["held"])).collect();
    assert_eq!(told, [(&json!("SUCCESSFUL"), &json!(false)), (&json!("SUCCESSFUL"), &json!(false))]);
}

#[test]
fn a_store_of_version_5_learns_which_builds_had_arguments_given_by_hand() {
    let store = std::fs::read(root().join("tests/stores/v5.db")).unwrap();
    let folder = Folder::new().file("jobcontrol.db", store);
    folder.run(&["store", "migrate"]).code(0);
    let builds = folder.store().get_job_builds(&BuildFilter::default()).unwrap();
    assert_eq!(builds.iter().map(|build| build.edited).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(folder.store().get_latest_successful_build("one").unwrap().map(|build| build.id), Some(1));
}
