//! Rules of attempts: each is told apart, only the owner of the newest goes on, and a cancel
//! reaches that owner.

use std::sync::Arc;

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::Raw;
use jobcontrol_core::storage::Assign;
use jobcontrol_core::storage::CancelRequests;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Traceback;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::storage::pack_frames;

use super::NOON;
use super::logs::info;
use super::noon_plus;
use super::records;
use super::rules;

rules! {
    attempts_are_told_apart
    a_build_of_one_attempt_is_that_attempt
    the_build_starts_with_its_first_attempt
    the_progress_of_an_attempt_goes_with_it
    records_carry_their_attempt
    only_the_owner_of_the_newest_attempt_goes_on
    a_build_that_waits_is_taken_over_once
    a_build_that_ended_is_not_tried_again
    a_cancel_reaches_the_owner_until_the_build_ends
    a_build_in_the_queue_is_ended_by_its_state
    names_and_lines_are_taken_once_for_each_attempt
}

fn failure(message: &str) -> Failure {
    let frames = vec![Frame { function: "inner".to_owned(), line: 7, ..Frame::default() }];
    Failure { frames, ..Failure::new(FailureKind::Trap, message) }
}

/// A failure as it is stored before its names and lines are found.
fn raw(message: &str) -> Failure {
    let raw = Some(Raw { offset: 77, why: String::new() });
    let frames = vec![Frame { function: "_ZN1a".to_owned(), raw, ..Frame::default() }];
    Failure { frames, ..Failure::new(FailureKind::Trap, message) }
}

fn names_and_lines_are_taken_once_for_each_attempt(store: &dyn Storage, _: &ManualClock) {
    let named = |name: &str| vec![Frame { function: name.to_owned(), line: 7, ..Frame::default() }];
    let trace = |id: u64, attempt: u32, name: &str| {
        let exception_tb = pack_frames(&named(name)).unwrap();
        store.write(Write::Traceback(Traceback { id, attempt, exception_tb }))
    };
    let id = started(store, "me");
    assert_eq!(trace(id, 1, "too early"), Ok(0));
    let (time, exception) = (store.clock().now(), store.pack_exception(raw("first")));
    let (of, due, owner) = (guard("me", 1), noon_plus(60), Arc::from("me"));
    let retry = RetryBuild { id, guard: of, time, exception, due, owner, run: RunOf::Nothing, usage: None };
    store.write(Write::RetryBuild(retry)).unwrap();
    let start = StartBuild { id, guard: Some(guard("me", 1)), owner: Some("me".into()), pool_size: None, time };
    store.write(Write::StartBuild(start)).unwrap();
    store.finish_build_with_exception(id, raw("second")).unwrap();
    assert_eq!(store.get_build(id).unwrap().exception_tb, raw("second").frames);
    assert_eq!((trace(id, 3, "no such attempt"), trace(id + 1, 1, "no such build").is_err()), (Ok(0), true));
    for (attempt, name) in [(2, "second"), (1, "first")] {
        assert_eq!((trace(id, attempt, name), trace(id, attempt, "again")), (Ok(1), Ok(0)));
    }
    assert_eq!(store.get_build(id).unwrap().exception_tb, named("second"));
    let ended = store.get_ended_attempts(id).unwrap();
    assert_eq!(ended[0].failure.as_ref().unwrap().frames, named("first"));
    // What the plugin's language told is not raw.
    let other = started(store, "me");
    store.finish_build_with_exception(other, failure("told")).unwrap();
    assert_eq!(trace(other, 1, "unasked"), Ok(0));
    assert_eq!(store.get_build(other).unwrap().exception_tb, failure("told").frames);
}

fn started(store: &dyn Storage, owner: &str) -> u64 {
    let owner = Some(Arc::from(owner));
    let new = NewBuild {
        job_id: "a".into(),
        config: store.pack(&super::config()).unwrap().into(),
        owner,
        start: true,
        created: NOON,
        ..NewBuild::default()
    };
    store.write(Write::CreateBuild(new)).unwrap()
}

fn guard(owner: &str, attempt: u32) -> Guard {
    Guard { owner: Some(Arc::from(owner)), attempt }
}

fn retry(store: &dyn Storage, id: u64, of: (&str, u32), to: &str, message: &str) -> Result<u64> {
    let time = store.clock().now();
    let exception = store.pack_exception(failure(message));
    let (guard, due, owner) = (guard(of.0, of.1), noon_plus(60), Arc::from(to));
    store.write(Write::RetryBuild(RetryBuild {
        id,
        guard,
        time,
        exception,
        due,
        owner,
        run: RunOf::Nothing,
        usage: None,
    }))
}

