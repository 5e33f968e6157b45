//! The store through the program: what each command answers, and which files it leaves.

use crate::harness::Folder;

const JOBS: &str = "
jobs:
  - id: greet
    function: sdk:greet
    args: [Ada]
";

fn greeter() -> Folder {
    Folder::new().guest("sdk.wasm").file("jobs/greet.yaml", JOBS)
}

/// What lies in the folder beside the jobs.
fn files(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "jobs");
    names.sort();
    names
}

#[test]
fn installing_makes_the_store_and_again_leaves_it() {
    let folder = greeter();
    let ready = "the store `sqlite:jobcontrol.db` is ready\n";
    folder.run(&["store", "install"]).code(0).stdout(ready);
    assert_eq!(files(&folder), ["jobcontrol.db"]);
    folder.run(&["run", "greet"]).code(0);
    folder.run(&["store", "install"]).code(0).stdout(ready);
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(1));
    assert_eq!(files(&folder), ["jobcontrol.db"], "nothing is left beside it");
}

#[test]
fn uninstalling_has_to_be_meant() {
    let folder = greeter();
    folder.run(&["store", "uninstall", "--yes"]).code(4).says("there is no store `sqlite:jobcontrol.db`");
    folder.run(&["run", "greet"]).code(0);
    folder.run(&["store", "uninstall"]).code(2).says("add `--yes`");
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(1));
    folder.run(&["store", "uninstall", "--yes"]).code(0).stdout("the store `sqlite:jobcontrol.db` is empty\n");
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(0));
    folder.run(&["run", "greet"]).code(0);
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_copy_is_a_store() {
    let folder = greeter();
    folder.run(&["store", "backup", "copy.db"]).code(4).says("there is no store");
    assert_eq!(files(&folder), [""; 0]);
    folder.run(&["run", "greet"]).code(0);
    let said = "`copy.db` is a verified copy of the store `sqlite:jobcontrol.db`\n";
    folder.run(&["store", "backup", "copy.db"]).code(0).stdout(said);
    assert_eq!(files(&folder), ["copy.db", "jobcontrol.db"]);
    let [copied, original] =
        ["sqlite:copy.db", "sqlite:jobcontrol.db"].map(|store| folder.json(&["--store", store, "build", "show", "1"]));
    assert_eq!(copied, original);
    assert_eq!(copied["retval"], "Hello, Ada!");
    folder.run(&["store", "backup", "copy.db"]).code(2).says("`copy.db` already exists");
    folder.run(&["store", "backup", "missing/copy.db"]).code(5).says("missing/copy.db");
}

#[test]
fn a_missing_store_has_no_builds_and_is_not_made() {
    let folder = greeter();
    let answer = folder.run(&["builds"]).code(0).stdout("");
    assert_eq!(answer.stderr, "no builds\n");
    assert_eq!(folder.json(&["builds"]), serde_json::json!([]));
    folder.run(&["build", "show", "99"]).code(4).stdout("").says("there is no build 99");
    folder.run(&["build", "delete", "99"]).code(4);
    folder.run(&["logs", "99"]).code(4);
    folder.run(&["logs", "prune", "--level", "info"]).code(0).stdout("0 records deleted\n");
    folder.run(&["jobs"]).code(0);
    assert_eq!(files(&folder), [""; 0]);
}

#[test]
fn an_unknown_build_is_not_found() {
    let folder = greeter();
    folder.run(&["store", "install"]).code(0);
    for id in ["99", "18446744073709551615"] {
        for command in [&["build", "show", id][..], &["build", "delete", id], &["logs", id]] {
            folder.run(command).code(4).stdout("").says(&format!("there is no build {id}"));
        }
        folder.run(&["logs", "prune", "--build", id]).code(0).stdout("0 records deleted\n");
    }
}

