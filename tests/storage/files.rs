//! The files of a store: what a killed process leaves in its log, what is put over it, and who
//! makes one.

use crate::execution::Background;
use crate::harness::Folder;

const JOBS: &str = "
jobs:
  - { id: quick, function: attempts:flaky, args: [1] }
  - { id: waits, function: attempts:waits }
";

fn folder() -> Folder {
    Folder::new().guest("attempts.wat").file("jobs/jobs.yaml", JOBS)
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "jobs");
    names.sort();
    names
}

/// A process that runs a build while others build, killed.
fn killed_beside(folder: &Folder, others: usize) {
    let run = Background::until(folder, &["run", "waits"], "started");
    for _ in 0..others {
        folder.run(&["run", "quick"]).code(0);
    }
    run.kill();
}

#[test]
fn a_plain_copy_has_what_processes_that_ended_have_built() {
    let folder = folder();
    killed_beside(&folder, 3);
    std::fs::copy(folder.path("jobcontrol.db"), folder.path("copy.db")).unwrap();
    let copied = folder.json(&["builds", "--store", "sqlite:copy.db"]);
    let statuses: Vec<_> = copied.as_array().unwrap().iter().map(|build| build["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["RUNNING", "SUCCESSFUL", "SUCCESSFUL", "SUCCESSFUL"]);
}

#[test]
fn the_next_command_takes_in_what_a_killed_process_left() {
    let commands = [
        &["builds"][..],
        &["jobs"],
        &["build", "show", "1"],
        &["logs", "1"],
        &["runs"],
        &["run", "quick"],
        &["check"],
        &["graph"],
        &["inspect", "attempts"],
        &["schema"],
    ];
    for command in commands {
        let folder = folder();
        killed_beside(&folder, 0);
        folder.run(command).code(0);
        let left = names(&folder);
        assert!(!left.contains(&"jobcontrol.db-wal".to_owned()), "{command:?}: {left:?}");
        std::fs::copy(folder.path("jobcontrol.db"), folder.path("copy.db")).unwrap();
        assert_eq!(folder.json(&["builds", "--store", "sqlite:copy.db"])[0]["job_id"], "waits", "{command:?}");
    }
}

#[test]
fn a_copy_put_over_a_store_with_a_log_is_not_spoiled() {
    let folder = folder();
    folder.run(&["run", "quick"]).code(0);
    folder.run(&["store", "backup", "old.db"]).code(0);
    std::fs::copy(folder.path("jobcontrol.db"), folder.path("plain.db")).unwrap();
    folder.run(&["run", "quick"]).code(0);
    for old in ["old.db", "plain.db"] {
        killed_beside(&folder, 2);
        std::fs::copy(folder.path(old), folder.path("jobcontrol.db")).unwrap();
        let before = std::fs::read(folder.path("jobcontrol.db")).unwrap();
        for command in [&["builds"][..], &["jobs"], &["run", "quick"], &["store", "backup", "new.db"]] {
            folder
                .run(command)
                .code(5)
                .says("the store `jobcontrol.db` was replaced while `jobcontrol.db-wal` had changes of the")
                .says("remove `jobcontrol.db-wal` and `jobcontrol.db-shm`");
        }
        assert_eq!(std::fs::read(folder.path("jobcontrol.db")).unwrap(), before);
        if old == "old.db" {
            // The way that is told.
            ["jobcontrol.db-wal", "jobcontrol.db-shm"]
                .iter()
                .for_each(|name| std::fs::remove_file(folder.path(name)).unwrap());
        } else {
            folder.run(&["store", "restore", old]).code(0).stdout(
                "the store `sqlite:jobcontrol.db` is a verified copy of `plain.db`; what was there is kept as \
                 `jobcontrol.db.replaced`\n",
            );
        }
        assert_eq!(folder.json(&["builds"]).as_array().unwrap().len(), 1, "{old}");
        folder.run(&["run", "quick"]).code(0);
    }
}

#[test]
fn what_a_damaged_file_says_is_one_short_line() {
    let folder = folder();
    folder.run(&["run", "quick"]).code(0);
    let db = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    db.execute_batch("PRAGMA writable_schema = ON").unwrap();
    let name = format!("\u{1b}]0;pwned\u{7}\u{1b}[31mred\nsecond line{}", "x".repeat(10_000));
    let sql =
        "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('table', ?1, 'x', 99999, 'create')";
    db.execute(sql, [name]).unwrap();
    drop(db);
    std::fs::copy(folder.path("jobcontrol.db"), folder.path("evil.db")).unwrap();
    for command in [&["builds"][..], &["run", "quick"], &["jobs"], &["logs", "1"], &["store", "backup", "x.db"]] {
        let answer = folder.run(command).code(5).says("malformed database schema (\\u{1b}]0;pwned\\u{7}");
        assert!(answer.stderr.lines().count() == 1 && answer.stderr.len() < 600, "{answer:?}");
    }
    let told = folder.json(&["builds"]);
    let message = told["error"]["message"].as_str().unwrap();
    assert!(!message.contains(char::is_control) && message.chars().count() < 600, "{message}");
    std::fs::remove_file(folder.path("jobcontrol.db")).unwrap();
    let answer = folder.run(&["store", "restore", "evil.db"]).code(5).says("malformed database schema");
    assert!(answer.stderr.lines().count() == 1 && answer.stderr.len() < 600, "{answer:?}");
    assert_eq!(names(&folder), ["evil.db"]);
}

#[test]
fn only_who_runs_what_it_has_found_makes_a_store() {
    let folder = folder().file("jobs/broken.yaml", "id: broken\nfunction: nothing:nothing\n");
    for (command, code, says) in [
        (&["builds"][..], 0, ""),
        (&["builds", "quick"], 0, ""),
        (&["jobs"], 0, ""),
        (&["job", "quick"], 0, ""),
        (&["check"], 3, ""),
        (&["runs"], 0, ""),
        (&["build", "show", "1"], 4, "there is no build 1"),
        (&["build", "cancel", "1"], 4, "there is no build 1"),
        (&["build", "delete", "1"], 4, "there is no build 1"),
        (&["build", "rerun", "1"], 4, "there is no build 1"),
        (&["build", "rerun", "1", "--latest"], 4, "there is no build 1"),
        (&["build", "rerun", "1", "--from-failed"], 4, "there is no build 1"),
        (&["logs", "1"], 4, "there is no build 1"),
        (&["logs", "prune", "--level", "info"], 0, ""),
        (&["runs", "show", "1"], 4, "there is no run 1"),
        (&["runs", "cancel", "1"], 4, "there is no run 1"),
        (&["runs", "rerun", "1"], 4, "there is no run 1"),
        (&["runs", "rerun", "1", "--from-failed"], 4, "there is no run 1"),
        (&["store", "backup", "copy.db"], 4, "there is no store"),
        (&["store", "prune"], 4, "there is no store"),
        (&["store", "migrate"], 4, "there is no store"),
        (&["store", "uninstall", "--yes"], 4, "there is no store"),
        (&["run", "nothing"], 4, "nothing"),
        (&["run", "nothing", "--watch"], 4, "nothing"),
        (&["run", "broken"], 3, "nothing"),
        (&["run", "quick", "--pin", "waits=1"], 4, "there is no build 1"),
        (&["run", "quick", "--arg", "no=1"], 2, "no"),
    ] {
        folder.run(command).code(code).says(says);
        assert_eq!(names(&folder), [""; 0], "{command:?}");
    }
    folder.run(&["run", "quick"]).code(0);
    assert_eq!(names(&folder), ["jobcontrol.db"]);
}

#[test]
fn urls_of_other_programs_are_answered_with_ours() {
    let folder = folder();
    for (url, right) in [("sqlite::memory:", "memory:"), ("sqlite:file:x.db?mode=ro", "sqlite:x.db")] {
        let says = format!("`{url}` is not a store URL: write `{right}`");
        folder.run(&["builds", "--store", url]).code(2).says(&says);
        folder.run(&["run", "quick", "--store", url]).code(2).says(&says);
    }
    assert_eq!(names(&folder), [""; 0]);
}
