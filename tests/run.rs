//! `run`, and what it leaves for the other commands.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

/// A sum, and a sum of that.
const SUMS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - id: two
    function: add:add
    kwargs: { a: !retval one, b: 10 }
";

fn sums() -> Folder {
    Folder::new().guest("add.wat").file("jobs/sums.yaml", SUMS)
}

#[test]
fn the_return_value_is_all_that_stdout_has() {
    let answer = sums().run(&["run", "one"]).code(0).stdout("3\n");
    assert!(answer.stderr.starts_with("one: build 1 started\none: build 1 SUCCESSFUL in "), "{answer:#?}");
}

#[test]
fn quiet_is_quiet() {
    let answer = sums().run(&["run", "one", "--quiet"]).code(0).stdout("3\n");
    assert_eq!(answer.stderr, "");
}

#[test]
fn a_missing_dependency_is_named_and_nothing_is_built() {
    let folder = sums();
    folder
        .run(&["run", "two"])
        .code(1)
        .stdout("")
        .says("error: two: missing dependencies: `one` has no successful build; build them first with `--deps`");
    assert_eq!(folder.json(&["builds"]), json!([]));
}

#[test]
fn deps_are_built_first_and_only_when_they_are_due() {
    let folder = sums();
    folder.run(&["run", "--deps", "two"]).code(0).stdout("13\n");
    folder.run(&["run", "--deps", "two"]).code(0).stdout("13\n");
    assert_eq!(jobs_of_builds(&folder), ["one", "two", "two"]);
    folder.write("jobs/sums.yaml", SUMS.replace("[1, 2]", "[5, 5]"));
    assert_eq!(status(&folder, "one"), "outdated");
    folder.run(&["run", "--deps", "two"]).code(0).stdout("20\n");
    assert_eq!(jobs_of_builds(&folder), ["one", "two", "two", "one", "two"]);
}

fn jobs_of_builds(folder: &Folder) -> Vec<String> {
    let builds = folder.json(&["builds"]);
    let job = |build: &Value| build["job_id"].as_str().expect("a job").to_owned();
    builds.as_array().expect("a list").iter().map(job).collect()
}

fn status(folder: &Folder, job: &str) -> String {
    folder.json(&["job", job])["status"].as_str().expect("a status").to_owned()
}

#[test]
fn a_build_is_pinned_to_what_it_used() {
    let folder = sums();
    folder.run(&["run", "--deps", "two"]).code(0);
    let build = folder.json(&["build", "show", "2"]);
    assert_eq!(build["pins"]["one"]["build"], 1);
    assert_eq!(build["config"]["kwargs"]["a"], json!({"!retval": "one"}));
    folder.write("jobs/sums.yaml", SUMS.replace("[1, 2]", "[100, 2]"));
    folder.run(&["run", "one"]).code(0).stdout("102\n");
    assert_eq!(status(&folder, "two"), "outdated");
    let because = folder.json(&["job", "two"])["outdated_because"].clone();
    assert_eq!(because, json!(["`one` has returned a different value since: build 1 -> build 3"]));
}

#[test]
fn an_argument_can_be_given_by_hand_and_is_checked() {
    let folder = sums();
    folder.run(&["run", "one", "--arg", "a=40"]).code(0).stdout("42\n");
    assert_eq!(folder.json(&["build", "show", "1"])["config"]["overrides"], json!({"a": 40}));
    folder.run(&["run", "one", "--arg", "a=x"]).code(2).says("error: --arg a=x: a: expected u32, found the string `x`");
    folder.run(&["run", "one", "--arg", "c=1"]).code(2).says("there is no parameter `c`");
    folder.run(&["run", "one", "--arg", "a"]).code(2).says("`a` is not `NAME=VALUE`");
    folder.run(&["run", "one", "--arg", "a=1", "--arg", "a=2"]).code(2).says("--arg a: given twice");
    folder.run(&["run", "one", "two", "--arg", "a=1"]).code(2).says("`--arg` is for one job");
}

