//! How long the store keeps what.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use jobcontrol::record::pruner::Pruned;
use jobcontrol::record::pruner::prune;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::retention::DAY;
use jobcontrol_core::retention::Retention;
use jobcontrol_core::retention::YEAR;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
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
    a_deletion_that_was_begun_is_ended
    many_builds_go_newest_first
    builds_go_by_count_and_by_age_and_the_latest_success_stays
    the_latest_skipped_build_stays_where_it_tells_how_the_job_stands
    what_an_unfinished_build_uses_stays
    plugins_of_no_build_go
    a_plugin_that_became_one_of_a_build_stays
    a_look_deletes_nothing_and_tells_the_same
}

fn days(n: u64) -> i64 {
    i64::try_from(n * DAY).unwrap()
}

fn delete(store: &dyn Storage) -> impl FnMut(u64) -> Result<Option<String>, StorageError> + '_ {
    |id| store.delete_build(id).map(|()| None)
}

fn pruned(store: &dyn Storage, retention: &Retention) -> Pruned {
    prune(store, retention, Some(&BTreeSet::new()), Some(&mut delete(store))).unwrap()
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
    finished(
        store,
        Finish { success: Some(false), exception: Some(Failure::new(FailureKind::Error, "")), ..Finish::default() },
    )
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

fn the_latest_skipped_build_stays_where_it_tells_how_the_job_stands(store: &dyn Storage, _: &ManualClock) {
    let skip = || Finish { skipped: true, ..Finish::default() };
    let older = finished(store, skip());
    let good = finished(store, Finish::default());
    let skipped: Vec<u64> = (0..2).map(|_| finished(store, skip())).collect();
    let bad = failed(store);
    let keep = Retention { builds: Some(1), ..Retention::default() };
    assert_eq!(pruned(store, &keep).builds, [skipped[0], older]);
    assert_eq!(list(store, &BuildFilter::default()), [good, skipped[1], bad]);
}

fn what_an_unfinished_build_uses_stays(store: &dyn Storage, clock: &ManualClock) {
    let used = finished(store, Finish::default());
    let latest = finished(store, Finish::default());
    let user = store.write(Write::CreateBuild(super::using("b", used))).unwrap();
    clock.set(noon_plus(days(100)));
    let age = Retention { build_age: Some(DAY), ..Retention::default() };
    assert_eq!(pruned(store, &age).builds, [0_u64; 0]);
    store.finish_build(user, Finish { success: Some(false), ..Finish::default() }).unwrap();
    assert_eq!(pruned(store, &age).builds, [used]);
    assert_eq!(list(store, &BuildFilter::default()), [latest, user]);
}

fn a_deletion_that_was_begun_is_ended(store: &dyn Storage, _: &ManualClock) {
    let (old, begun) = (finished(store, Finish::default()), finished(store, Finish::default()));
    store.write(Write::PrepareDelete(begun)).unwrap();
    // What goes anyway keeps no place, neither as one of the count nor as the latest success.
    let keep = Retention { builds: Some(1), ..Retention::default() };
    assert_eq!(pruned(store, &keep).builds, [begun]);
    store.write(Write::PrepareDelete(old)).unwrap();
    assert_eq!(pruned(store, &Retention::default()).builds, [old]);
}

fn many_builds_go_newest_first(store: &dyn Storage, _: &ManualClock) {
    let mut all: Vec<u64> = (0..1_000).map(|_| create(store, "a")).collect();
    all.iter().for_each(|id| store.finish_build(*id, Finish { success: Some(false), ..Finish::default() }).unwrap());
    let kept = all.split_off(997);
    all.reverse();
    assert_eq!(pruned(store, &Retention { builds: Some(3), ..Retention::default() }).builds, all);
    assert_eq!(list(store, &BuildFilter::default()), kept);
}

fn keep_plugin(store: &dyn Storage, digest: &str) {
    store.write(Write::Plugin(digest.into(), digest.as_bytes().into())).unwrap();
}

fn made_with(store: &dyn Storage, digest: &str) -> Result<u64, StorageError> {
    let (job_id, config) = ("a".into(), [0xc0].as_slice().into());
    store.write(Write::CreateBuild(NewBuild { job_id, config, plugin: Some(digest.into()), ..NewBuild::default() }))
}

fn plugins_of_no_build_go(store: &dyn Storage, _: &ManualClock) {
    ["aa", "bb", "cc"].iter().for_each(|digest| keep_plugin(store, digest));
    let of_bb = made_with(store, "bb").unwrap();
    let orphans = |besides: &[u64]| store.get_orphaned_plugins(besides).unwrap();
    assert_eq!(orphans(&[]), (vec!["aa".to_owned(), "cc".to_owned()], of_bb));
    assert_eq!(orphans(&[99, of_bb]).0, ["aa", "bb", "cc"], "as if that build were gone");
    let told = prune(store, &Retention::default(), None, Some(&mut delete(store))).unwrap();
    assert_eq!(told.plugins, [""; 0], "what jobs pin is not known");
    let pins = BTreeSet::from(["cc".to_owned(), "dd".to_owned()]);
    let told = prune(store, &Retention::default(), Some(&pins), Some(&mut delete(store))).unwrap();
    assert_eq!(told.plugins, ["aa"]);
    let kept = |digest| store.get_plugin(digest).unwrap().is_some();
    assert_eq!(["aa", "bb", "cc"].map(kept), [false, true, true]);
    assert_eq!(pruned(store, &Retention::default()).plugins, ["cc"]);
}

fn a_plugin_that_became_one_of_a_build_stays(store: &dyn Storage, _: &ManualClock) {
    ["aa", "bb"].iter().for_each(|digest| keep_plugin(store, digest));
    made_with(store, "bb").unwrap();
    let (orphans, last) = store.get_orphaned_plugins(&[]).unwrap();
    assert_eq!(orphans, ["aa"]);
    // Another process is faster than the deletion.
    let build = made_with(store, "aa").unwrap();
    let go = |digest: &str, last| store.write(Write::PrunePlugin(digest.into(), last));
    assert_eq!((go("aa", last), go("aa", 0)), (Ok(0), Ok(0)));
    assert!(store.get_plugin("aa").unwrap().is_some());
    store.delete_build(build).unwrap();
    assert_eq!((go("aa", last), go("aa", u64::MAX), go("zz", 0)), (Ok(1), Ok(0), Ok(0)));
    // One that is slower learns it, and there is no build without its plugin.
    assert_eq!(made_with(store, "aa"), Err(StorageError::NoPlugin("aa".into())));
    assert_eq!(list(store, &BuildFilter::default()), [1]);
    keep_plugin(store, "aa");
    assert!(made_with(store, "aa").unwrap() > build);
}

fn a_look_deletes_nothing_and_tells_the_same(store: &dyn Storage, clock: &ManualClock) {
    logged(store);
    for _ in 0..3 {
        finished(store, Finish::default());
    }
    keep_plugin(store, "aa");
    keep_plugin(store, "bb");
    let first = made_with(store, "bb").unwrap();
    store.start_build(first).unwrap();
    store.finish_build(first, Finish { success: Some(false), ..Finish::default() }).unwrap();
    finished(store, Finish::default());
    clock.set(noon_plus(days(40)));
    let retention = Retention { builds: Some(1), ..Retention::default() };
    let told = prune(store, &retention, Some(&BTreeSet::new()), None).unwrap();
    assert_eq!((levels(store).len(), list(store, &BuildFilter::default()).len()), (5, 6));
    assert_eq!((told.builds.len(), told.plugins.as_slice()), (4, ["aa".to_owned(), "bb".to_owned()].as_slice()));
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
    let answer = folder.run(&["store", "prune"]).code(3).says("error[JC0611]: `two weeks` is not an age");
    for part in [
        "unknown key `trace`",
        "error[JC0611]: `keep` is a number of builds above 0",
        "`age` is a string, found the integer 5",
    ] {
        assert!(answer.stderr.contains(part), "`{part}` is not in {answer:#?}");
    }
}

/// A plugin whose function answers with this number, unlike any other test's.
fn answering(number: u32) -> String {
    format!(
        r#"(component
  (core module $m (func (export "f") (result i32) (i32.const {number})))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "f"))))"#
    )
}

