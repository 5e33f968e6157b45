//! Rules of builds: how they are created, started, finished, found and deleted.

use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::value;
use jobcontrol_core::value::Value;

use super::NOON;
use super::config;
use super::create;
use super::ids;
use super::list;
use super::logs::info;
use super::nested;
use super::noon_plus;
use super::records;
use super::rules;

rules! {
    a_new_build_has_neither_started_nor_finished
    a_config_that_cannot_be_packed_makes_no_build
    ids_rise_and_never_return
    a_build_starts_and_finishes_at_its_times
    success_is_true_where_nobody_says
    a_skipped_build_is_a_success_as_well
    flags_are_kept_as_they_are_passed
    finishing_again_changes_it
    a_return_value_comes_back_with_its_digest
    a_build_may_end_without_having_started
    filters_combine
    order_is_ascending_and_limit_100_where_nobody_says
    brief_leaves_out_what_can_be_large
    the_latest_successful_build_is_neither_skipped_nor_failed
    deleting_a_build_takes_its_own_and_nothing_else
    an_unknown_build_is_not_found
    a_guarded_finish_is_for_the_owner_of_the_attempt
    a_build_that_has_not_started_has_no_owner_to_end_it
    a_build_can_be_created_started
    running_builds_are_listed_without_what_is_large
    plugins_are_kept_by_digest
    the_store_keeps_its_id
    installing_again_changes_nothing
    uninstalled_and_installed_it_is_empty_and_works
    values_are_packed_and_unpacked
}

fn finish(store: &dyn Storage, id: u64, success: bool, skipped: bool) {
    store.finish_build(id, Finish { success: Some(success), skipped, ..Finish::default() }).unwrap();
}

fn a_new_build_has_neither_started_nor_finished(store: &dyn Storage, _: &ManualClock) {
    let id = store.create_build("fetch", &config()).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!(build.status(), BuildStatus::Created);
    let expected = Build {
        id,
        job_id: "fetch".to_owned(),
        created: NOON,
        start_time: None,
        end_time: None,
        started: false,
        finished: false,
        success: false,
        skipped: false,
        config: config(),
        edited: false,
        pins: Vec::new(),
        run: None,
        rerun_of: None,
        pool: None,
        retval: None,
        skip_reason: None,
        usage: None,
        exception: None,
        exception_tb: Vec::new(),
        owner: None,
        worker: None,
        attempt: 0,
        attempt_time: None,
        retry_time: None,
        cancel: None,
        deleting: false,
        plugin: None,
        retval_type: None,
        retval_digest: None,
    };
    assert_eq!(build, expected);
    assert_eq!(store.get_job_builds(&BuildFilter::job("fetch")).unwrap(), [expected]);
}

fn a_config_that_cannot_be_packed_makes_no_build(store: &dyn Storage, _: &ManualClock) {
    let error = store.create_build("fetch", &nested(129)).unwrap_err();
    assert_eq!(error, StorageError::Refused("the build config: the value nests deeper than 128 levels".to_owned()));
    assert_eq!(store.get_job_builds(&BuildFilter::default()), Ok(Vec::new()));
}

fn ids_rise_and_never_return(store: &dyn Storage, _: &ManualClock) {
    let (first, second) = (create(store, "a"), create(store, "b"));
    assert!(first >= 1 && second > first);
    store.delete_build(second).unwrap();
    let third = create(store, "a");
    assert!(third > second);
    store.delete_build(first).unwrap();
    store.delete_build(third).unwrap();
    assert!(create(store, "a") > third);
}

fn a_build_starts_and_finishes_at_its_times(store: &dyn Storage, clock: &ManualClock) {
    let id = create(store, "fetch");
    clock.set(noon_plus(1));
    store.start_build(id).unwrap();
    let running = store.get_build(id).unwrap();
    assert_eq!(running.status(), BuildStatus::Running);
    assert_eq!((running.start_time, running.end_time, running.attempt), (Some(noon_plus(1)), None, 1));
    clock.set(noon_plus(3));
    store.finish_build(id, Finish::default()).unwrap();
    let done = store.get_build(id).unwrap();
    assert_eq!(done.status(), BuildStatus::Successful);
    let times = (done.created, done.start_time, done.end_time);
    assert_eq!(times, (NOON, Some(noon_plus(1)), Some(noon_plus(3))));
    assert_eq!((done.started, done.finished, done.success, done.skipped), (true, true, true, false));
    assert_eq!((done.retval, done.retval_digest, done.exception), (None, None, None));
}

