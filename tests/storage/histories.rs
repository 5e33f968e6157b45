//! What the store knows of many jobs at once.

use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::status::JobHistory;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Mark;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;

use super::create;
use super::noon_plus;
use super::rules;

rules! {
    a_history_tells_the_newest_the_latest_success_and_the_last_good_build
    jobs_come_in_the_order_that_was_asked_for
    a_success_that_never_started_is_nobodys_latest
    a_build_with_arguments_given_by_hand_says_nothing_of_its_job
    the_newest_builds_of_many_jobs_are_read_as_marks
}

/// Ids of the newest, the latest successful and the last good build, and of the newest that
/// finished unskipped.
fn short(history: &JobHistory) -> (Option<u64>, Option<u64>, Option<u64>, Option<u64>) {
    let id = |build: &Option<Arc<Build>>| build.as_ref().map(|build| build.id);
    (id(&history.newest), id(&history.latest), id(&history.last_good), id(&history.ended))
}

fn of(store: &dyn Storage, job: &str) -> (Option<u64>, Option<u64>, Option<u64>, Option<u64>) {
    short(&store.get_job_histories(&[job]).unwrap()[0])
}

fn a_history_tells_the_newest_the_latest_success_and_the_last_good_build(store: &dyn Storage, _: &ManualClock) {
    assert_eq!(of(store, "a"), (None, None, None, None));
    let build = |finish: Option<Finish>| {
        let id = create(store, "a");
        store.start_build(id).unwrap();
        finish.into_iter().for_each(|finish| store.finish_build(id, finish).unwrap());
        id
    };
    let skipped = build(Some(Finish { skipped: true, ..Finish::default() }));
    assert_eq!(of(store, "a"), (Some(skipped), None, Some(skipped), None));
    let failed = create(store, "a");
    store.finish_build_with_exception(failed, Failure::new(FailureKind::Error, "no")).unwrap();
    assert_eq!(of(store, "a"), (Some(failed), None, Some(skipped), Some(failed)));
    let good = build(Some(Finish::default()));
    assert_eq!(of(store, "a"), (Some(good), Some(good), Some(good), Some(good)));
    let failing = create(store, "a");
    store.finish_build_with_exception(failing, Failure::new(FailureKind::Error, "no")).unwrap();
    assert_eq!(of(store, "a"), (Some(failing), Some(good), Some(good), Some(failing)));
    let skipped = build(Some(Finish { skipped: true, ..Finish::default() }));
    let running = build(None);
    assert_eq!(of(store, "a"), (Some(running), Some(good), Some(skipped), Some(failing)));
    let (all, one) = (store.get_job_histories(&["a"]).unwrap(), store.get_build(good).unwrap().brief());
    assert_eq!(all[0].latest.as_deref(), Some(&one));
    store.delete_build(good).unwrap();
    assert_eq!(of(store, "a"), (Some(running), None, Some(skipped), Some(failing)));
    store.write(Write::PrepareDelete(failing)).unwrap();
    assert_eq!(of(store, "a"), (Some(running), None, Some(skipped), Some(failed)));
}

fn jobs_come_in_the_order_that_was_asked_for(store: &dyn Storage, _: &ManualClock) {
    let odd = "it's \"odd\" \\ ünï";
    let jobs: Vec<String> = (0..50).map(|n| format!("job-{}", n * 7 % 50)).chain([odd.to_owned()]).collect();
    let ids: Vec<u64> = jobs.iter().map(|job| create(store, job)).collect();
    let asked: Vec<&str> = jobs.iter().rev().map(String::as_str).chain(["missing"]).collect();
    let newest: Vec<_> = store.get_job_histories(&asked).unwrap().iter().map(|history| short(history).0).collect();
    let expected: Vec<_> = ids.iter().rev().map(|id| Some(*id)).chain([None]).collect();
    assert_eq!(newest, expected);
    assert_eq!(store.get_job_histories(&[]).unwrap(), []);
}

fn a_success_that_never_started_is_nobodys_latest(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.finish_build(id, Finish::default()).unwrap();
    assert_eq!(of(store, "a"), (Some(id), None, Some(id), Some(id)));
    assert_eq!(store.get_latest_successful_build("a").unwrap(), None);
}

fn a_build_with_arguments_given_by_hand_says_nothing_of_its_job(store: &dyn Storage, _: &ManualClock) {
    let with = |overrides: &[(&str, i128)]| {
        let given = overrides.iter().map(|(name, value)| (*name, Value::Int(*value)));
        let id = store.create_build("a", &Value::entry("overrides", Value::map(given))).unwrap();
        store.start_build(id).unwrap();
        id
    };
    let good = with(&[]);
    store.finish_build(good, Finish::default()).unwrap();
    let edited = with(&[("x", 1)]);
    store.finish_build(edited, Finish::default()).unwrap();
    let skipped = with(&[("x", 1)]);
    store.finish_build(skipped, Finish { skipped: true, ..Finish::default() }).unwrap();
    let failed = with(&[("x", 2)]);
    store.finish_build_with_exception(failed, Failure::new(FailureKind::Error, "no")).unwrap();
    assert_eq!(of(store, "a"), (Some(failed), Some(good), Some(good), Some(good)));
    assert_eq!(store.get_latest_successful_build("a").unwrap().map(|build| build.id), Some(good));
    let listed = |edited: bool| {
        let filter = BuildFilter { edited: Some(edited), ..BuildFilter::job("a") };
        store.get_job_builds(&filter).unwrap().iter().map(|build| build.id).collect::<Vec<_>>()
    };
    assert_eq!((listed(false), listed(true)), (vec![good], vec![edited, skipped, failed]));
    store.delete_build(good).unwrap();
    assert_eq!(of(store, "a"), (Some(failed), None, None, None));
}

fn the_newest_builds_of_many_jobs_are_read_as_marks(store: &dyn Storage, clock: &ManualClock) {
    let mut ids = Vec::new();
    for job in ["a", "b", "a", "a", "a"] {
        let id = create(store, job);
        ids.push(id);
        clock.set(noon_plus(10));
        store.start_build(id).unwrap();
        clock.set(noon_plus(12));
        if id != ids[0] {
            store.finish_build(id, Finish::default()).unwrap();
        }
    }
    let marks = store.get_marks(&["b", "nothing", "a"], 3).unwrap();
    let told: Vec<Vec<u64>> = marks.iter().map(|marks| marks.iter().map(|mark| mark.id).collect()).collect();
    assert_eq!(told, [vec![ids[1]], vec![], vec![ids[2], ids[3], ids[4]]], "oldest first");
    assert_eq!(marks[0][0], Mark { id: ids[1], status: BuildStatus::Successful, took: Some(2_000_000) });
    let all = store.get_marks(&["a"], 9).unwrap();
    assert_eq!(all[0][0], Mark { id: ids[0], status: BuildStatus::Running, took: None });
}
