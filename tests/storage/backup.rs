//! Copies of a store in use.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::memory::MemoryStorage;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;

use super::NOON;
use super::create;
use super::list;
use super::logs::info;
use super::open;
use super::records;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_copy_is_made_while_writes_go_on() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::new(NOON));
    let store = open(&folder.path().join("store.db"), &clock);
    let copy = copies.path().join("copy.db");
    let stop = AtomicBool::new(false);
    let (sender, begun) = mpsc::channel();
    let written = thread::scope(|scope| {
        let writes = scope.spawn(|| {
            let mut written = 0;
            while !stop.load(Ordering::SeqCst) {
                let id = create(&store, "a");
                store.log_message(id, info(NOON, "hello")).unwrap();
                written += 1;
                let _ = sender.send(written);
            }
            written
        });
        assert_eq!(begun.iter().nth(9), Some(10));
        let answer = store.backup(&copy);
        stop.store(true, Ordering::SeqCst);
        let written = writes.join().unwrap();
        assert_eq!(answer, Ok(()));
        written
    });
    assert_eq!(names(copies.path()), ["copy.db"], "nothing lies beside it");
    let all = BuildFilter { limit: u64::MAX, ..BuildFilter::default() };
    assert_eq!(list(&store, &all).len(), written);
    let opened = open(&copy, &clock);
    let copied = list(&opened, &all);
    assert_eq!(copied, (1..=copied.len() as u64).collect::<Vec<_>>());
    assert!((10..=written).contains(&copied.len()));
    let logged = records(&opened, &LogFilter::default()).len();
    assert!(logged == copied.len() || logged + 1 == copied.len(), "{logged} records of {} builds", copied.len());
    assert_eq!(opened.store_id(), store.store_id());
    assert!(create(&opened, "a") > *copied.last().unwrap());
}

#[test]
fn a_file_that_is_there_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store.db"), &Arc::new(ManualClock::new(NOON)));
    let file = folder.path().join("copy.db");
    std::fs::write(&file, "precious").unwrap();
    let answer = store.backup(&file);
    assert_eq!(answer, Err(StorageError::Refused(format!("`{}` already exists", file.display()))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn files_beside_the_copy_are_left_alone() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::new(NOON));
    let store = open(&folder.path().join("store.db"), &clock);
    create(&store, "a");
    let beside = copies.path().join("copy.partial");
    std::fs::write(&beside, "precious").unwrap();
    let copy = copies.path().join("copy.db");
    store.backup(&copy).unwrap();
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), "precious");
    assert_eq!(list(&open(&copy, &clock), &BuildFilter::default()), [1]);
}

#[test]
fn a_copy_that_cannot_be_written_names_its_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store.db"), &Arc::new(ManualClock::new(NOON)));
    let file = folder.path().join("missing/copy.db");
    let error = store.backup(&file).unwrap_err();
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    assert!(!folder.path().join("missing").exists());
    assert_eq!(list(&store, &BuildFilter::default()), [0; 0]);
}

#[test]
fn a_store_in_memory_has_no_file_to_copy() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStorage::new(Arc::new(ManualClock::new(NOON)));
    assert!(matches!(store.backup(&folder.path().join("copy.db")), Err(StorageError::Refused(_))));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