fn success_is_true_where_nobody_says(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "fetch");
    store.finish_build(id, Finish { success: None, ..Finish::default() }).unwrap();
    assert!(store.get_build(id).unwrap().success);
}

fn a_skipped_build_is_a_success_as_well(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "fetch");
    store.start_build(id).unwrap();
    store.finish_build(id, Finish { skipped: true, ..Finish::default() }).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.success, build.skipped, build.status()), (true, true, BuildStatus::Skipped));
}

fn flags_are_kept_as_they_are_passed(store: &dyn Storage, _: &ManualClock) {
    for (success, skipped) in [(false, false), (false, true), (true, false), (true, true)] {
        let id = create(store, "fetch");
        finish(store, id, success, skipped);
        let build = store.get_build(id).unwrap();
        assert_eq!((build.success, build.skipped), (success, skipped));
    }
}

fn finishing_again_changes_it(store: &dyn Storage, clock: &ManualClock) {
    let id = create(store, "fetch");
    store.start_build(id).unwrap();
    store.finish_build_with_exception(id, Failure::new(FailureKind::Error, "no orders")).unwrap();
    assert_eq!(store.get_build(id).unwrap().status(), BuildStatus::Failed);
    clock.set(noon_plus(9));
    store.finish_build(id, Finish { retval: Some(Value::Int(4)), ..Finish::default() }).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.end_time), (BuildStatus::Successful, Some(noon_plus(9))));
    assert_eq!((build.retval, build.exception), (Some(Value::Int(4)), None));
    finish(store, id, false, false);
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.retval, build.retval_digest), (BuildStatus::Failed, None, None));
}

fn a_return_value_comes_back_with_its_digest(store: &dyn Storage, _: &ManualClock) {
    for retval in [Value::Null, config(), nested(128), Value::Bytes(vec![7; 100_000])] {
        let id = create(store, "fetch");
        store.finish_build(id, Finish { retval: Some(retval.clone()), ..Finish::default() }).unwrap();
        let build = store.get_build(id).unwrap();
        assert_eq!(build.retval_digest, Some(value::digest(&store.pack(&retval).unwrap())));
        assert_eq!((build.retval, build.success), (Some(retval), true));
    }
}

fn a_build_may_end_without_having_started(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "fetch");
    store.finish_build_with_exception(id, Failure::new(FailureKind::Cancelled, "in the queue")).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.started, build.start_time), (BuildStatus::Failed, false, None));
    assert_eq!(store.get_latest_successful_build("fetch"), Ok(None));
}

/// One build in each state: created, running, failed, skipped, successful; then another job's
/// success.
fn one_of_each(store: &dyn Storage) -> [u64; 6] {
    let builds = ["a", "a", "a", "a", "a", "b"].map(|job| create(store, job));
    builds[1..].iter().for_each(|id| store.start_build(*id).unwrap());
    let [_, _, failed, skipped, successful, other] = builds;
    finish(store, failed, false, false);
    finish(store, skipped, true, true);
    finish(store, successful, true, false);
    finish(store, other, true, false);
    builds
}

fn filters_combine(store: &dyn Storage, _: &ManualClock) {
    let [created, running, failed, skipped, successful, other] = one_of_each(store);
    let all = BuildFilter::default;
    let found = |filter| list(store, &filter);
    assert_eq!(found(all()), [created, running, failed, skipped, successful, other]);
    assert_eq!(found(BuildFilter::job("b")), [other]);
    assert_eq!(found(BuildFilter::job("c")), [0; 0]);
    assert_eq!(found(BuildFilter { started: Some(false), ..all() }), [created]);
    assert_eq!(found(BuildFilter { finished: Some(false), ..all() }), [created, running]);
    assert_eq!(found(BuildFilter { finished: Some(false), started: Some(true), ..all() }), [running]);
    assert_eq!(found(BuildFilter { finished: Some(true), ..all() }), [failed, skipped, successful, other]);
    assert_eq!(found(BuildFilter { success: Some(true), ..all() }), [skipped, successful, other]);
    assert_eq!(found(BuildFilter { success: Some(false), ..all() }), [created, running, failed]);
    assert_eq!(found(BuildFilter { success: Some(false), finished: Some(true), ..all() }), [failed]);
    assert_eq!(found(BuildFilter { skipped: Some(true), ..all() }), [skipped]);
    let good = BuildFilter { success: Some(true), skipped: Some(false), ..all() };
    assert_eq!(found(good.clone()), [successful, other]);
    assert_eq!(found(BuildFilter { job_id: Some("a".to_owned()), ..good }), [successful]);
}

