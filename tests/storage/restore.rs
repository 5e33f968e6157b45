//! A store that is replaced by a copy while others come, and when it is in no good state itself.

use std::os::unix::fs::MetadataExt;

use rusqlite::Connection;

use super::rescue::Endless;
use super::rescue::endless;
use crate::harness::Folder;

/// A folder with a store of two builds and `copy.db`, which has the first of them.
fn two_builds() -> Folder {
    let folder = endless();
    folder.run(&["run", "quick"]).code(0);
    folder.run(&["store", "backup", "copy.db"]).code(0);
    folder.run(&["run", "quick"]).code(0);
    folder
}

/// How many builds a sound store has, for who opens it now.
#[track_caller]
fn builds(db: &Connection) -> i64 {
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    db.query_row("SELECT count(*) FROM build", [], |row| row.get(0)).unwrap()
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn who_has_opened_the_store_already_finds_the_copy() {
    let folder = two_builds();
    let path = folder.path("jobcontrol.db");
    // Opened, and not looked into yet: as a program that begins while the store is replaced.
    let early = Connection::open(&path).unwrap();
    let inode = path.metadata().unwrap().ino();
    folder.run(&["store", "restore", "copy.db"]).code(0);
    assert_eq!(path.metadata().unwrap().ino(), inode, "another file would share its log with the old one");
    let mut running = Endless::start_in(&folder, "sqlite:jobcontrol.db");
    assert_eq!(builds(&early), 2, "the first build and the running one");
    early.execute_batch("UPDATE build SET job_id = 'early' WHERE id = 1").unwrap();
    drop(early);
    for _ in 0..3 {
        folder.run(&["run", "quick"]).code(0);
    }
    running.kill();
    folder.run(&["run", "quick"]).code(0).says("build 2 was interrupted");
    let db = Connection::open(&path).unwrap();
    assert_eq!(builds(&db), 6);
    let first: String = db.query_row("SELECT job_id FROM build WHERE id = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(first, "early");
}

#[test]
fn nothing_but_what_was_there_is_left_beside_it() {
    let folder = two_builds();
    let mut expected = names(&folder);
    folder.run(&["store", "restore", "copy.db"]).code(0);
    expected.push("jobcontrol.db.replaced".to_owned());
    expected.sort();
    assert_eq!(names(&folder), expected);
    let mode = |name: &str| folder.path(name).metadata().unwrap().mode();
    assert_eq!(mode("jobcontrol.db"), mode("jobcontrol.db.replaced"));
}

#[test]
fn who_is_killed_while_restoring_leaves_one_store_or_the_other() {
    let folder = two_builds();
    let store = std::fs::read(folder.path("jobcontrol.db")).unwrap();
    for round in 0..20 {
        folder.write("jobcontrol.db", &store);
        let mut child = folder.start(&["store", "restore", "copy.db"]);
        // From at once to well after the end, by turns.
        std::hint::black_box((0..round * 200_000_u32).map(std::hint::black_box).fold(0, u32::wrapping_add));
        child.kill().unwrap();
        child.wait().unwrap();
        let builds = builds(&Connection::open(folder.path("jobcontrol.db")).unwrap());
        assert!((1..=2).contains(&builds), "round {round}: {builds} builds");
    }
    folder.run(&["store", "restore", "copy.db"]).code(0);
    assert_eq!(builds(&Connection::open(folder.path("jobcontrol.db")).unwrap()), 1);
}

#[test]
fn a_log_without_its_store_is_not_taken_for_the_copys() {
    let folder = two_builds();
    let path = folder.path("jobcontrol.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("UPDATE build SET job_id = 'x'").unwrap();
    let log = std::fs::read(folder.path("jobcontrol.db-wal")).unwrap();
    assert!(!log.is_empty());
    drop(db);
    std::fs::remove_file(&path).unwrap();
    folder.write("jobcontrol.db-wal", log);
    folder.run(&["store", "restore", "copy.db"]).code(0);
    let db = Connection::open(&path).unwrap();
    let first: String = db.query_row("SELECT job_id FROM build", [], |row| row.get(0)).unwrap();
    assert_eq!((builds(&db), first.as_str()), (1, "quick"));
}

#[test]
fn whatever_is_in_the_stores_place_is_kept_byte_by_byte() {
    const HEADER: usize = 100;
    let folder = two_builds();
    let whole = std::fs::read(folder.path("jobcontrol.db")).unwrap();
    let mut no_tables = whole.clone();
    no_tables[HEADER..4096].fill(0xa5);
    let damaged = [no_tables, whole[..whole.len() / 2].to_vec(), whole[..50].to_vec(), vec![0xa5; 3 * 4096]];
    for (number, bytes) in damaged.iter().enumerate() {
        folder.write("jobcontrol.db", bytes);
        folder.write("jobcontrol.db-wal", "the log of what is damaged");
        folder.run(&["store", "restore", "copy.db"]).code(0);
        let kept = if number == 0 {
            "jobcontrol.db.replaced".into()
        } else {
            format!("jobcontrol.db.replaced.{}", number + 1)
        };
        assert!(std::fs::read(folder.path(&kept)).unwrap() == *bytes, "{kept}");
        let log = std::fs::read(folder.path(&format!("{kept}-wal"))).unwrap();
        assert_eq!(String::from_utf8_lossy(&log), "the log of what is damaged");
        assert_eq!(builds(&Connection::open(folder.path("jobcontrol.db")).unwrap()), 1, "{kept}");
        folder.run(&["run", "quick"]).code(0);
    }
}
