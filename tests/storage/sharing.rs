//! Builds that two runs would make at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_refused;

use super::NOON;
use super::create;
use super::pin_to;
use super::rules;

rules! {
    a_build_that_another_run_makes_is_the_same
    what_differs_is_not_the_same
    what_nobody_works_on_is_not_waited_for
    a_newer_success_will_do
    a_run_knows_what_it_used_of_others
}

/// A run of `me`, which is alive.
fn run(store: &dyn Storage) -> RunOf {
    let run = NewRun { owner: Some("me".into()), ..NewRun::default() };
    RunOf::Run(store.write(Write::CreateRun(run)).unwrap())
}

fn new(run: &RunOf, pin: u64) -> NewBuild {
    NewBuild {
        job_id: "b".into(),
        config: Arc::from(&b"\xc0"[..]),
        run: run.clone(),
        pins: Arc::from([pin_to(pin)]),
        created: NOON,
        owner: Some("me".into()),
        shared_after: Some(0),
        ..NewBuild::default()
    }
}

/// A base, and a run that makes a build of it.
fn made(store: &dyn Storage) -> (u64, RunOf, u64) {
    store.claim("me").unwrap();
    let (base, first) = (create(store, "a"), run(store));
    let build = add(store, new(&first, base)).unwrap();
    (base, first, build)
}

fn add(store: &dyn Storage, new: NewBuild) -> Result<u64> {
    store.write(Write::CreateBuild(new))
}

fn a_build_that_another_run_makes_is_the_same(store: &dyn Storage, _: &ManualClock) {
    let (base, _, build) = made(store);
    let second = run(store);
    assert_eq!(add(store, new(&second, base)), Err(StorageError::Same(build)));
    store.start_build(build).unwrap();
    // As a build that was started by hand it has no owner any more.
    let again = add(store, new(&second, base)).unwrap();
    assert_eq!(add(store, new(&run(store), base)), Err(StorageError::Same(again)));
    let unshared = NewBuild { shared_after: None, ..new(&second, base) };
    assert!(add(store, unshared).is_ok(), "only who asks for it shares");
}

fn what_differs_is_not_the_same(store: &dyn Storage, _: &ManualClock) {
    let (base, first, build) = made(store);
    let (other, second) = (create(store, "a"), run(store));
    store.write(Write::Plugin("d".into(), Arc::from(&b"bytes"[..]))).unwrap();
    let pin = Pin { retval_digest: Some("d".to_owned()), ..pin_to(base) };
    let differs = [
        NewBuild { job_id: "c".into(), ..new(&second, base) },
        NewBuild { config: Arc::from(&b"\xc3"[..]), ..new(&second, base) },
        NewBuild { plugin: Some("d".into()), ..new(&second, base) },
        NewBuild { pins: Arc::from([pin]), ..new(&second, base) },
        NewBuild { pins: Arc::default(), ..new(&second, base) },
        new(&second, other),
    ];
    for new in differs {
        assert!(add(store, new.clone()).is_ok(), "{new:?}");
    }
    assert!(add(store, new(&first, base)).is_ok(), "a run does not wait for itself");
    assert!(matches!(add(store, new(&second, base)), Err(StorageError::Same(id)) if id > build));
}

fn what_nobody_works_on_is_not_waited_for(store: &dyn Storage, _: &ManualClock) {
    let (base, _, build) = made(store);
    store.write(Write::CancelBuild(build, "ada".into())).unwrap();
    assert!(add(store, new(&run(store), base)).is_ok(), "it was cancelled");
    store.release("me");
    let lonely = NewBuild { owner: Some("you".into()), ..new(&run(store), base) };
    assert!(add(store, lonely).is_ok(), "its owner is dead");
}

fn a_newer_success_will_do(store: &dyn Storage, _: &ManualClock) {
    let (base, first, build) = made(store);
    store.start_build(build).unwrap();
    store.finish_build(build, Finish::default()).unwrap();
    let RunOf::Run(id) = first else { panic!("a run") };
    let end = EndRun { id, time: NOON, status: RunStatus::Successful, refused: None };
    store.write(Write::EndRun(end)).unwrap();
    let second = run(store);
    let after = |known: u64| NewBuild { shared_after: Some(known), ..new(&second, base) };
    assert_eq!(add(store, after(0)), Err(StorageError::Same(build)));
    assert_eq!(add(store, after(build - 1)), Err(StorageError::Same(build)));
    let newer = add(store, after(build)).unwrap();
    store.finish_build_with_exception(newer, Failure::new(FailureKind::Error, "no")).unwrap();
    assert_eq!(add(store, after(0)), Err(StorageError::Same(build)), "the latest success");
    store.write(Write::PrepareDelete(build)).unwrap();
    assert!(add(store, after(0)).is_ok(), "it is being deleted");
}

fn a_run_knows_what_it_used_of_others(store: &dyn Storage, _: &ManualClock) {
    let RunOf::Run(id) = run(store) else { panic!("a run") };
    let refused = BTreeMap::from([("a".to_owned(), "no".to_owned())]);
    let shared = BTreeMap::from([("b".to_owned(), 7)]);
    let packed = pack_refused(&refused, &shared);
    store.write(Write::EndRun(EndRun { id, time: NOON, status: RunStatus::Successful, refused: packed })).unwrap();
    let run = store.get_run(id).unwrap();
    assert_eq!((run.refused, run.shared), (refused, shared));
    assert_eq!(pack_refused(&BTreeMap::new(), &BTreeMap::new()), None);
}