fn order_is_ascending_and_limit_100_where_nobody_says(store: &dyn Storage, _: &ManualClock) {
    let created: Vec<_> = (0..103).map(|_| create(store, "a")).collect();
    assert_eq!(list(store, &BuildFilter::default()), created[..100]);
    assert_eq!(list(store, &BuildFilter::job("a")), created[..100]);
    let newest = BuildFilter { order: Order::Desc, limit: 2, ..BuildFilter::default() };
    assert_eq!(list(store, &newest), [created[102], created[101]]);
    assert_eq!(list(store, &BuildFilter { limit: 0, ..newest.clone() }), [0; 0]);
    assert_eq!(list(store, &BuildFilter { limit: u64::MAX, ..newest }).len(), 103);
}

fn brief_leaves_out_what_can_be_large(store: &dyn Storage, _: &ManualClock) {
    let id = store.create_build("a", &config()).unwrap();
    let head = Failure::new(FailureKind::Error, "no orders");
    let (frames, causes) = (vec![Frame::default()], vec![Cause::default()]);
    let failure = Failure { value: Some(config()), causes, frames, ..head.clone() };
    let failed =
        Finish { success: Some(false), retval: Some(Value::Int(1)), exception: Some(failure), ..Finish::default() };
    store.finish_build(id, failed).unwrap();
    let whole = store.get_build(id).unwrap();
    let brief = store.get_job_builds(&BuildFilter { brief: true, ..BuildFilter::default() }).unwrap();
    assert_eq!(whole.exception_tb.len(), 1);
    let expected =
        Build { retval: None, exception: Some(head), exception_tb: Vec::new(), retval_type: None, ..whole.clone() };
    assert_eq!((&brief[..], whole.brief()), (&[expected.clone()][..], expected));
}

fn the_latest_successful_build_is_neither_skipped_nor_failed(store: &dyn Storage, _: &ManualClock) {
    assert_eq!(store.get_latest_successful_build("a"), Ok(None));
    let [_, _, _, _, successful, other] = one_of_each(store);
    let latest = |job: &str| store.get_latest_successful_build(job).unwrap().map(|build| build.id);
    assert_eq!((latest("a"), latest("b"), latest("c")), (Some(successful), Some(other), None));
    for (success, skipped) in [(true, true), (false, false)] {
        let id = create(store, "a");
        store.start_build(id).unwrap();
        finish(store, id, success, skipped);
        assert_eq!(latest("a"), Some(successful));
    }
    let newer = store.create_build("a", &config()).unwrap();
    store.start_build(newer).unwrap();
    assert_eq!(latest("a"), Some(successful));
    finish(store, newer, true, false);
    assert_eq!(store.get_latest_successful_build("a"), Ok(Some(store.get_build(newer).unwrap())));
    store.delete_build(newer).unwrap();
    assert_eq!(latest("a"), Some(successful));
}

fn deleting_a_build_takes_its_own_and_nothing_else(store: &dyn Storage, _: &ManualClock) {
    let builds = ["a", "a", "b"].map(|job| create(store, job));
    for id in builds {
        store.report_build_progress(id, &["rows"], 1, 2, "").unwrap();
        store.log_message(id, info(NOON, "hello")).unwrap();
    }
    let [before, deleted, after] = builds;
    store.delete_build(deleted).unwrap();
    assert_eq!(store.get_build(deleted), Err(StorageError::NotFound(deleted)));
    assert_eq!(store.get_build_progress_info(deleted), Ok(Vec::new()));
    assert_eq!(list(store, &BuildFilter::default()), [before, after]);
    let left: Vec<_> = records(store, &LogFilter::default()).iter().map(|record| record.build_id).collect();
    assert_eq!(left, [before, after]);
    for id in [before, after] {
        assert_eq!(store.get_build_progress_info(id).unwrap().len(), 1);
    }
}