fn next(store: &dyn Storage, id: u64, owner: &str, after: u32) -> Result<u64> {
    let (guard, time) = (Some(guard(owner, after)), store.clock().now());
    store.write(Write::StartBuild(StartBuild { id, guard, owner: Some(Arc::from(owner)), pool_size: None, time }))
}

fn assign(store: &dyn Storage, id: u64, of: (&str, u32), worker: &str) -> Result<u64> {
    store.write(Write::Assign(Assign { id, guard: guard(of.0, of.1), worker: Some(Arc::from(worker)) }))
}

fn finish(store: &dyn Storage, id: u64, guard: Guard) -> Result<u64> {
    let failed = Finish { success: Some(false), exception: Some(failure("the last")), ..Finish::default() };
    store.write(Write::FinishBuild(pack_finish(id, Some(guard), store.clock().now(), failed)))
}

fn attempts(store: &dyn Storage, id: u64) -> Vec<Attempt> {
    store.get_build(id).unwrap().attempts(store.get_ended_attempts(id).unwrap())
}

fn attempts_are_told_apart(store: &dyn Storage, clock: &ManualClock) {
    let id = started(store, "me");
    assign(store, id, ("me", 1), "w1").unwrap();
    assert_eq!(store.get_build(id).unwrap().worker.as_deref(), Some("w1"));
    clock.set(noon_plus(1));
    retry(store, id, ("me", 1), "me", "the first").unwrap();
    let waits = store.get_build(id).unwrap();
    assert_eq!((waits.status(), waits.attempt, waits.retry_time), (BuildStatus::Running, 1, Some(noon_plus(60))));
    let first = Attempt {
        number: 1,
        start_time: NOON,
        end_time: Some(noon_plus(1)),
        worker: Some("w1".to_owned()),
        failure: Some(failure("the first")),
    };
    assert_eq!(attempts(store, id), std::slice::from_ref(&first));
    clock.set(noon_plus(60));
    next(store, id, "me", 1).unwrap();
    let second = Attempt { number: 2, start_time: noon_plus(60), end_time: None, worker: None, failure: None };
    assert_eq!(attempts(store, id), [first.clone(), second.clone()]);
    assert_eq!(assign(store, id, ("me", 1), "w2"), Err(StorageError::Stale(id)));
    assert_eq!(assign(store, id, ("other", 2), "w2"), Err(StorageError::Stale(id)));
    assign(store, id, ("me", 2), "w2").unwrap();
    clock.set(noon_plus(61));
    finish(store, id, guard("me", 2)).unwrap();
    assert_eq!(assign(store, id, ("me", 2), "w3"), Err(StorageError::Stale(id)));
    let second = Attempt {
        end_time: Some(noon_plus(61)),
        worker: Some("w2".to_owned()),
        failure: Some(failure("the last")),
        ..second
    };
    assert_eq!(attempts(store, id), [first, second]);
    store.delete_build(id).unwrap();
    assert_eq!(store.get_ended_attempts(id), Ok(Vec::new()));
}

fn a_build_of_one_attempt_is_that_attempt(store: &dyn Storage, clock: &ManualClock) {
    let id = super::create(store, "a");
    assert_eq!(attempts(store, id), []);
    store.start_build(id).unwrap();
    clock.set(noon_plus(2));
    store.finish_build(id, Finish::default()).unwrap();
    assert_eq!(
        attempts(store, id),
        [Attempt { number: 1, start_time: NOON, end_time: Some(noon_plus(2)), worker: None, failure: None }]
    );
}

fn the_build_starts_with_its_first_attempt(store: &dyn Storage, clock: &ManualClock) {
    let id = started(store, "me");
    retry(store, id, ("me", 1), "me", "the first").unwrap();
    clock.set(noon_plus(60));
    next(store, id, "me", 1).unwrap();
    let build = store.get_build(id).unwrap();
    let times = (build.start_time, build.attempt_time, build.retry_time);
    assert_eq!((times, build.attempt), ((Some(NOON), Some(noon_plus(60)), None), 2));
}

fn the_progress_of_an_attempt_goes_with_it(store: &dyn Storage, _: &ManualClock) {
    let id = started(store, "me");
    store.update_build_progress(id, 80, 100).unwrap();
    retry(store, id, ("me", 1), "me", "the first").unwrap();
    assert_eq!(store.get_build_progress_info(id).unwrap().len(), 1);
    next(store, id, "me", 1).unwrap();
    assert_eq!(store.get_build_progress_info(id), Ok(Vec::new()));
}