#[test]
fn a_file_that_is_no_store_is_an_error_of_the_store() {
    let garbage = "garbage ".repeat(1_000);
    let folder = greeter().file("jobcontrol.db", &garbage);
    let commands: [&[&str]; 8] = [
        &["builds"],
        &["build", "show", "1"],
        &["logs", "1"],
        &["run", "greet"],
        &["jobs"],
        &["store", "install"],
        &["store", "uninstall", "--yes"],
        &["store", "backup", "copy.db"],
    ];
    for command in commands {
        folder.run(command).code(5).stdout("").says("jobcontrol.db").says("it is not a jobcontrol store");
    }
    assert_eq!(files(&folder), ["jobcontrol.db"]);
    assert_eq!(std::fs::read_to_string(folder.path("jobcontrol.db")).unwrap(), garbage);
}

#[test]
fn a_store_where_there_is_no_folder_is_an_error_of_the_store() {
    let folder = greeter().file("file", "");
    for store in ["sqlite:missing/store.db", "sqlite:file/store.db"] {
        folder.run(&["--store", store, "run", "greet"]).code(5).says("store.db").says("folder");
    }
    assert_eq!(files(&folder), ["file"]);
}

#[test]
fn a_folder_is_no_store() {
    let folder = greeter();
    for command in [&["builds"][..], &["run", "greet"], &["store", "backup", "copy.db"]] {
        let says = "the store `jobs` is a folder: name a file, `sqlite:jobs/jobcontrol.db`";
        folder.run(&[&["--store", "sqlite:jobs"], command].concat()).code(5).stdout("").says(says);
    }
}

#[test]
fn pruning_wants_a_filter_and_counts() {
    let folder = greeter();
    folder.run(&["run", "greet"]).code(0);
    folder.run(&["run", "greet"]).code(0);
    let levels = |build: &str| {
        let log = folder.json(&["logs", build]);
        log.as_array().unwrap().iter().map(|record| record["level"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let all = levels("1");
    let low = all.iter().filter(|level| **level <= 20).count();
    assert!(low >= 2 && all.len() > low, "{all:?}");
    folder.run(&["logs", "prune"]).code(2).stdout("").says("--job, --build, --max-age or --level");
    assert_eq!(levels("1"), all);
    let pruned = folder.run(&["logs", "prune", "--build", "1", "--level", "info"]).code(0);
    assert_eq!(pruned.stdout, format!("{low} records deleted\n"));
    assert!(levels("1").iter().all(|level| *level > 20));
    assert_eq!(levels("2"), all);
    folder.run(&["logs", "prune", "--job", "nobody"]).code(0).stdout("0 records deleted\n");
    folder.run(&["logs", "prune", "--max-age", "1d"]).code(0).stdout("0 records deleted\n");
    assert_eq!(folder.json(&["logs", "prune", "--job", "greet"])["pruned"], 2 * all.len() - low);
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_deleted_build_is_gone() {
    let folder = greeter();
    folder.run(&["run", "greet"]).code(0);
    folder.run(&["run", "greet"]).code(0);
    folder.run(&["build", "delete", "1", "99"]).code(4).says("there is no build 99");
    folder.run(&["build", "show", "1"]).code(0);
    folder.run(&["build", "delete", "1"]).code(0).stdout("deleted 1\n");
    folder.run(&["build", "show", "1"]).code(4).says("there is no build 1");
    folder.run(&["logs", "1"]).code(4);
    assert_eq!(folder.json(&["build", "show", "2"])["status"], "SUCCESSFUL");
    folder.run(&["run", "greet"]).code(0).says("build 3 started");
}

#[test]
fn a_build_named_twice_is_deleted_once() {
    let folder = greeter();
    folder.run(&["run", "greet"]).code(0);
    folder.run(&["build", "delete", "1", "1"]).code(0).stdout("deleted 1\n");
    folder.run(&["build", "show", "1"]).code(4);
}

#[test]
fn a_store_in_memory_leaves_no_file() {
    let folder = greeter();
    folder.run(&["--store", "memory:", "run", "greet"]).code(0).stdout("Hello, Ada!\n").says("build 1 started");
    assert_eq!(files(&folder), [""; 0]);
    folder.run(&["--store", "memory:", "builds"]).code(0).says("no builds");
    folder.run(&["--store", "memory:", "store", "backup", "copy.db"]).code(2).says("memory");
    assert_eq!(files(&folder), [""; 0]);
}