fn an_unknown_build_is_not_found(store: &dyn Storage, _: &ManualClock) {
    create(store, "a");
    let record = || NewRecord { ..info(NOON, "hello") };
    // The largest numbers are no ids that SQLite can hold, and no less unknown.
    for id in [0, 99, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let missing = StorageError::NotFound(id);
        assert_eq!(store.get_build(id), Err(missing.clone()));
        assert_eq!(store.start_build(id), Err(missing.clone()));
        assert_eq!(store.finish_build(id, Finish::default()), Err(missing.clone()));
        assert_eq!(store.finish_build_with_exception(id, Failure::new(FailureKind::Error, "")), Err(missing.clone()));
        assert_eq!(store.delete_build(id), Err(missing.clone()));
        assert_eq!(store.log_message(id, record()), Err(missing.clone()));
        assert_eq!(store.report_build_progress(id, &["rows"], 1, 2, ""), Err(missing.clone()));
        assert_eq!(store.update_build_progress(id, 1, 2), Err(missing.clone()));
        assert_eq!(guarded(store, id, "me", 1), Err(missing));
        assert_eq!(store.get_build_progress_info(id), Ok(Vec::new()));
        assert_eq!(records(store, &LogFilter { build_id: Some(id), ..LogFilter::default() }), []);
        assert_eq!(store.prune_log_messages(None, Some(id), None, None), Ok(0));
    }
    assert_eq!(store.get_build_progress_info(1), Ok(Vec::new()));
    assert_eq!(store.get_job_builds(&BuildFilter::default()).unwrap().len(), 1);
}

fn guarded(store: &dyn Storage, id: u64, owner: &str, attempt: u32) -> Result<(), StorageError> {
    let guard = Guard { owner: Some(Arc::from(owner)), attempt };
    let finish = pack_finish(id, Some(guard), store.clock().now(), Finish::default());
    store.write(Write::FinishBuild(finish)).map(drop)
}

fn start(store: &dyn Storage, id: u64, owner: &str) {
    let time = store.clock().now();
    store
        .write(Write::StartBuild(StartBuild { id, guard: None, owner: Some(Arc::from(owner)), pool_size: None, time }))
        .unwrap();
}

fn a_guarded_finish_is_for_the_owner_of_the_attempt(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let stale = Err(StorageError::Stale(id));
    start(store, id, "me");
    assert_eq!(guarded(store, id, "you", 1), stale);
    assert_eq!(guarded(store, id, "me", 2), stale);
    assert_eq!(guarded(store, id, "me", 0), stale);
    start(store, id, "you");
    assert_eq!(guarded(store, id, "me", 1), stale, "another process took it over");
    assert_eq!(guarded(store, id, "you", 1), stale);
    assert_eq!(store.get_build(id).unwrap().status(), BuildStatus::Running);
    assert_eq!(guarded(store, id, "you", 2), Ok(()));
    assert_eq!(guarded(store, id, "you", 2), stale, "it has ended");
    finish(store, id, false, false);
    assert_eq!(store.get_build(id).unwrap().status(), BuildStatus::Failed, "without a guard it still changes");
}

fn a_build_that_has_not_started_has_no_owner_to_end_it(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    assert_eq!(guarded(store, id, "me", 0), Err(StorageError::Stale(id)));
    store.start_build(id).unwrap();
    assert_eq!(guarded(store, id, "", 1), Err(StorageError::Stale(id)), "it was started by nobody in particular");
    assert!(!store.get_build(id).unwrap().finished);
}

fn a_build_can_be_created_started(store: &dyn Storage, _: &ManualClock) {
    store.write(Write::Plugin("00ff".into(), b"\0asm".as_slice().into())).unwrap();
    let new = NewBuild {
        job_id: Arc::from("a"),
        config: store.pack(&config()).unwrap().into(),
        pins: Arc::default(),
        plugin: Some(Arc::from("00ff")),
        retval_type: Some(Arc::from("list<string>")),
        created: noon_plus(5),
        owner: Some(Arc::from("me")),
        start: true,
        ..NewBuild::default()
    };
    let id = store.write(Write::CreateBuild(new)).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.attempt, build.owner.as_deref()), (BuildStatus::Running, 1, Some("me")));
    assert_eq!((build.created, build.start_time), (noon_plus(5), Some(noon_plus(5))));
    assert_eq!((build.plugin.as_deref(), build.retval_type.as_deref()), (Some("00ff"), Some("list<string>")));
    assert_eq!(build.config, config());
    assert_eq!(guarded(store, id, "me", 1), Ok(()));
}