fn records_carry_their_attempt(store: &dyn Storage, _: &ManualClock) {
    let id = super::create(store, "a");
    let log = |message: &str| store.log_message(id, info(NOON, message)).unwrap();
    log("in the queue");
    store.start_build(id).unwrap();
    log("first");
    store.start_build(id).unwrap();
    log("second");
    let kept: Vec<_> =
        records(store, &LogFilter::default()).into_iter().map(|r| (r.attempt, r.record.message)).collect();
    assert_eq!(kept, [(0, "in the queue".to_owned()), (1, "first".to_owned()), (2, "second".to_owned())]);
}

fn only_the_owner_of_the_newest_attempt_goes_on(store: &dyn Storage, _: &ManualClock) {
    let id = started(store, "me");
    for of in [("you", 1), ("me", 0), ("me", 2)] {
        assert_eq!(retry(store, id, of, "you", "no"), Err(StorageError::Stale(id)));
        assert_eq!(next(store, id, of.0, of.1), Err(StorageError::Stale(id)));
    }
    assert_eq!(retry(store, 99, ("me", 1), "me", "no"), Err(StorageError::NotFound(99)));
    assert_eq!(next(store, 99, "me", 1), Err(StorageError::NotFound(99)));
    assert_eq!(store.get_ended_attempts(id), Ok(Vec::new()));
    assert_eq!(store.get_build(id).unwrap().attempt, 1);
}

fn a_build_that_waits_is_taken_over_once(store: &dyn Storage, clock: &ManualClock) {
    let id = started(store, "dead");
    clock.set(noon_plus(1));
    retry(store, id, ("dead", 1), "dead", "the first").unwrap();
    clock.set(noon_plus(5));
    retry(store, id, ("dead", 1), "me", "nobody is there to try it again").unwrap();
    assert_eq!(retry(store, id, ("dead", 1), "you", "late"), Err(StorageError::Stale(id)));
    assert_eq!(finish(store, id, guard("dead", 1)), Err(StorageError::Stale(id)));
    let ended = store.get_ended_attempts(id).unwrap();
    assert_eq!(
        (ended.len(), ended[0].end_time, ended[0].failure.clone()),
        (1, Some(noon_plus(1)), Some(failure("the first")))
    );
    next(store, id, "me", 1).unwrap();
    assert_eq!(store.get_build(id).unwrap().owner.as_deref(), Some("me"));
}

fn a_build_that_ended_is_not_tried_again(store: &dyn Storage, _: &ManualClock) {
    let id = started(store, "me");
    retry(store, id, ("me", 1), "me", "the first").unwrap();
    finish(store, id, guard("me", 1)).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.retry_time), (BuildStatus::Failed, None));
    assert_eq!(next(store, id, "me", 1), Err(StorageError::Stale(id)));
    assert_eq!(retry(store, id, ("me", 1), "me", "no"), Err(StorageError::Stale(id)));
}

fn a_cancel_reaches_the_owner_until_the_build_ends(store: &dyn Storage, _: &ManualClock) {
    let (mine, yours) = (started(store, "me"), started(store, "you"));
    let cancel = |id| store.write(Write::CancelBuild(id, Arc::from("ada")));
    cancel(mine).unwrap();
    cancel(yours).unwrap();
    assert_eq!(store.get_build(mine).unwrap().cancel.as_deref(), Some("ada"));
    assert_eq!(store.get_cancel_requests("me").unwrap().builds, [(mine, "ada".to_owned())]);
    finish(store, mine, guard("me", 1)).unwrap();
    assert_eq!(store.get_cancel_requests("me"), Ok(CancelRequests::default()));
    assert_eq!(cancel(mine), Err(StorageError::Stale(mine)));
    assert_eq!(cancel(99), Err(StorageError::NotFound(99)));
}

fn a_build_in_the_queue_is_ended_by_its_state(store: &dyn Storage, _: &ManualClock) {
    let id = super::create(store, "a");
    let queued = || Guard { owner: None, attempt: 0 };
    store.start_build(id).unwrap();
    assert_eq!(finish(store, id, queued()), Err(StorageError::Stale(id)));
    let id = super::create(store, "a");
    finish(store, id, queued()).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.started), (BuildStatus::Failed, false));
}