#[test]
fn json_is_one_build_or_a_list_of_them() {
    let folder = sums();
    let one = folder.json(&["run", "one"]);
    assert_eq!((&one["id"], &one["status"], &one["retval"]), (&json!(1), &json!("SUCCESSFUL"), &json!(3)));
    let keys = ["job_id", "start_time", "end_time", "started", "finished", "success", "skipped", "config", "exception"];
    assert!(keys.iter().all(|key| one.get(key).is_some()), "{one}");
    let both = folder.json(&["run", "one", "two"]);
    assert_eq!((&both[0]["job_id"], &both[1]["retval"]), (&json!("one"), &json!(13)));
    let missing = Folder::new().guest("add.wat").file("jobs/sums.yaml", SUMS).json(&["run", "two"]);
    assert_eq!(missing["job_id"], "two");
    assert!(missing["error"].as_str().expect("an error").starts_with("missing dependencies: `one`"));
}

#[test]
fn a_store_in_memory_leaves_nothing() {
    let folder = sums();
    assert_eq!(folder.json(&["run", "two", "--deps", "--store", "memory:"])["retval"], 13);
    assert_eq!(std::fs::read_dir(folder.path("")).expect("the folder").count(), 1);
}

#[test]
fn one_failure_stops_only_what_needs_it() {
    let folder = Folder::new().guest("add.wat").guest("divide.wat").file(
        "jobs/x.yaml",
        "jobs:
  - { id: bad, function: divide:divide, args: [1, 0] }
  - { id: needs-bad, function: add:add, args: [!retval bad, 1] }
  - { id: good, function: add:add, args: [1, 1] }
  - { id: needs-good, function: add:add, args: [!retval good, 1] }
",
    );
    let answer = folder.run(&["run", "--deps", "needs-bad", "needs-good"]).code(1).stdout("3\n");
    answer.says("error: needs-bad: not built, because `bad` did not succeed");
    let builds = folder.json(&["builds", "--no-success"]);
    assert_eq!(builds[0]["exception"], json!({"kind": "trap", "message": "integer divide by zero"}));
    let bad = builds[0]["id"].to_string();
    assert_eq!(folder.json(&["build", "show", &bad])["exception"]["value"], json!(null));
}

#[test]
fn a_broken_manifest_stops_only_those_who_need_it() {
    let folder = sums().file("jobs/other.yaml", "id: other\nfunction: nowhere:f\ndependencies: [gone]\n");
    folder.run(&["run", "one"]).code(0).stdout("3\n");
    folder.run(&["run", "other"]).code(3).says("there is no plugin `nowhere`");
    let folder = sums().file("jobs/other.yaml", "jobs: [\n");
    folder.run(&["run", "one"]).code(0).stdout("3\n");
    folder.run(&["run", "other"]).code(3).says("jobs/other.yaml:1:7");
}

#[test]
fn a_job_that_cannot_be_read_is_not_run_and_its_dependents_name_it() {
    let folder = sums().file(
        "jobs/x.yaml",
        "jobs:
  - { id: unset, function: add:add, args: [1, 2], title: \"${HOME}\" }
  - { id: typo, functoin: add:add }
  - { id: needs-typo, function: add:add, args: [!retval typo, 2] }
  - { id: huge, function: add:add, args: [1, 1e400] }
",
    );
    let answer = folder.run(&["run", "unset"]).code(3);
    assert!(answer.stderr.contains("`HOME` may not be taken from the environment"), "{answer:#?}");
    assert!(!answer.stderr.contains("functoin"), "only what the job needs: {answer:#?}");
    let answer = folder.run(&["run", "needs-typo"]).code(3);
    assert!(answer.stderr.contains("unknown key `functoin`"), "{answer:#?}");
    assert!(!answer.stderr.contains("there is no job"), "{answer:#?}");
    folder.run(&["run", "huge"]).code(3).says("1e400 is out of range for every float");
    assert_eq!(folder.json(&["builds"]), json!([]));
    folder.run(&["run", "one"]).code(0).stdout("3\n");
}

#[test]
fn a_link_that_leaves_the_jobs_folder_is_not_followed() {
    let folder = sums();
    std::os::unix::fs::symlink("/", folder.path("jobs/everything")).expect("a link");
    std::os::unix::fs::symlink("/", folder.path("jobs/.hidden")).expect("a link");
    std::os::unix::fs::symlink("/usr", folder.path("jobs/elsewhere")).expect("a link");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("`jobs/everything` is a link to a folder outside the jobs folder"), "{answer:#?}");
    assert!(answer.stdout.contains("`jobs/elsewhere` is a link to a folder outside the jobs folder"), "{answer:#?}");
    assert!(answer.stdout.contains("\n2 errors"), "{answer:#?}");
    folder.run(&["run", "one"]).code(0).stdout("3\n");
}

