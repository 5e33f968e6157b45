//! `build rerun`: the same again, today's job, other arguments, and the rest of a run.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

const SUMS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - id: two
    function: add:add
    kwargs: { a: !retval one, b: 10 }
";

fn sums() -> Folder {
    let folder = Folder::new().guest("add.wat").file("jobs/sums.yaml", SUMS);
    folder.run(&["run", "two", "--deps"]).code(0).stdout("13\n");
    folder
}

fn show(folder: &Folder, build: u64) -> Value {
    folder.json(&["build", "show", &build.to_string()])
}

#[test]
fn the_same_again_is_as_it_was_whatever_has_changed() {
    let folder = sums();
    folder.write("jobs/sums.yaml", SUMS.replace("[1, 2]", "[100, 2]").replace("b: 10", "b: 20"));
    folder.run(&["run", "one"]).code(0).stdout("102\n");
    folder.write("jobs/add.wat", "(component)");
    folder.run(&["build", "rerun", "2"]).code(0).stdout("13\n");
    let (was, again) = (show(&folder, 2), show(&folder, 4));
    assert_eq!((&again["rerun_of"], &again["plugin"], &again["pins"]), (&json!(2), &was["plugin"], &was["pins"]));
    std::fs::remove_dir_all(folder.path("jobs")).expect("the folder goes");
    folder.run(&["build", "rerun", "2", "--same"]).code(0).stdout("13\n");
    let told = folder.run(&["build", "show", "5"]).code(0).stdout;
    assert!(told.contains("rerun of   build 2\n"), "{told}");
    let listed = folder.run(&["builds", "two"]).code(0).stdout;
    assert!(listed.starts_with("BUILD  JOB  STATUS      RERUN OF  STARTED"), "{listed}");
}

#[test]
fn the_latest_is_the_job_of_today() {
    let folder = sums();
    folder.write("jobs/sums.yaml", SUMS.replace("[1, 2]", "[100, 2]").replace("b: 10", "b: 20"));
    folder.run(&["run", "one"]).code(0).stdout("102\n");
    folder.run(&["build", "rerun", "2", "--latest"]).code(0).stdout("122\n");
    assert_eq!((&show(&folder, 4)["rerun_of"], &show(&folder, 4)["pins"]["one"]["build"]), (&json!(2), &json!(3)));
    std::fs::remove_file(folder.path("jobs/sums.yaml")).expect("the manifest goes");
    folder.run(&["build", "rerun", "2", "--latest"]).code(4).says("there is no job `two`");
}

#[test]
fn arguments_can_be_edited_and_edits_are_kept() {
    let folder = sums();
    folder.run(&["build", "rerun", "2", "--arg", "b=0"]).code(0).stdout("3\n");
    let told = folder.run(&["build", "show", "3"]).code(0).stdout;
    assert!(told.contains("rerun of   build 2, with other arguments\n"), "{told}");
    folder.run(&["build", "rerun", "3"]).code(0).stdout("3\n");
    folder.run(&["build", "rerun", "3", "--arg", "a=7"]).code(0).stdout("7\n");
    assert_eq!(show(&folder, 5)["config"]["overrides"], json!({"a": 7, "b": 0}));
    folder.run(&["build", "rerun", "2", "--arg", "c=7"]).code(2).says("there is no parameter `c`");
    // It says nothing of how the job stands.
    let job = folder.json(&["job", "two"]);
    assert_eq!((&job["status"], &job["outdated_because"]), (&json!("success"), &json!([])));
}

#[test]
fn a_build_with_arguments_given_by_hand_is_used_in_its_own_run_and_nowhere_else() {
    let folder = sums();
    folder.run(&["run", "one", "--arg", "a=100", "--revdeps", "--quiet"]).code(0);
    let pins = |build: u64| show(&folder, build)["pins"]["one"]["build"].clone();
    assert_eq!((&show(&folder, 4)["retval"], pins(4)), (&json!(112), json!(3)), "build 3 is the one with 100");
    assert_eq!(folder.json(&["job", "one"])["status"], "success");
    folder.run(&["run", "two", "--quiet"]).code(0).stdout("13\n");
    assert_eq!(pins(5), json!(1));
    // A build that is pinned by hand is used anyway.
    folder.run(&["run", "two", "--pin", "one=3", "--quiet"]).code(0).stdout("112\n");
    // A job that was only built so has nothing for those who need it.
    let folder = Folder::new().guest("add.wat").file("jobs/sums.yaml", SUMS);
    folder.run(&["run", "one", "--arg", "a=100"]).code(0);
    folder.run(&["run", "two"]).code(1).says("`one`");
    assert_eq!(folder.json(&["job", "one"])["status"], "not_built");
}

