//! Which owners are alive: rules of every backend, then what a file adds.

use std::sync::Arc;
use std::sync::Barrier;
use std::thread;

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::storage::Storage;

use super::NOON;
use super::open;
use super::rules;

rules! {
    an_owner_is_alive_until_it_is_released
}

fn an_owner_is_alive_until_it_is_released(store: &dyn Storage, _: &ManualClock) {
    assert_eq!(store.is_alive("me"), Ok(false));
    store.claim("me").unwrap();
    store.claim("you").unwrap();
    assert!(store.claim("me").is_err(), "a name is taken once");
    store.renew("me").unwrap();
    assert_eq!((store.is_alive("me"), store.is_alive("you")), (Ok(true), Ok(true)));
    store.release("me");
    store.release("nobody");
    assert_eq!((store.is_alive("me"), store.is_alive("you")), (Ok(false), Ok(true)));
}

#[test]
fn others_see_who_is_alive_and_nothing_is_left_of_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("store.db"), Arc::new(ManualClock::new(NOON)));
    let (mine, yours) = (open(&path, &clock), open(&path, &clock));
    mine.claim("me").unwrap();
    assert_eq!(yours.is_alive("me"), Ok(true));
    yours.release("me");
    assert_eq!(yours.is_alive("me"), Ok(true), "only its owner gives a lease back");
    drop(mine);
    assert_eq!(yours.is_alive("me"), Ok(false));
    assert!(!folder.path().join("store.db.owners").exists());
}

#[test]
fn a_lease_whose_file_was_removed_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("store.db"), Arc::new(ManualClock::new(NOON)));
    let (mine, yours) = (open(&path, &clock), open(&path, &clock));
    mine.claim("me").unwrap();
    std::fs::remove_dir_all(folder.path().join("store.db.owners")).unwrap();
    assert_eq!((mine.is_alive("me"), yours.is_alive("me")), (Ok(true), Ok(false)), "the name is not a process's");
    mine.renew("me").unwrap();
    assert_eq!(yours.is_alive("me"), Ok(true));
}

#[test]
fn owners_come_and_go_at_once() {
    const THREADS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store.db"), &Arc::new(ManualClock::new(NOON)));
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, together) = (&store, &together);
            scope.spawn(move || {
                together.wait();
                for i in 0..500 {
                    let name = format!("{thread}-{i}");
                    // The last one out removes the folder while the next comes in.
                    store.claim(&name).unwrap();
                    assert_eq!(store.is_alive(&name), Ok(true));
                    store.release(&name);
                    assert_eq!(store.is_alive(&name), Ok(false));
                }
            });
        }
    });
}
