//! How long the store keeps what.

use jobcontrol::record::pruner::Pruned;
use jobcontrol::record::pruner::prune;
use jobcontrol_core::build::Failure;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::retention::DAY;
use jobcontrol_core::retention::Retention;
use jobcontrol_core::retention::YEAR;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use serde_json::json;

use super::NOON;
use super::create;
use super::list;
use super::noon_plus;
use super::records;
use super::rules;
use crate::harness::Folder;

rules! {
    log_records_go_by_their_level
    a_level_that_stays_longer_than_the_next_is_kept
    builds_go_by_count_and_by_age_and_the_latest_success_stays
    what_an_unfinished_build_uses_stays
    plugins_of_no_build_go
    a_look_deletes_nothing_and_tells_the_same
}

fn days(n: u64) -> i64 {
    i64::try_from(n * DAY).unwrap()
}

fn delete(store: &dyn Storage) -> impl FnMut(u64) -> Result<(), String> + '_ {
    |id| store.delete_build(id).map_err(|error| error.to_string())
}

fn pruned(store: &dyn Storage, retention: &Retention) -> Pruned {
    prune(store, retention, true, Some(&mut delete(store))).unwrap()
}

/// One record of each level at noon, of build 1.
fn logged(store: &dyn Storage) {
    let id = create(store, "a");
    for level in Level::ALL {
        store.log_message(id, NewRecord::new(NOON, level, "", level.name())).unwrap();
    }
}

fn levels(store: &dyn Storage) -> Vec<i64> {
    records(store, &LogFilter::default()).iter().map(|record| record.record.level).collect()
}

fn log_records_go_by_their_level(store: &dyn Storage, clock: &ManualClock) {
    logged(store);
    let after = |n: u64| {
        clock.set(noon_plus(days(n) + 1));
        pruned(store, &Retention::default());
        levels(store)
    };
    assert_eq!(after(14), [10, 20, 30, 40, 50]);
    assert_eq!(after(15), [20, 30, 40, 50]);
    assert_eq!(after(30), [30, 40, 50]);
    assert_eq!(after(90), [40, 50]);
    assert_eq!(after(179), [40, 50]);
    assert_eq!(after(180), [0_i64; 0]);
}

fn a_level_that_stays_longer_than_the_next_is_kept(store: &dyn Storage, clock: &ManualClock) {
    logged(store);
    let retention = Retention { logs: [YEAR, DAY, YEAR, YEAR, 9 * YEAR], ..Retention::default() };
    clock.set(noon_plus(days(2)));
    let told = pruned(store, &retention);
    assert_eq!(told.log_records, [("DEBUG", 0), ("INFO", 1), ("WARNING", 0), ("ERROR", 0), ("CRITICAL", 0)]);
    assert_eq!(levels(store), [10, 30, 40, 50]);
    clock.set(noon_plus(days(366)));
    pruned(store, &retention);
    assert_eq!(levels(store), [0_i64; 0], "no record stays longer than all of them");
}

fn finished(store: &dyn Storage, finish: Finish) -> u64 {
    let id = create(store, "a");
    store.start_build(id).unwrap();
    store.finish_build(id, finish).unwrap();
    id
}

fn failed(store: &dyn Storage) -> u64 {
    finished(store, Finish { success: Some(false), exception: Some(Failure::new("error", "")), ..Finish::default() })
}

fn builds_go_by_count_and_by_age_and_the_latest_success_stays(store: &dyn Storage, clock: &ManualClock) {
    let old = finished(store, Finish::default());
    let good = finished(store, Finish::default());
    let bad: Vec<u64> = (0..3).map(|_| failed(store)).collect();
    let queued = create(store, "a");
    assert_eq!(pruned(store, &Retention::default()).builds, [0_u64; 0], "builds stay until somebody says otherwise");
    let keep = Retention { builds: Some(2), ..Retention::default() };
    assert_eq!(pruned(store, &keep).builds, [bad[0], old]);
    assert_eq!(list(store, &BuildFilter::default()), [good, bad[1], bad[2], queued]);
    let age = Retention { build_age: Some(10 * DAY), ..Retention::default() };
    assert_eq!(pruned(store, &age).builds, [0_u64; 0]);
    clock.set(noon_plus(days(10) + 1));
    assert_eq!(pruned(store, &age).builds, [bad[2], bad[1]]);
    assert_eq!(list(store, &BuildFilter::default()), [good, queued]);
}