#[test]
fn what_cannot_be_done_again_says_why() {
    let folder = sums();
    folder.run(&["build", "rerun", "9"]).code(4).says("there is no build 9");
    folder.run(&["build", "delete", "1"]).code(0);
    let says = "build 2 cannot be repeated as it was: build 1 of `one`, which it used, was deleted; `--latest` uses the job as it is now";
    folder.run(&["build", "rerun", "2"]).code(1).says(says);
    folder.run(&["build", "rerun", "2", "--same", "--latest"]).code(2).says("cannot be used with");
    folder.run(&["build", "rerun", "2", "--from-failed"]).code(2).says("run 1 has no failed and no unfinished jobs");
}

#[test]
fn retries_timeouts_and_limits_of_then_come_back_below_the_ceiling_of_today() {
    let job = "function: attempts:flaky, args: [9], timeout: { attempt: 50s, build: 40s, no_progress: 30s }, \
               limits: { memory: 32 MiB }, retry: { attempts: 3, initial: 1ms, max: 2ms, on: [trap, limit] }";
    let folder = Folder::new().guest("attempts.wat").file("jobs/flaky.yaml", format!("{{ {job} }}"));
    folder.run(&["run", "flaky"]).code(1);
    std::fs::remove_dir_all(folder.path("jobs")).expect("the folder goes");
    folder.run(&["build", "rerun", "1"]).code(1).says("attempt 3 of 3");
    let of = |build: u64, keys: [&str; 3]| keys.map(|key| show(&folder, build)["config"][key].clone());
    let kept = ["retry", "timeout", "limits"];
    assert_eq!(of(2, kept), of(1, kept));
    assert_eq!(show(&folder, 2)["attempts"].as_array().map(Vec::len), Some(3));
    let ceiling = "ceiling: { timeout: { attempt: 20s, build: 10s, no_progress: 5s }, limits: { memory: 16 MiB } }";
    folder.write("jobcontrol.yaml", ceiling);
    folder.run(&["build", "rerun", "1"]).code(1).says("attempt 3 of 3");
    let [retry, timeout, limits] = of(3, kept);
    assert_eq!((&retry, &limits["memory"]), (&of(1, kept)[0], &json!(16 << 20)));
    assert_eq!(timeout, json!({"attempt": "20000ms", "build": "10000ms", "no_progress": "5000ms"}));
}

#[test]
fn a_protected_job_asks_in_a_rerun_too() {
    let folder = sums();
    folder.write("jobs/sums.yaml", SUMS.replace("id: one,", "id: one, protected: true,"));
    for how in ["--same", "--latest"] {
        folder.run(&["build", "rerun", "1", how]).code(2).says("`one` is protected; add `--yes-protected` to run it");
        folder.run(&["build", "rerun", "1", how, "--yes-protected"]).code(0).stdout("3\n");
    }
}

const READS: &str = "
function: files_create:create
grants: { files: [{ host: ../data, guest: /data, mode: write }] }
";

#[test]
fn a_folder_is_granted_again_only_while_somebody_grants_it() {
    let folder = Folder::new().guest("files_create.wat").file("jobs/reads.yaml", READS).file("data/x", "");
    folder.run(&["run", "reads"]);
    assert_eq!(show(&folder, 1)["config"]["grants"]["files"][0]["host"], "../data");
    let status = show(&folder, 1)["status"].clone();
    folder.run(&["build", "rerun", "1"]);
    assert_eq!((&show(&folder, 2)["status"], &show(&folder, 2)["rerun_of"]), (&status, &json!(1)));
    folder.write("jobs/reads.yaml", READS.replace("mode: write", "mode: read"));
    let says = "it was granted the folder `jobs/../data`, but its job no longer grants that";
    folder.run(&["build", "rerun", "1"]).code(1).says(says);
    std::fs::remove_file(folder.path("jobs/reads.yaml")).expect("the manifest goes");
    folder.run(&["build", "rerun", "1"]).code(1).says(says);
    folder.write("jobcontrol.yaml", "ceiling: { files: [{ host: data, mode: read }] }");
    folder.run(&["build", "rerun", "1"]).code(1).says("above the ceiling that jobcontrol.yaml sets");
    folder.write("jobcontrol.yaml", "ceiling: { files: [{ host: data, mode: write }] }");
    folder.run(&["build", "rerun", "1"]);
    assert_eq!(show(&folder, 3)["status"], status);
}

/// `base`, then `good` and `bad` of it, then `end` of both; `far` of `good`.
const GRAPH: &str = "jobs:
  - { id: base, function: add:add, args: [1, 2] }
  - { id: good, function: add:add, args: [!retval base, 1] }
  - { id: bad, function: divide:divide, args: [!retval base, 0] }
  - { id: end, function: add:add, args: [!retval good, !retval bad] }
";