#[test]
fn a_long_chain_is_drawn_as_far_as_it_helps() {
    let mut text = "jobs:\n  - { id: j0, function: add:add, args: [1, 1] }\n".to_owned();
    for i in 1..3_000 {
        text.push_str(&format!("  - {{ id: j{i}, function: add:add, args: [!retval j{}, 1] }}\n", i - 1));
    }
    let answer = Folder::new().guest("add.wat").file("jobs/chain.yaml", text).run(&["graph"]).code(0);
    assert!(answer.stdout.contains("(more below: `jobcontrol graph j2935`)"), "{}", answer.stdout.len());
}

#[test]
fn a_store_is_a_path_and_nothing_else() {
    let folder = sums();
    folder.run(&["run", "one", "--store", "sqlite::memory:"]).code(2).says("write `memory:`");
    folder.run(&["run", "one", "--store", "sqlite:file:x.db"]).code(2).says("write `sqlite:x.db`");
    assert!(!folder.path(":memory:").exists() && !folder.path("file:x.db").exists());
    // Who means a file of that name can say so.
    for name in [":memory:", "file:x.db"] {
        folder.run(&["run", "one", "--store", &format!("sqlite:./{name}")]).code(0).stdout("3\n");
        assert!(folder.path(name).is_file());
    }
}

#[test]
fn what_is_not_there_is_said_with_the_nearest_name() {
    let folder = sums();
    folder.run(&["run", "ona"]).code(4).says("error: there is no job `ona`; did you mean `one`?");
    folder.run(&["job", "zzz"]).code(4).says("error: there is no job `zzz`; `jobcontrol jobs` lists them\n");
    folder.run(&["run", "jobs/j.yaml"]).code(4).says("a job is named by its id, not by its file");
    folder.run(&["builds", "ona"]).code(4).says("error: there is no job `ona`; did you mean `one`?");
    folder.run(&["builds", "one"]).code(0).says("no builds");
    folder.run(&["build", "show", "7"]).code(4).says("error: there is no build 7");
    folder.run(&["logs", "7"]).code(4).says("error: there is no build 7");
    folder.run(&["inspect", "nothing"]).code(4).says("there is no plugin `nothing`");
    folder.run(&["rum"]).code(2).says("unrecognized subcommand");
}

#[test]
fn a_protected_job_waits_to_be_armed() {
    let folder =
        Folder::new().guest("add.wat").file("jobs/x.yaml", "id: x\nfunction: add:add\nargs: [1, 1]\nprotected: true\n");
    folder.run(&["run", "x"]).code(2).says("`x` is protected; add `--yes-protected` to run it");
    folder.run(&["run", "x", "--yes-protected"]).code(0).stdout("2\n");
}

