//! Rules of builds that are about to go: nothing can be pinned to them from the moment in which
//! that is decided.

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;

use super::create;
use super::list;
use super::rules;

rules! {
    a_build_that_is_being_deleted_is_nobodys_latest
    nothing_is_pinned_to_what_is_gone_or_about_to_go
    what_is_in_use_cannot_begin_to_go
    only_a_build_that_is_there_begins_to_go
}

fn successful(store: &dyn Storage) -> u64 {
    let id = create(store, "a");
    store.start_build(id).unwrap();
    store.finish_build(id, Finish::default()).unwrap();
    id
}

/// A build that uses another.
fn using(store: &dyn Storage, pin: u64) -> Result<u64, StorageError> {
    store.write(Write::CreateBuild(super::using("b", pin)))
}

fn a_build_that_is_being_deleted_is_nobodys_latest(store: &dyn Storage, _: &ManualClock) {
    let (old, new) = (successful(store), successful(store));
    let ids = || {
        let history = store.get_job_histories(&["a"]).unwrap().remove(0);
        let latest = store.get_latest_successful_build("a").unwrap().map(|build| build.id);
        let ids = [history.newest, history.latest, history.last_good].map(|build| build.map(|build| build.id));
        (ids, latest, history.ended.is_some())
    };
    store.write(Write::PrepareDelete(new)).unwrap();
    assert_eq!(ids(), ([Some(new), Some(old), Some(old)], Some(old), true));
    assert!(store.get_build(new).unwrap().deleting);
    let deleting = |deleting| list(store, &BuildFilter { deleting: Some(deleting), ..BuildFilter::default() });
    assert_eq!((deleting(true), deleting(false)), (vec![new], vec![old]));
    store.write(Write::PrepareDelete(old)).unwrap();
    assert_eq!(ids(), ([Some(new), None, None], None, false));
    store.write(Write::AbandonDelete(new)).unwrap();
    assert_eq!(ids(), ([Some(new), Some(new), Some(new)], Some(new), true));
    store.delete_build(old).unwrap();
    assert_eq!(list(store, &BuildFilter::default()), [new]);
}

fn nothing_is_pinned_to_what_is_gone_or_about_to_go(store: &dyn Storage, _: &ManualClock) {
    let (build, gone) = (successful(store), create(store, "a"));
    store.delete_build(gone).unwrap();
    for gone in [gone, 99, u64::MAX] {
        assert_eq!(using(store, gone), Err(StorageError::NoPin(gone)));
    }
    store.write(Write::PrepareDelete(build)).unwrap();
    assert_eq!(using(store, build), Err(StorageError::NoPin(build)));
    store.write(Write::AbandonDelete(build)).unwrap();
    let user = using(store, build).unwrap();
    assert_eq!(list(store, &BuildFilter::default()), [build, user]);
}

fn what_is_in_use_cannot_begin_to_go(store: &dyn Storage, _: &ManualClock) {
    let build = successful(store);
    let user = using(store, build).unwrap();
    let reason = format!("build {build} is used by build {user}, which has not finished");
    assert_eq!(store.write(Write::PrepareDelete(build)), Err(StorageError::Refused(reason)));
    assert!(!store.get_build(build).unwrap().deleting);
    store.finish_build(user, Finish::default()).unwrap();
    store.write(Write::PrepareDelete(build)).unwrap();
    store.write(Write::PrepareDelete(build)).unwrap();
    assert!(store.get_build(build).unwrap().deleting);
}

fn only_a_build_that_is_there_begins_to_go(store: &dyn Storage, _: &ManualClock) {
    for id in [1, u64::MAX] {
        assert_eq!(store.write(Write::PrepareDelete(id)), Err(StorageError::NotFound(id)));
        assert_eq!(store.write(Write::AbandonDelete(id)), Err(StorageError::NotFound(id)));
    }
}