#[test]
fn compiled_code_goes_with_its_plugin_and_no_other() {
    let folder = Folder::new().file("jobs/p.wat", answering(4_711)).file("jobs/q.wat", answering(4_712));
    folder.write("jobs/j.yaml", "jobs: [{ id: p, function: p:answer }, { id: q, function: q:answer }]");
    std::fs::create_dir(folder.path("cache")).unwrap();
    std::fs::set_permissions(folder.path("cache"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let cached = || {
        let files = std::fs::read_dir(folder.path("cache")).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|ext| ext == "cwasm")).count()
    };
    folder.run(&["--cache", "cache", "run", "p"]).code(0);
    folder.run(&["--cache", "cache", "run", "q"]).code(0);
    folder.run(&["build", "delete", "1"]).code(0);
    assert_eq!(cached(), 2);
    let prune = ["--cache", "cache", "store", "prune"];
    let would = folder.json(&[&prune[..], &["--dry-run"]].concat());
    assert_eq!((&would["plugins"], &would["compiled"]["entries"]), (&json!(1), &json!(1)));
    assert_eq!(cached(), 2);
    let done = folder.run(&prune).code(0).stdout;
    assert!(done.starts_with("deleted no builds, no log records and 1 plugin ("), "{done}");
    assert!(done.ends_with(" bytes of compiled code)\n"), "{done}");
    assert_eq!(cached(), 1);
    assert_eq!(folder.json(&prune)["compiled"], json!({ "entries": 0, "bytes": 0 }));
    folder.run(&["--cache", "cache", "run", "p"]).code(0).stdout("4711\n");
}