fn what_an_unfinished_build_uses_stays(store: &dyn Storage, clock: &ManualClock) {
    let used = finished(store, Finish::default());
    let latest = finished(store, Finish::default());
    let pin = Value::Map(vec![("build".to_owned(), Value::Int(used.into())), ("retval".to_owned(), Value::Null)]);
    let config = Value::entry("pins", Value::entry("a", pin));
    let user = store.create_build("b", &config).unwrap();
    clock.set(noon_plus(days(100)));
    let age = Retention { build_age: Some(DAY), ..Retention::default() };
    assert_eq!(pruned(store, &age).builds, [0_u64; 0]);
    store.finish_build(user, Finish { success: Some(false), ..Finish::default() }).unwrap();
    assert_eq!(pruned(store, &age).builds, [used]);
    assert_eq!(list(store, &BuildFilter::default()), [latest, user]);
}

fn plugins_of_no_build_go(store: &dyn Storage, _: &ManualClock) {
    store.write(Write::Plugin("aa".into(), b"1".as_slice().into())).unwrap();
    store.write(Write::Plugin("bb".into(), b"2".as_slice().into())).unwrap();
    let new = jobcontrol_core::storage::NewBuild {
        job_id: "a".into(),
        config: [0xc0].as_slice().into(),
        plugin: Some("bb".into()),
        ..Default::default()
    };
    store.write(Write::CreateBuild(new)).unwrap();
    assert_eq!(store.get_orphaned_plugins().unwrap(), ["aa"]);
    assert_eq!(prune(store, &Retention::default(), false, Some(&mut delete(store))).unwrap().plugins, 0);
    assert_eq!(pruned(store, &Retention::default()).plugins, 1);
    assert_eq!((store.get_plugin("aa").unwrap(), store.get_plugin("bb").unwrap()), (None, Some(b"2".to_vec())));
}

fn a_look_deletes_nothing_and_tells_the_same(store: &dyn Storage, clock: &ManualClock) {
    logged(store);
    for _ in 0..3 {
        finished(store, Finish::default());
    }
    store.write(Write::Plugin("aa".into(), b"1".as_slice().into())).unwrap();
    clock.set(noon_plus(days(40)));
    let retention = Retention { builds: Some(1), ..Retention::default() };
    let told = prune(store, &retention, true, None).unwrap();
    assert_eq!((levels(store).len(), list(store, &BuildFilter::default()).len()), (5, 4));
    assert_eq!((told.builds.len(), told.plugins), (2, 1));
    assert_eq!(pruned(store, &retention), told);
}

const JOB: &str = "{ id: made, function: hooks:same, args: [13], cleanup_function: hooks:clean }";

#[test]
fn the_program_prunes_by_the_operators_file() {
    let folder = Folder::new().guest("hooks.wat").guest("sdk.wasm").file("jobs/made.yaml", JOB);
    folder.write("jobs/greet.yaml", "{ id: greet, function: sdk:greet, args: [Ann] }");
    folder.run(&["store", "prune"]).code(4).says("there is no store");
    (0..3).for_each(|_| drop(folder.run(&["run", "greet"]).code(0)));
    (0..2).for_each(|_| drop(folder.run(&["run", "made"]).code(0)));
    folder.run(&["store", "prune"]).code(0).stdout("deleted no builds, no log records and no plugins\n");
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    db.execute("UPDATE log SET created = 0 WHERE level = 10 AND build_id = 3", []).unwrap();
    drop(db);
    folder.write("jobcontrol.yaml", "retention: { builds: { keep: 1 } }");
    let would = "would delete 3 builds, 2 log records (DEBUG 2) and no plugins\n";
    folder.run(&["store", "prune", "--dry-run"]).code(0).stdout(would);
    let said = "deleted 2 builds, 2 log records (DEBUG 2) and no plugins\n";
    let says = "build 4 was not deleted: its cleanup_function `hooks:clean` failed";
    folder.run(&["store", "prune"]).code(1).stdout(said).says(says);
    folder.run(&["build", "delete", "4", "5", "--force"]).code(0);
    let told = folder.json(&["store", "prune"]);
    assert_eq!((&told["plugins"], &told["builds"], &told["dry_run"]), (&json!(1), &json!([]), &json!(false)));
}

#[test]
fn mistakes_in_the_operators_file_are_shown() {
    let folder = Folder::new().file(
        "jobcontrol.yaml",
        "retention:\n  logs: { debug: two weeks, trace: 1 day }\n  builds: { keep: 0, age: 5 }\n",
    );
    let answer = folder.run(&["store", "prune"]).code(3).says("error[JC0611]: `two weeks` is no age");
    for part in [
        "unknown key `trace`",
        "error[JC0611]: `keep` is a number of builds above 0",
        "`age` is a string, found an integer",
    ] {
        assert!(answer.stderr.contains(part), "`{part}` is not in {answer:#?}");
    }
}