#[test]
fn from_failed_builds_what_failed_and_what_waited_and_nothing_else() {
    let folder = Folder::new().guest("add.wat").guest("divide.wat").file("jobs/graph.yaml", GRAPH);
    folder.run(&["run", "end", "--deps"]).code(1).says("end: not built, because `bad` did not succeed");
    let builds = folder.json(&["builds"]);
    let id = |job: &str| {
        builds.as_array().and_then(|all| all.iter().find(|b| b["job_id"] == job)).expect("a build")["id"].clone()
    };
    let bad = id("bad").as_u64().expect("a number");
    // Somebody builds the successful ones anew in the meantime.
    folder.run(&["run", "base", "--arg", "a=50"]).code(0);
    folder.run(&["run", "good"]).code(0);
    folder.run(&["build", "rerun", &bad.to_string(), "--from-failed"]).code(1);
    folder.write("jobs/graph.yaml", GRAPH.replace("[!retval base, 0]", "[!retval base, 1]"));
    let latest = folder.json(&["builds", "bad", "--order", "desc", "--limit", "1"])[0]["id"].clone();
    assert_eq!(show(&folder, latest.as_u64().expect("a number"))["rerun_of"], bad);
    let answer = folder.json(&["build", "rerun", &bad.to_string(), "--from-failed"]);
    let jobs: Vec<_> =
        answer.as_array().expect("two builds").iter().map(|b| (b["job_id"].clone(), b["retval"].clone())).collect();
    assert_eq!(jobs, [(json!("bad"), json!(3)), (json!("end"), json!(7))]);
    assert_eq!((&answer[0]["rerun_of"], &answer[1]["rerun_of"]), (&json!(bad), &Value::Null));
    assert_eq!(answer[0]["pins"]["base"]["build"], id("base"));
    assert_eq!(answer[1]["pins"]["good"]["build"], id("good"));
    // A run that was itself the rest of a run can be finished as well.
    let latest = latest.to_string();
    let answer = folder.json(&["build", "rerun", &latest, "--from-failed"]);
    assert_eq!(answer.as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(answer[0]["pins"]["base"]["build"], id("base"));
}

#[test]
fn a_variable_is_granted_again_only_where_its_job_takes_it_still() {
    let job = |grants: &str| format!("function: add:add\nargs: [1, 2]\n{grants}");
    let taking = job("grants: { env: [TOKEN] }\n");
    let folder = Folder::new().guest("add.wat").file("jobs/j.yaml", &taking);
    folder.write("jobcontrol.yaml", "environment: [TOKEN]\n");
    let run = |arguments: &[&str]| -> crate::harness::Answer {
        folder.command(arguments).env("TOKEN", "secret").output().expect("it starts").into()
    };
    run(&["run", "j"]).code(0);
    folder.write("jobs/j.yaml", job(""));
    run(&["build", "rerun", "1"])
        .code(1)
        .says("it was granted the variable `TOKEN`, but its job no longer grants that");
    folder.write("jobs/j.yaml", job("grants: { env: { TOKEN: mine } }\n"));
    run(&["build", "rerun", "1"])
        .code(1)
        .says("it was granted the variable `TOKEN`, but its job no longer grants that");
    folder.write("jobs/j.yaml", job("grants: { env: [TOKEN] }\nnope: 1\n"));
    run(&["build", "rerun", "1", "--yes-protected"]).code(1).says("it is not known whether its job still grants that");
    folder.write("jobs/j.yaml", &taking);
    run(&["build", "rerun", "1"]).code(0).stdout("3\n");
    std::fs::remove_file(folder.path("jobs/j.yaml")).expect("the manifest goes");
    run(&["build", "rerun", "1"]).code(0).stdout("3\n");
}

#[test]
fn a_job_whose_manifest_cannot_be_read_counts_as_protected() {
    let folder = Folder::new().guest("add.wat").file("jobs/p.yaml", "function: add:add\nargs: [1, 2]\n");
    folder.run(&["run", "p"]).code(0);
    for wrong in ["function: add:add\nargs: [1, 2]\nprotected: true\nnope: 1\n", "protected: [", "- x"] {
        folder.write("jobs/p.yaml", wrong);
        folder
            .run(&["build", "rerun", "1"])
            .code(2)
            .says("`p` is treated as protected")
            .says("`p` is protected; add `--yes-protected` to run it");
    }
    folder.run(&["build", "rerun", "1", "--yes-protected"]).code(0).stdout("3\n");
}

#[test]
fn the_rest_of_a_run_has_the_arguments_that_were_given() {
    let folder = Folder::new().guest("divide.wat");
    let share = |b: u32| format!("function: divide:divide\nargs: [12, {b}]\n");
    folder.write("jobs/share.yaml", share(4));
    folder.run(&["run", "share", "--arg", "b=0"]).code(1);
    folder.run(&["build", "rerun", "1", "--from-failed"]).code(1).says("integer divide by zero");
}