#[test]
fn a_plugin_that_a_job_pins_stays() {
    let folder = Folder::new().file("jobs/p.wat", answering(1));
    let digest = folder.json(&["inspect", "p"])["digest"].as_str().unwrap().to_owned();
    let pinning = format!("function: p@sha256:{digest}:answer\n");
    folder.write("jobs/j.yaml", &pinning);
    folder.run(&["run", "j"]).code(0);
    std::fs::remove_file(folder.path("jobs/p.wat")).unwrap();
    folder.run(&["build", "delete", "1"]).code(0);
    let none = "deleted no builds, no log records and no plugins\n";
    folder.run(&["store", "prune"]).code(0).stdout(none);
    folder.run(&["check"]).code(0);
    // Whatever else is wrong with the job, and with any file that cannot be read.
    folder.write("jobs/j.yaml", format!("{pinning}args: [too, many]\n"));
    folder.run(&["store", "prune"]).code(0).stdout(none);
    folder.write("jobs/j.yaml", format!("{pinning}argz: []\n"));
    let why = "plugins that no build uses are kept, because jobs may pin them: ";
    folder.run(&["store", "prune"]).code(0).stdout(none).says(why).says("unknown key `argz`");
    let told = folder.json(&["store", "prune"]);
    assert!(told["plugins_kept"].as_str().unwrap().starts_with(why), "{told}");
    folder
        .run(&["--jobs", "nowhere", "store", "prune"])
        .code(0)
        .stdout(none)
        .says("the jobs folder `nowhere` is missing");
    folder.write("jobs/j.yaml", &pinning);
    folder.run(&["run", "j"]).code(0).stdout("1\n");
    folder.run(&["build", "delete", "2"]).code(0);
    std::fs::remove_file(folder.path("jobs/j.yaml")).unwrap();
    assert_eq!(folder.json(&["store", "prune"])["plugins"], 1);
}