#[test]
fn the_graph_in_each_form() {
    let folder = sums();
    folder.run(&["graph"]).code(0).stdout("two\n└── one\n");
    folder.run(&["graph", "--format", "dot"]).code(0).stdout(
        "digraph jobs {\n  rankdir = LR;\n  node [shape = box];\n  \"one\";\n  \"two\";\n  \"one\" -> \"two\";\n}\n",
    );
    folder
        .run(&["graph", "two", "--format", "mermaid"])
        .code(0)
        .stdout("flowchart LR\n  n0[\"one\"]\n  n1[\"two\"]\n  n0 --> n1\n");
    folder.run(&["run", "one"]).code(0);
    let picture = folder.run(&["graph", "--format", "svg"]).code(0).stdout;
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    for part in ["<title>one: success</title>", "<title>two: not_built</title>", "class=\"edge\" d=\"M"] {
        assert!(picture.contains(part), "no {part} in {picture}");
    }
    assert_eq!(folder.json(&["graph"])["edges"], json!([{"from": "one", "to": "two"}]));
    folder.run(&["jobs", "--format", "dot"]).code(2).says("are for `graph`");
}

#[test]
fn settings_come_from_flags_then_variables_then_the_file() {
    let folder = sums().file("jobcontrol.yaml", "store: sqlite:from-file.db\nceiling: { timeout: 1m }\n");
    folder.run(&["run", "one"]).code(0);
    assert!(folder.path("from-file.db").is_file());
    let variable = folder.command(&["run", "one"]).env("JOBCONTROL_STORE", "sqlite:from-variable.db").output();
    assert!(variable.expect("it runs").status.success() && folder.path("from-variable.db").is_file());
    folder.run(&["run", "one", "--store", "sqlite:from-flag.db"]).code(0);
    assert!(folder.path("from-flag.db").is_file());
    assert_eq!(folder.json(&["build", "show", "1"])["config"]["timeout"], "60000ms");
    folder.run(&["jobs", "--store", "mysql:x"]).code(2).says("`mysql:x` is not a store URL");
    folder.write("jobs/sums.yaml", SUMS.replace("args: [1, 2]", "args: [1, 2], timeout: 2m"));
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("`timeout` of 2m is above the ceiling"), "{answer:#?}");
}

#[test]
fn variables_fill_in_what_the_operator_allows() {
    let folder = Folder::new()
        .guest("sdk.wasm")
        .file("jobcontrol.yaml", "environment: [WHO, UNSET]\n")
        .file("jobs/x.yaml", "id: x\nfunction: sdk:greet\nargs: [\"${UNSET:-nobody} and ${WHO} and $${WHO}\"]\n");
    let output = folder.command(&["run", "x", "--quiet"]).env("WHO", "Ada").output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("nobody and Ada and ${WHO}"), "{text}");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("the environment variable `WHO` is not set"), "{answer:#?}");
}

#[test]
fn the_manual_has_every_limit() {
    let grants = std::fs::read_to_string(crate::harness::root().join("docs/grants.md")).expect("the manual");
    let limits = grants.split("## Limits\n").nth(1).expect("a section");
    for key in jobcontrol_core::limits::Limits::KEYS {
        assert!(limits.contains(&format!("{key}:")), "the limit `{key}` is in the manual");
    }
}

#[test]
fn the_sample_jobs_check_and_run() {
    let folder = Folder::new().samples();
    folder.run(&["check"]).code(0).stdout("4 jobs in 1 manifest: all good\n");
    let answer = folder.run(&["run", "--deps", "sales-report"]).code(0);
    assert!(answer.stdout.contains("3,984 orders, 672 with a coupon\n358,400.56 EUR in all, median 65.85\n"));
    let progress = folder.json(&["build", "show", "1"])["progress"].clone();
    let group = |name: &str| {
        let all = progress.as_array().expect("groups");
        all.iter().find(|group| group["group_name"] == name).unwrap_or_else(|| panic!("{name} in {progress}")).clone()
    };
    assert_eq!(group("fetch::parse")["current"], 4035);
    assert_eq!(group("fetch::parse")["total"], 4035);
    let log = folder.json(&["logs", "2", "--min-level", "warning"]);
    assert_eq!(log[0]["target"], "sales::clean");
    assert_eq!(log[0]["fields"]["order"], "13218");
}

