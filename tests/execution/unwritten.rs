//! Builds whose end finds no room in the store: the reason that is recorded is the true one, sooner
//! or later.

use std::process::Command;

use serde_json::Value;

use super::Background;
use super::disk::answered;
use super::disk::mounted;
use super::jobs;
use crate::harness::Folder;

/// Jobs that return 4 MB, and a number.
fn folder() -> Folder {
    let large = "id: large\nfunction: hostile_retval:alike-bytes\nargs: [64, 60000]\n";
    jobs(&["id: quick, function: attempts:flaky, args: [1]"]).guest("hostile_retval.wat").file("jobs/large.yaml", large)
}

/// What `--format json` said under that name.
fn said(folder: &Folder, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.path(&format!("{name}.out"))).unwrap()).unwrap()
}

#[test]
fn a_value_that_finds_no_room_leaves_its_reason() {
    let folder = folder();
    mounted(
        &folder,
        "mount -t tmpfs -o size=3m none small
         jc first run quick
         jc large run large
         jc json run large --format json
         jc shown build show 2 --format json
         jc both run large quick
         jc runs runs --format json",
    );
    answered(&folder, "first", 0, "SUCCESSFUL");
    answered(&folder, "large", 5, "the function returned, but its result could not be written: the store");
    answered(&folder, "large", 5, "database or disk is full");
    answered(&folder, "json", 5, "");
    for name in ["json", "shown"] {
        let build = said(&folder, name);
        assert_eq!((&build["status"], &build["exception"]["kind"]), (&"FAILED".into(), &"storage".into()), "{build:#}");
        assert!(build["exception"]["message"].as_str().unwrap().contains("disk is full"), "{build:#}");
    }
    // What has room beside it is not hurt.
    answered(&folder, "both", 5, "SUCCESSFUL");
    let runs = said(&folder, "runs");
    let open = runs.as_array().unwrap().iter().filter(|run| run["status"] == "RUNNING").count();
    assert_eq!(open, 0, "{runs:#}");
}

#[test]
fn the_end_of_a_build_on_a_full_disk_is_recorded_later() {
    let folder = jobs(&[
        "id: quick, function: attempts:flaky, args: [1]",
        "id: tries, function: attempts:flaky, args: [2], retry: { attempts: 2, initial: 3s, jitter: false }",
    ]);
    mounted(
        &folder,
        "mount -t tmpfs -o size=3m none small
         jc first run quick
         mkfifo said
         \"$PROGRAM\" --store sqlite:small/jobcontrol.db run tries 2>said & run=$!
         sed '/attempt 2/q' <said >/dev/null
         cat /dev/zero >small/fill 2>/dev/null || true
         code=0; wait $run || code=$?; echo $code >tries.code
         rm small/fill
         jc shown build show 2 --format json
         jc again run quick
         jc runs runs --format json",
    );
    let (build, code) = (said(&folder, "shown"), std::fs::read_to_string(folder.path("tries.code")).unwrap());
    // Its few words may have found room after all: then it went on.
    match code.trim() {
        "0" => assert_eq!(build["status"], "SUCCESSFUL", "{build:#}"),
        code => {
            assert_eq!(code, "5", "{build:#}");
            assert_eq!((&build["status"], &build["exception"]["kind"]), (&"FAILED".into(), &"storage".into()));
        }
    }
    answered(&folder, "again", 0, "SUCCESSFUL");
}

#[test]
fn what_a_process_could_not_write_at_all_the_next_one_does() {
    let folder = jobs(&[
        "id: quick, function: attempts:flaky, args: [1]",
        "id: tries, function: attempts:flaky, args: [2], retry: { attempts: 2, initial: 3s, jitter: false }",
        "id: after, function: attempts:flaky, args: [1], dependencies: [tries]",
    ]);
    folder.run(&["run", "quick"]).code(0);
    // A run of one build ends with it, another by itself.
    for (targets, id, reader) in [(&["tries"][..], "2", "builds"), (&["tries", "after"], "3", "runs")] {
        let arguments: Vec<_> = std::iter::once("run").chain(targets.iter().copied()).collect();
        let run = Background::until(&folder, &arguments, "attempt 2");
        // From now on neither the store nor its log can grow, nor begin again.
        let limit = ["--fsize=4096", "--pid", &run.id().to_string()];
        assert!(Command::new("prlimit").args(limit).status().expect("`prlimit` is there").success());
        assert_eq!(run.end().status.code(), Some(5));
        let kept = std::fs::read_dir(folder.path("jobcontrol.db.owners")).unwrap().count();
        assert_eq!(kept, 1);
        // Whichever command comes next: one that reads as well.
        folder.run(&[reader]).code(0);
        assert!(!folder.path("jobcontrol.db.owners").exists());
        let build = folder.json(&["build", "show", id]);
        assert_eq!((&build["status"], &build["exception"]["kind"]), (&"FAILED".into(), &"storage".into()), "{build:#}");
        let message = build["exception"]["message"].as_str().unwrap();
        assert!(message.contains("no file may be larger than 4 KiB (`ulimit -f`)"), "{message}");
        let runs = folder.json(&["runs"]);
        assert_eq!(runs.as_array().unwrap().last().unwrap()["status"], "FAILED", "{runs:#}");
    }
    folder.run(&["run", "quick"]).code(0);
    assert_eq!(folder.json(&["builds", "tries"])[0]["status"], "FAILED");
}

#[test]
fn a_build_that_lost_a_part_of_its_log_does_not_succeed() {
    let folder = folder()
        .guest("log_raw.wat")
        .file("jobs/talks.yaml", "id: talks\nfunction: log_raw:write\nargs: [1, 0, 60000, 0, 0, 40]\n");
    mounted(
        &folder,
        "mount -t tmpfs -o size=2560k none small
         jc first run quick
         jc talks run talks
         jc shown build show 2 --format json
         jc runs runs --format json",
    );
    answered(&folder, "talks", 5, "database or disk is full");
    let build = said(&folder, "shown");
    assert_eq!((&build["status"], &build["exception"]["kind"]), (&"FAILED".into(), &"storage".into()), "{build:#}");
    let runs = said(&folder, "runs");
    assert_eq!((runs.as_array().unwrap().len(), &runs[1]["status"]), (2, &"FAILED".into()), "{runs:#}");
}
