//! `check --watch` and `run --watch`: each test waits for lines of the program's output.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::harness::Folder;
use crate::harness::root;
use crate::harness::watching::Watching;

fn changed(document: &Value) -> Vec<&str> {
    let changed = document["changed"].as_array().expect("a list");
    changed.iter().map(|file| file.as_str().expect("a path")).collect()
}

fn errors(document: &Value) -> u64 {
    document["summary"]["errors"].as_u64().expect("a number")
}

const SUM: &str = "function: add:add\nargs: [1, 2]\n";

fn sums() -> Folder {
    Folder::new().guest("add.wat").file("jobs/sum.yaml", SUM)
}

fn replace(folder: &Folder, inside: &str, content: &str) {
    folder.write("aside", content);
    std::fs::rename(folder.path("aside"), folder.path(inside)).expect("a rename");
}

#[test]
fn each_change_is_checked_once_and_ctrl_c_ends_it() {
    let folder = sums();
    let watching = Watching::start(&folder, &["check", "--watch", "--format", "json"]);
    assert_eq!(
        (
            errors(&watching.document()),
            errors(&{
                // Broken by an editor that renames, mended by one that writes.
                replace(&folder, "jobs/sum.yaml", "function: add:add\nargs: [1]\n");
                watching.document()
            })
        ),
        (0, 1)
    );
    folder.write("jobs/.sum.yaml.swp", "of an editor");
    folder.write("jobs/4913", "");
    folder.write("jobs/sum.yaml~", "args: [");
    folder.write("jobs/sum.yaml", SUM);
    let mended = watching.document();
    assert_eq!((errors(&mended), changed(&mended)), (0, vec!["jobs/sum.yaml"]));
    std::fs::remove_file(folder.path("jobs/sum.yaml")).expect("it is there");
    let gone = watching.document();
    assert_eq!((&gone["summary"]["manifests"], changed(&gone)), (&Value::from(0), vec!["jobs/sum.yaml"]));
    folder.write("jobs/sum.yaml", SUM);
    assert_eq!(errors(&watching.document()), 0);
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn what_alters_nothing_is_not_told_of() {
    let folder = sums();
    let watching = Watching::start(&folder, &["check", "--watch", "--format", "json"]);
    watching.document();
    replace(&folder, "jobs/sum.yaml", SUM);
    folder.write("jobs/notes.txt", "nothing to do with it");
    folder.write("jobs/sub/new.yaml", SUM);
    // Each document is about another change: none came of the first, and none of the reading
    // itself.
    assert_eq!(changed(&watching.document()), ["jobs/sub/new.yaml"]);
    replace(&folder, "jobs/sub/new.yaml", "function: add:add\nargs: [4, 5]\n");
    assert_eq!(changed(&watching.document()), ["jobs/sub/new.yaml"]);
    std::fs::remove_dir_all(folder.path("jobs/sub")).expect("it is there");
    assert_eq!(changed(&watching.document()), ["jobs/sub/new.yaml"]);
}

#[test]
fn a_burst_of_files_is_one_change() {
    let folder = sums();
    for i in 0..200 {
        folder.write(&format!("aside/burst/sum{i}.yaml"), "function: ../add.wat:add\nargs: [1, 2]\n");
    }
    let watching = Watching::start(&folder, &["check", "--watch"]);
    watching.until("1 job in 1 manifest: all good");
    std::fs::rename(folder.path("aside/burst"), folder.path("jobs/burst")).expect("a rename");
    // One file after the other as well, as version control does it.
    let told = watching.until("201 jobs in 201 manifests: all good");
    let headline = told.iter().find(|line| line.contains(" changed: ")).expect("a headline");
    assert!(headline.ends_with(" and 195 more"), "{headline}");
    for i in 0..200 {
        folder.write(&format!("jobs/burst/sum{i}.yaml"), "function: ../add.wat:add\nargs: [3, 4]\n");
    }
    folder.write("jobs/last.yaml", SUM);
    let told = watching.until("202 jobs in 202 manifests: all good");
    assert!(told.len() < 100, "{told:#?}");
}

#[test]
fn the_folder_can_be_replaced_and_come_back() {
    let folder = sums().file("other/two.yaml", SUM).file("other/three.yaml", SUM);
    std::fs::copy(root().join("tests/guests/add.wat"), folder.path("other/add.wat")).expect("a copy");
    let watching = Watching::start(&folder, &["check", "--watch"]);
    watching.until("1 job in 1 manifest: all good");
    std::fs::rename(folder.path("jobs"), folder.path("before")).expect("a rename");
    watching.until("the jobs folder `jobs` is missing");
    std::fs::rename(folder.path("other"), folder.path("jobs")).expect("a rename");
    watching.until("2 jobs in 2 manifests: all good");
    // What lies in it now is what is watched.
    folder.write("jobs/four.yaml", SUM);
    watching.until("3 jobs in 3 manifests: all good");
}

#[test]
fn the_operators_file_counts_too() {
    let folder = sums().file("more/other.yaml", SUM).file("plugins/readme", "");
    let watching = Watching::start(&folder, &["check", "--watch"]);
    watching.until("all good");
    folder.write("jobcontrol.yaml", "plugin: [plugins]\n");
    watching.until("error[JC0201]");
    replace(&folder, "jobcontrol.yaml", "plugins: [plugins]\n");
    watching.until("all good");
    std::fs::copy(root().join("tests/guests/add.wat"), folder.path("plugins/add2.wat")).expect("a copy");
    folder.write("jobs/second.yaml", "function: add2:add\nargs: [1, 2]\n");
    watching.until("2 jobs in 2 manifests: all good");
    std::fs::remove_file(folder.path("plugins/add2.wat")).expect("it is there");
    watching.until("there is no plugin `add2`");
    folder.write("jobcontrol.yaml", "ceiling: { timeout: 1s }\n");
    watching.until("changed: jobcontrol.yaml");
}

#[test]
fn run_builds_what_a_change_touches_and_nothing_else() {
    let folder = sums()
        .file("jobs/twice.yaml", "function: add:add\nargs: [!retval sum, !retval sum]\n")
        .file("jobs/other.yaml", SUM);
    let watching = Watching::start(&folder, &["run", "--deps", "--watch", "twice"]);
    watching.until("twice: build 2 SUCCESSFUL");
    folder.write("jobs/other.yaml", "function: add:add\nargs: [5, 5]\n");
    watching.until("nothing to build: the change does not affect twice");
    folder.write("jobs/sum.yaml", "function: add:add\nargs: [20, 1]\n");
    watching.until("sum: build 3 SUCCESSFUL");
    watching.until("twice: build 4 SUCCESSFUL");
    folder.write("jobs/sum.yaml", "title: The sum\nfunction: add:add\nargs: [20, 1]\n");
    watching.until("nothing to build");
    // The plugin is another, and does the same.
    let plugin = std::fs::read_to_string(folder.path("jobs/add.wat")).expect("the plugin");
    replace(&folder, "jobs/add.wat", &format!("{plugin}\n;; newer\n"));
    watching.until("changed: jobs/add.wat");
    watching.until("twice: build 6 SUCCESSFUL");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_named_job_has_its_arguments_in_each_round_and_no_other_job_has_them() {
    let folder = sums().file("jobs/twice.yaml", "function: add:add\nargs: [!retval sum, 1000]\n");
    let watching = Watching::start(&folder, &["run", "sum", "--revdeps", "--watch", "--arg", "a=40"]);
    watching.until("1042");
    folder.write("jobs/twice.yaml", "function: add:add\nargs: [!retval sum, 2000]\n");
    watching.until("2042");
    // Now both are to be built, as jobs of one round.
    let plugin = std::fs::read_to_string(folder.path("jobs/add.wat")).expect("the plugin");
    replace(&folder, "jobs/add.wat", &format!("{plugin}\n;; newer\n"));
    watching.until("changed: jobs/add.wat");
    watching.until("2042");
    let overrides = |id: &str| folder.json(&["build", "show", id])["config"]["overrides"].clone();
    assert_eq!((overrides("4"), overrides("5")), (serde_json::json!({"a": 40}), serde_json::json!({})));
    drop(watching);
    let both = ["run", "sum", "twice", "--watch", "--arg", "a=40"];
    folder.run(&both).code(2).says("`--arg` is for one job");
}

#[test]
fn what_a_watch_cannot_change_any_more_is_told() {
    let folder = sums().file("jobcontrol.yaml", "store: sqlite:kept/jobcontrol.db\n").file("kept/readme", "");
    let watching = Watching::start(&folder, &["run", "sum", "--watch"]);
    watching.until("SUCCESSFUL");
    folder.write("jobcontrol.yaml", "store: sqlite:other.db\n");
    watching.until("`store:` in jobcontrol.yaml has changed: restart to use it");
    watching.until("changed: jobcontrol.yaml");
    // The store in use is nobody's to see, whatever the file says now.
    let grants = "grants: { files: [{ host: ../kept, guest: /kept, mode: read }] }";
    folder.write("jobs/sees.yaml", format!("{SUM}{grants}\n"));
    let told = watching.until("error[JC");
    assert!(!told.iter().any(|line| line.contains("restart")), "it is told once: {told:#?}");
    folder.write("jobs/sum.yaml", "function: add:add\nargs: [5, 5]\n");
    watching.until("sum: build 2 SUCCESSFUL");
    folder.write("jobcontrol.yaml", "store: sqlite:kept/jobcontrol.db\n");
    let told = watching.until("changed: jobcontrol.yaml");
    assert!(!told.iter().any(|line| line.contains("restart")), "it is in use: {told:#?}");
    assert!(!folder.path("other.db").exists());
}

#[test]
fn run_goes_on_with_the_last_good_version_of_what_is_broken() {
    let folder = sums().file("jobs/other.yaml", SUM);
    let watching = Watching::start(&folder, &["run", "--watch", "sum", "other"]);
    watching.until("SUCCESSFUL");
    watching.until("SUCCESSFUL");
    folder.write("jobs/sum.yaml", "function: add:add\nargs: [1, two]\n");
    watching.until("error[JC0405]");
    watching.until("the last good version of `jobs/sum.yaml` is still in use");
    watching.until("nothing to build");
    folder.write("jobs/other.yaml", "function: add:add\nargs: [5, 5]\n");
    watching.until("the last good version of `jobs/sum.yaml` is still in use");
    watching.until("other: build 3 SUCCESSFUL");
    folder.write("jobs/sum.yaml", "function: add:add\nargs: [1, 40]\n");
    watching.until("2 jobs in 2 manifests: all good");
    watching.until("sum: build 4 SUCCESSFUL");
    // A plugin that is damaged stays as it was, too.
    let plugin = std::fs::read_to_string(folder.path("jobs/add.wat")).expect("the plugin");
    folder.write("jobs/add.wat", &plugin[..plugin.len() / 2]);
    watching.until("the last good version of `jobs/sum.yaml` is still in use");
    watching.until("nothing to build");
    folder.write("jobs/add.wat", &plugin);
    watching.until("all good");
    watching.until("nothing to build");
}

#[test]
fn no_right_outlives_its_withdrawal_while_the_jobs_cannot_be_read() {
    let folder = Folder::new().guest("add.wat");
    folder.write("jobcontrol.yaml", "environment: [JOBCONTROL_CACHE]\n");
    folder.write(
        "jobs/j.yaml",
        "jobs:\n  - { id: base, function: add:add, args: [1, 2] }\n  - { id: env, function: add:add, args: [!retval base, 1], grants: { env: [JOBCONTROL_CACHE] } }\n",
    );
    let watching = Watching::start(&folder, &["run", "env", "--deps", "--watch"]);
    watching.until("env: build 2 SUCCESSFUL");
    std::fs::rename(folder.path("jobs"), folder.path("away")).expect("a rename");
    watching.until("nothing to build");
    // Data of a dependency changes meanwhile, which would be a reason to build again.
    folder.write("other/base.yaml", "function: add:add\nargs: [5, 5]\n");
    std::fs::copy(folder.path("away/add.wat"), folder.path("other/add.wat")).expect("a copy");
    folder.run(&["--jobs", "other", "run", "base"]).code(0).stdout("10\n");
    replace(&folder, "jobcontrol.yaml", "environment: [OTHER]\n");
    watching.until("changed: jobcontrol.yaml");
    watching.until("nothing to build");
    assert_eq!(watching.interrupt(), Some(130));
    assert_eq!(folder.json(&["builds", "env"]).as_array().map(Vec::len), Some(1));
}

/// A release of jobs: one sum, in a folder of its own.
fn release(folder: &Folder, name: &str, args: &str) {
    folder.write(&format!("{name}/jobs/sum.yaml"), format!("function: add:add\nargs: {args}\n"));
    std::fs::copy(root().join("tests/guests/add.wat"), folder.path(&format!("{name}/jobs/add.wat"))).expect("a copy");
}

/// Has a link lead elsewhere in one step, as deployments do it.
fn turn(folder: &Folder, link: &str, target: &str) {
    symlink(target, folder.path("turning")).expect("a link");
    std::fs::rename(folder.path("turning"), folder.path(link)).expect("a rename");
}

#[test]
fn a_link_above_the_jobs_can_be_turned() {
    let folder = Folder::new();
    release(&folder, "r1", "[1, 2]");
    release(&folder, "r2", "[7, 2]");
    turn(&folder, "current", "r1");
    let watching = Watching::start(&folder, &["run", "sum", "--watch", "--jobs", "current/jobs"]);
    watching.returned("3");
    turn(&folder, "current", "r2");
    let told = watching.returned("9");
    assert!(told.iter().any(|line| line.ends_with("changed: current/jobs/sum.yaml")), "{told:#?}");
    // What is there now is watched, and what was there before is not.
    folder.write("r1/jobs/sum.yaml", "function: add:add\nargs: [100, 2]\n");
    folder.write("r2/jobs/sum.yaml", "function: add:add\nargs: [8, 2]\n");
    let told = watching.returned("10");
    assert!(!told.iter().any(|line| line == "102"), "{told:#?}");
    turn(&folder, "current", "r1");
    watching.returned("102");
    // The operator has withdrawn nothing.
    release(&folder, "r3", "[1]");
    turn(&folder, "current", "r3");
    watching.until("the last good version of `current/jobs/sum.yaml` is still in use");
}

#[test]
fn a_chain_of_links_is_watched_at_each_of_its_links() {
    let folder = Folder::new();
    for (name, args) in [("store/a", "[1, 1]"), ("store/b", "[2, 2]"), ("store/c", "[3, 3]")] {
        release(&folder, name, args);
    }
    std::fs::create_dir(folder.path("links")).expect("a folder");
    turn(&folder, "links/latest", "../store/a");
    turn(&folder, "current", "links/latest");
    let path = folder.path("current/jobs").display().to_string();
    let watching = Watching::start(&folder, &["run", "sum", "--watch", "--jobs", &path]);
    watching.returned("2");
    turn(&folder, "links/latest", "../store/b");
    watching.returned("4");
    turn(&folder, "current", "store/c");
    watching.returned("6");
    // Nor is what no longer leads there looked at, whatever it does.
    turn(&folder, "links/latest", "../nowhere");
    folder.write("store/c/jobs/sum.yaml", "function: add:add\nargs: [4, 4]\n");
    let told = watching.returned("8");
    assert!(!told.iter().any(|line| line.contains("error")), "{told:#?}");
}

#[test]
fn a_folder_above_the_jobs_can_be_replaced() {
    let folder = Folder::new();
    release(&folder, "far/up/s1", "[1, 2]");
    release(&folder, "next/s1", "[7, 2]");
    let watching = Watching::start(&folder, &["run", "sum", "--watch", "--jobs", "far/up/s1/jobs"]);
    watching.returned("3");
    std::fs::rename(folder.path("far/up"), folder.path("old")).expect("a rename");
    std::fs::rename(folder.path("next"), folder.path("far/up")).expect("a rename");
    watching.returned("9");
    std::fs::remove_dir_all(folder.path("far")).expect("it is there");
    watching.until("the jobs folder `far/up/s1/jobs` is missing");
    release(&folder, "far/up/s1", "[5, 6]");
    watching.returned("11");
}

#[test]
fn plugins_behind_links_are_watched() {
    let folder = Folder::new()
        .file("jobs/sum.yaml", SUM)
        .file("jobcontrol.yaml", "plugins: [deployed/plugins]\n")
        .file("v1/plugins/readme", "")
        .file("v2/plugins/readme", "");
    std::fs::copy(root().join("tests/guests/add.wat"), folder.path("v2/plugins/add.wat")).expect("a copy");
    turn(&folder, "deployed", "v1");
    let watching = Watching::start(&folder, &["check", "--watch"]);
    watching.until("there is no plugin `add`");
    turn(&folder, "deployed", "v2");
    watching.until("1 job in 1 manifest: all good");
    turn(&folder, "deployed", "v1");
    watching.until("there is no plugin `add`");
    // One file that is a link, through a link.
    symlink("../deployed/plugins/add.wat", folder.path("jobs/add.wat")).expect("a link");
    turn(&folder, "deployed", "v2");
    watching.until("1 job in 1 manifest: all good");
}

#[test]
fn a_plugin_below_a_plugin_folder_is_watched_by_its_path() {
    let add = std::fs::read_to_string(root().join("tests/guests/add.wat")).expect("a guest");
    let folder = Folder::new()
        .file("built/debug/add.wat", &add)
        .file("jobs/sum.yaml", "function: ../built/latest/add.wat:add\nargs: [1, 2]\n")
        .file("jobcontrol.yaml", "plugins: [built]\n");
    turn(&folder, "built/latest", "debug");
    let watching = Watching::start(&folder, &["run", "sum", "--watch"]);
    watching.returned("3");
    replace(&folder, "built/debug/add.wat", &add.replace("i32.add", "i32.sub"));
    watching.returned("4294967295");
    folder.write("built/release/add.wat", add.replace("i32.add", "i32.mul"));
    turn(&folder, "built/latest", "release");
    watching.returned("2");
}

#[test]
fn a_manifest_that_is_a_link_is_watched_along_its_way() {
    let folder =
        Folder::new().guest("add.wat").file("a/sum.yaml", SUM).file("b/sum.yaml", "function: add:add\nargs: [5, 5]\n");
    turn(&folder, "set", "a");
    symlink("../set/sum.yaml", folder.path("jobs/sum.yaml")).expect("a link");
    let watching = Watching::start(&folder, &["run", "sum", "--watch"]);
    watching.returned("3");
    turn(&folder, "set", "b");
    watching.returned("10");
    replace(&folder, "b/sum.yaml", "function: add:add\nargs: [6, 6]\n");
    watching.returned("12");
    std::fs::remove_file(folder.path("set")).expect("it is there");
    watching.until("is a link whose target does not exist");
    turn(&folder, "set", "a");
    watching.returned("3");
}

#[test]
fn a_tightened_ceiling_behind_a_link_is_applied() {
    let folder = Folder::new()
        .guest("add.wat")
        .file("jobs/sum.yaml", "function: add:add\nargs: [1, 2]\nlimits: { memory: 64 MiB }\n")
        .file("r1/jobcontrol.yaml", "ceiling: { limits: { memory: 128 MiB } }\n")
        .file("r2/jobcontrol.yaml", "ceiling: { limits: { memory: 16 MiB } }\n");
    turn(&folder, "current", "r1");
    symlink("current/jobcontrol.yaml", folder.path("jobcontrol.yaml")).expect("a link");
    for arguments in [&["check", "--watch"][..], &["check", "--watch", "--config", "current/jobcontrol.yaml"]] {
        turn(&folder, "current", "r1");
        let jobs = folder.path("jobs").display().to_string();
        let arguments: Vec<_> = arguments.iter().copied().chain(["--jobs", &jobs]).collect();
        let watching = Watching::start(&folder, &arguments);
        watching.until("1 job in 1 manifest: all good");
        turn(&folder, "current", "r2");
        let told = watching.until("1 error");
        assert!(told.iter().any(|line| line.contains("16 MiB")), "{told:#?}");
    }
}