fn running_builds_are_listed_without_what_is_large(store: &dyn Storage, _: &ManualClock) {
    let [_, running, ..] = one_of_each(store);
    let more: Vec<_> = (0..120).map(|_| store.create_build("b", &config()).unwrap()).collect();
    more.iter().for_each(|id| start(store, *id, "me"));
    let builds = store.get_running_builds().unwrap();
    assert_eq!(ids(&builds)[0], running);
    assert_eq!(ids(&builds)[1..], more, "there is no limit");
    assert!(builds[1..].iter().all(|build| build.retval_type.is_none() && build.owner.as_deref() == Some("me")));
}

fn plugins_are_kept_by_digest(store: &dyn Storage, _: &ManualClock) {
    let keep = |digest: &str, bytes: &[u8]| store.write(Write::Plugin(Arc::from(digest), Arc::from(bytes))).unwrap();
    assert_eq!(store.get_plugin("aa"), Ok(None));
    keep("aa", b"\0asm");
    keep("aa", b"\0asm");
    keep("bb", b"");
    assert_eq!(store.get_plugin("aa"), Ok(Some(b"\0asm".to_vec())));
    assert_eq!(store.get_plugin("bb"), Ok(Some(Vec::new())));
}

fn the_store_keeps_its_id(store: &dyn Storage, _: &ManualClock) {
    let id = store.store_id().unwrap();
    assert!(!id.is_empty());
    create(store, "a");
    store.install().unwrap();
    assert_eq!(store.store_id(), Ok(id));
}

fn installing_again_changes_nothing(store: &dyn Storage, _: &ManualClock) {
    let id = store.create_build("a", &config()).unwrap();
    store.update_build_progress(id, 1, 2).unwrap();
    store.log_message(id, info(NOON, "hello")).unwrap();
    let seen = || {
        let log = records(store, &LogFilter::default());
        (store.get_build(id), store.get_build_progress_info(id), log, store.store_id())
    };
    let before = seen();
    store.install().unwrap();
    store.install().unwrap();
    assert_eq!(seen(), before);
    assert!(create(store, "a") > id);
}

fn uninstalled_and_installed_it_is_empty_and_works(store: &dyn Storage, _: &ManualClock) {
    let old = one_of_each(store);
    old.iter().for_each(|id| store.log_message(*id, info(NOON, "hello")).unwrap());
    store.update_build_progress(old[0], 1, 2).unwrap();
    store.write(Write::Plugin(Arc::from("aa"), Arc::from(b"\0asm".as_slice()))).unwrap();
    store.uninstall().unwrap();
    store.uninstall().unwrap();
    store.install().unwrap();
    assert_eq!(store.get_job_builds(&BuildFilter::default()), Ok(Vec::new()));
    assert_eq!(records(store, &LogFilter::default()), []);
    assert_eq!(store.get_build_progress_info(old[0]), Ok(Vec::new()));
    assert_eq!(store.get_plugin("aa"), Ok(None));
    assert!(!store.store_id().unwrap().is_empty());
    let id = store.create_build("a", &config()).unwrap();
    store.start_build(id).unwrap();
    store.update_build_progress(id, 2, 2).unwrap();
    store.log_message(id, info(NOON, "again")).unwrap();
    finish(store, id, true, false);
    assert_eq!(store.get_latest_successful_build("a").unwrap().map(|build| build.id), Some(id));
    assert_eq!(records(store, &LogFilter::default()).len(), 1);
}

fn values_are_packed_and_unpacked(store: &dyn Storage, _: &ManualClock) {
    let packed = store.pack(&config()).unwrap();
    for safe in [true, false] {
        assert_eq!(store.unpack(&packed, safe), Ok(config()));
    }
    assert!(store.pack(&nested(129)).is_err());
    // Nothing, a byte that means nothing, a text that ends too soon, nesting without end, a value
    // and something else.
    let broken = [vec![], vec![0xc1], vec![0xa5, b'a'], vec![0x91; 10_000], vec![0xc0, 0xc0]];
    for bytes in broken {
        let reason = store.unpack(&bytes, false).expect_err("these bytes are no value");
        assert_eq!(store.unpack(&bytes, true), Ok(Value::String(format!("could not be read: {reason}"))));
    }
}