#[test]
fn builds_of_a_job_that_was_removed_are_still_listed() {
    let folder = Folder::new().guest("add.wat").file("jobs/j.yaml", "id: sum\nfunction: add:add\nargs: [1, 2]\n");
    folder.run(&["run", "sum"]).code(0);
    folder.write("jobs/j.yaml", "id: total\nfunction: add:add\nargs: [1, 2]\n");
    let answer = folder.run(&["builds", "sum"]).code(0);
    assert!(answer.stdout.contains("SUCCESSFUL"), "{answer:?}");
    folder.run(&["builds", "sum", "--no-success"]).code(0).says("no builds");
}

#[test]
fn what_needs_a_job_that_has_nothing_to_do_uses_its_latest_success() {
    let guest = |skips: u32| {
        format!(
            r#"(component
  (import "jobcontrol:plugin/build@0.1.0" (instance $build (export "skip" (func (param "reason" string)))))
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  (core func $skip (canon lower (func $build "skip") (memory (core memory $libc "memory"))))
  (core module $m
    (import "host" "skip" (func $skip (param i32 i32)))
    (func (export "up") (result i32)
      (if (i32.const {skips}) (then (call $skip (i32.const 0) (i32.const 0))))
      (i32.const 7))
    (func (export "after") (param i32) (result i32) (local.get 0)))
  (core instance $m (instantiate $m (with "host" (instance (export "skip" (func $skip))))))
  (func (export "up") (result u32) (canon lift (core func $m "up")))
  (func (export "after") (param "value" u32) (result u32) (canon lift (core func $m "after"))))"#
        )
    };
    let manifest =
        "jobs:\n  - { id: up, function: 'p:up' }\n  - { id: after, function: 'p:after', args: [!retval up] }\n";
    let folder = Folder::new().file("jobs/p.wat", guest(0)).file("jobs/j.yaml", manifest);
    folder.run(&["run", "--deps", "after"]).code(0).stdout("7\n");
    folder.write("jobs/p.wat", guest(1));
    folder.run(&["run", "--deps", "after"]).code(0).stdout("7\n");
    let builds = folder.json(&["builds"]);
    let statuses: Vec<_> = builds.as_array().expect("a list").iter().map(|build| build["status"].clone()).collect();
    assert_eq!(statuses, ["SUCCESSFUL", "SUCCESSFUL", "SKIPPED", "SUCCESSFUL"]);
}

#[test]
fn no_plugin_can_claim_a_kind_of_the_runners() {
    let job = |kind: &str| {
        format!(
            "  - {{ id: {kind}, function: failure_kind:fail, args: [{kind}], retry: {{ attempts: 2, initial: 1ms, on: [{kind}] }} }}\n"
        )
    };
    let retried = "  - { id: any, function: failure_kind:fail, args: [cancelled], retry: { attempts: 2, initial: 1ms } }
  - { id: named, function: failure_kind:fail, args: [limit], retry: { attempts: 2, initial: 1ms, on: ['plugin:limit'] } }
  - { id: stored, function: failure_kind:fail, args: [storage] }\n";
    let folder = Folder::new()
        .guest("failure_kind.wat")
        .file("jobs/claims.yaml", format!("jobs:\n{}{}{retried}", job("limit"), job("timeout")));
    for (id, kind, attempts) in [
        ("limit", "limit", 1),
        ("timeout", "timeout", 1),
        ("any", "cancelled", 2),
        ("named", "limit", 2),
        ("stored", "storage", 1),
    ] {
        // A failure of the store would be exit code 5.
        folder.run(&["run", id]).code(1).says(&format!("plugin:{kind}"));
        let builds = folder.json(&["builds", id]);
        assert_eq!(builds[0]["exception"]["kind"], format!("plugin:{kind}"), "{builds}");
        assert_eq!(builds[0]["attempt"], attempts, "{builds}");
    }
}
