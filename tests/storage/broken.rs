//! Files that are no store, or no longer one: a clear error that names the file, and never a panic.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use jobcontrol::record::backend::from_url;
use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol::record::url::StoreUrl;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;

use super::NOON;
use super::config;
use super::create;
use super::logs::info;
use super::open;

fn opened(path: &Path) -> Result<Arc<dyn Storage>> {
    let url = StoreUrl::sqlite(path.to_owned());
    from_url(&url, true, Arc::new(ManualClock::new(NOON)), Arc::new(|_: &str| {}))
}

/// Asserts an error of the store that names the file and says `part`.
#[track_caller]
fn refused(path: &Path, part: &str) {
    let Err(error) = opened(path) else { panic!("{} was opened", path.display()) };
    names(&error, path);
    assert!(error.to_string().contains(part), "{error}");
}

#[track_caller]
fn names(error: &StorageError, path: &Path) {
    assert!(matches!(error, StorageError::Backend(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("`{}`", path.display())), "{error}");
}

#[test]
fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database, but long enough to have a header ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    refused(&path, "it is not a jobcontrol store");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is left as it was");
}

#[test]
fn a_database_of_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE build (id INTEGER); PRAGMA user_version = 0").unwrap();
    refused(&path, "a database of another program");
    let db = Connection::open(&path).unwrap();
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1, "nothing of ours is left in it");
}

#[test]
fn a_database_of_another_program_that_counts_its_versions_too() {
    for (version, tables) in [
        (1, "CREATE TABLE build (id INTEGER)"),
        (2, "CREATE TABLE store (key, value); CREATE TABLE other (a)"),
        (2, "CREATE TABLE store (a); CREATE TABLE build (id INTEGER); CREATE VIEW build_progress AS SELECT 1"),
        (99, "CREATE TABLE settings (a)"),
        (7, "SELECT 1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch(&format!("{tables}; PRAGMA user_version = {version}")).unwrap();
        let before = std::fs::read(&path).unwrap();
        refused(&path, "a database of another program");
        let store = SqliteStorage::open(&path, Arc::new(ManualClock::new(NOON)), Arc::new(|_: &str| {}));
        names(&store.err().expect("an error"), &path);
        assert!(std::fs::read(&path).unwrap() == before, "{tables}: it is left as it was");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{tables}: nothing lies beside it");
    }
}

#[test]
fn a_store_of_a_newer_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open(&path, &Arc::new(ManualClock::new(NOON))));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    refused(&path, "has version 1000, this program supports up to");
    refused(&path, "use a newer jobcontrol");
}

#[test]
fn a_folder_that_is_missing_or_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    refused(&folder.path().join("missing/store.db"), "its folder is missing");
    refused(&folder.path().join("file/store.db"), "folder");
    refused(folder.path(), "");
    assert!(!folder.path().join("missing").exists());
}

#[test]
fn a_link_to_nowhere_is_no_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::os::unix::fs::symlink(folder.path().join("gone/store.db"), &path).unwrap();
    let url = StoreUrl::sqlite(path.clone());
    let answer = from_url(&url, false, Arc::new(ManualClock::new(NOON)), Arc::new(|_: &str| {}));
    names(&answer.err().expect("an error"), &path);
}

/// A store with something in every table.
fn full(path: &Path) {
    let store = open(path, &Arc::new(ManualClock::new(NOON)));
    for _ in 0..40 {
        let id = store.create_build("a", &config()).unwrap();
        store.start_build(id).unwrap();
        store.update_build_progress(id, 1, 2).unwrap();
        store.log_message(id, info(NOON, &"hello ".repeat(50))).unwrap();
        store.finish_build_with_exception(id, Failure { value: Some(config()), ..Failure::default() }).unwrap();
    }
}

/// Asks and writes all there is, and answers the errors.
fn use_all(store: &dyn Storage) -> Vec<StorageError> {
    let mut errors = Vec::new();
    let mut note = |answer: Result<()>| errors.extend(answer.err());
    note(store.get_job_builds(&BuildFilter::default()).map(drop));
    note(store.get_job_builds(&BuildFilter::job("a")).map(drop));
    note(store.get_running_builds().map(drop));
    note(store.get_latest_successful_build("a").map(drop));
    note(store.store_id().map(drop));
    note(store.get_plugin("aa").map(drop));
    note(store.iter_log_messages(&LogFilter::default(), &mut |_| ControlFlow::Continue(())));
    for id in [1, 20, 40] {
        note(store.get_build(id).map(drop));
        note(store.get_build_progress_info(id).map(drop));
        note(store.update_build_progress(id, 2, 2));
        note(store.log_message(id, info(NOON, "more")));
        note(store.start_build(id));
        note(store.delete_build(id));
    }
    note(store.prune_log_messages(None, None, None, Some(20)).map(drop));
    note(store.create_build("a", &config()).map(drop));
    errors
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    const PAGE: usize = 4_096;
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = (folder.path().join("whole.db"), folder.path().join("store.db"));
    full(&whole);
    let bytes = std::fs::read(&whole).unwrap();
    let pages = bytes.len() / PAGE;
    assert!(pages > 10, "{pages} pages");
    let mut found = 0;
    for page in 0..pages {
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("store.db{beside}")));
        }
        // The header is kept in the first page, so that it still is a database.
        let (from, to) = (page * PAGE + if page == 0 { 100 } else { 0 }, (page + 1) * PAGE);
        let mut damaged = bytes.clone();
        damaged[from..to].fill(0xa5);
        std::fs::write(&path, damaged).unwrap();
        let errors = match opened(&path) {
            Ok(store) => use_all(&*store),
            Err(error) => vec![error],
        };
        for error in &errors {
            // What the damage has hidden is not found; what it has hit is an error of the file.
            if !matches!(error, StorageError::NotFound(_)) {
                names(error, &path);
            }
        }
        found += usize::from(errors.iter().any(|error| error.to_string().contains("it is damaged; restore a backup")));
    }
    assert!(found > pages / 2, "the damage of {found} of {pages} pages was told");
}

#[test]
fn values_that_cannot_be_read_say_so_and_hide_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path, &Arc::new(ManualClock::new(NOON)));
    let id = create(&store, "a");
    store.log_message(id, info(NOON, "hello")).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "UPDATE build SET config = x'c1', retval = x'c1', exception = x'c1', exception_tb = x'c1';
         UPDATE log SET record = x'c1', exception_tb = x'c1';",
    )
    .unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.id, build.job_id.as_str()), (id, "a"));
    let unread = |text: Option<&str>| text.is_some_and(|text| text.contains("could not be read"));
    assert!(unread(build.config.as_str()) && unread(build.retval.as_ref().and_then(|value| value.as_str())));
    assert!(unread(build.exception.as_ref().map(|failure| failure.message.as_str())));
    assert!(unread(build.exception_tb.first().map(|frame| frame.function.as_str())));
    let record = &super::records(&store, &LogFilter::default())[0].record;
    assert_eq!((unread(Some(&record.message)), record.level, record.created), (true, 20, NOON));
}
