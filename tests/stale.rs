//! No value is used that is older than it looks: how jobs stand, and what a run says, refuses,
//! skips and counts.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

/// `after` only runs after `base`, `half` uses what `base` returned.
const JOBS: &str = "jobs:
  - { id: base, function: divide:divide, args: [8, 2] }
  - { id: half, function: divide:divide, args: [!retval base, 2] }
  - { id: after, function: divide:divide, args: [9, 3], dependencies: [base] }
  - { id: top, function: divide:divide, args: [!retval half, !retval after] }
";

fn folder() -> Folder {
    Folder::new().guest("divide.wat").file("jobs/jobs.yaml", JOBS)
}

fn status(folder: &Folder, job: &str) -> String {
    folder.json(&["job", job])["status"].as_str().expect("a status").to_owned()
}

fn because(folder: &Folder, job: &str) -> Value {
    folder.json(&["job", job])["outdated_because"].clone()
}

/// Job and status of each build.
fn builds(folder: &Folder) -> Vec<String> {
    let builds = folder.json(&["builds"]);
    let text = |build: &Value| format!("{} {}", build["job_id"], build["status"]).replace('"', "");
    builds.as_array().expect("a list").iter().map(text).collect()
}

/// The last line of what was said.
fn summary(stderr: &str) -> &str {
    stderr.lines().last().unwrap_or_default()
}

#[test]
fn a_dependency_for_order_alone_that_was_built_since_makes_its_dependents_outdated() {
    let folder = folder();
    folder.run(&["run", "--deps", "top"]).code(0);
    let (after, base) = (folder.json(&["job", "after"]), folder.json(&["builds", "base"])[0]["id"].clone());
    assert_eq!(after["status"], "success");
    let again = folder.json(&["run", "base"])["id"].clone();
    assert_eq!(status(&folder, "half"), "success", "the value is what it was");
    let reason = format!("`base`, an order-only dependency, has been built since: build {base} -> build {again}");
    assert_eq!((status(&folder, "after"), because(&folder, "after")), ("outdated".to_owned(), json!([reason])));
    assert!(folder.run(&["job", "after"]).code(0).stdout.contains(&reason));
    let answer = folder.run(&["run", "--deps", "top"]).code(0);
    assert!(summary(&answer.stderr).starts_with("2 built, 2 reused (base: build 5, half: build "), "{answer:#?}");
    assert_eq!(status(&folder, "after"), "success");
}

#[test]
fn a_skipped_build_of_a_dependency_for_order_alone_changes_nothing() {
    let folder = Folder::new().guest("divide.wat").guest("sdk.wasm");
    let jobs = |function: &str| {
        format!(
            "jobs:\n  - {{ id: first, {function} }}\n  - {{ id: after, function: divide:divide, args: [1, 1], dependencies: [first] }}\n"
        )
    };
    folder.write("jobs/jobs.yaml", jobs("function: sdk:greet, args: [Ann]"));
    folder.run(&["run", "--deps", "after"]).code(0);
    folder.write("jobs/jobs.yaml", jobs("function: sdk:skips, args: [nothing]"));
    folder.run(&["run", "first"]).code(0);
    assert_eq!(status(&folder, "after"), "success");
}

#[test]
fn a_job_whose_newest_build_failed_is_failing_and_built_again() {
    let folder = folder();
    folder.run(&["run", "--deps", "half"]).code(0);
    folder.write("jobs/jobs.yaml", JOBS.replace("[8, 2]", "[8, 0]"));
    folder.run(&["run", "base"]).code(1);
    folder.write("jobs/jobs.yaml", JOBS);
    let job = folder.json(&["job", "base"]);
    assert_eq!(
        (&job["status"], &job["failing_build"], &job["outdated_because"]),
        (&json!("failing"), &json!(3), &json!([]))
    );
    assert!(folder.run(&["jobs"]).code(0).stdout.contains("base   failing"));
    folder.run(&["job", "base"]).code(0).stdout.contains("its newest finished build, 3, failed");
    let answer = folder.run(&["run", "half"]).code(0).stdout("2\n");
    let used = "`base` (failing, build 1)";
    let warning =
        format!("warning: these dependencies are used but not up to date: {used}; `--deps` builds them first\n");
    assert!(answer.stderr.starts_with(&warning), "{answer:#?}");
    let strict = format!("error: dependencies are not up to date: {used}; `--deps` builds them first\n");
    assert_eq!(folder.run(&["run", "half", "--strict"]).code(1).stderr, strict);
    assert_eq!(folder.json(&["run", "half", "--strict"])["error"]["kind"], "stale");
    let answer = folder.run(&["run", "--deps", "half", "--strict"]).code(0);
    assert_eq!(summary(&answer.stderr), "2 built");
    assert_eq!(status(&folder, "base"), "success");
}

#[test]
fn an_outdated_dependency_is_named_with_the_build_that_is_used() {
    let folder = folder();
    folder.run(&["run", "--deps", "half"]).code(0);
    folder.write("jobs/jobs.yaml", JOBS.replace("[8, 2]", "[100, 1]"));
    let says = "used but not up to date: `base` (outdated, build 1)";
    folder.run(&["run", "half"]).code(0).stdout("2\n").says(says);
    folder.run(&["build", "rerun", "2", "--latest"]).code(0).says(says);
    // What was chosen by hand needs no warning.
    let answer = folder.run(&["run", "half", "--pin", "base=1", "--strict"]).code(0);
    assert!(!answer.stderr.contains("up to date"), "{answer:#?}");
    // Nor does what stands further below go unseen.
    folder.run(&["run", "after"]).code(0).says(says);
    folder.run(&["run", "top"]).code(0).says(says);
    folder.run(&["run", "--deps", "top", "--strict"]).code(0).stdout("16\n");
}

#[test]
fn another_folder_s_job_of_the_same_name_is_not_used_without_a_word() {
    let folder = folder();
    folder.run(&["run", "base"]).code(0).stdout("4\n");
    let folder = folder.file("other/jobs.yaml", JOBS.replace("[8, 2]", "[80, 2]"));
    std::fs::copy(folder.path("jobs/divide.wat"), folder.path("other/divide.wat")).expect("a copy");
    let says = "`base` (outdated, build 1)";
    folder.run(&["run", "half", "--jobs", "other"]).code(0).stdout("2\n").says(says);
    folder.run(&["run", "half", "--jobs", "other", "--strict"]).code(1).stdout("").says(says);
}

#[test]
fn a_job_that_was_only_ever_skipped_is_reported_as_such() {
    let folder = Folder::new().guest("divide.wat").guest("sdk.wasm").file(
        "jobs/jobs.yaml",
        "jobs:
  - { id: skipper, function: sdk:skips, args: [nothing to do] }
  - { id: down, function: divide:divide, args: [4, 2], dependencies: [skipper] }
",
    );
    let says = "error: down: missing dependencies: `skipper` has only ever been skipped, so there is no build to use\n";
    let answer = folder.run(&["run", "--deps", "down"]).code(1).says(says);
    assert_eq!(summary(&answer.stderr), "1 skipped, 1 not built");
    folder.run(&["run", "down"]).code(1).says(says);
    folder.run(&["run", "--revdeps", "skipper"]).code(1).says(says);
    let job = folder.json(&["job", "skipper"]);
    assert_eq!((&job["status"], &job["only_skipped"]), (&json!("not_built"), &json!(true)));
    assert!(folder.run(&["jobs"]).code(0).stdout.contains("not_built, skipped"));
    assert!(folder.run(&["job", "skipper"]).code(0).stdout.contains("not_built, skipped"));
    assert_eq!(folder.json(&["job", "down"])["only_skipped"], false);
}

/// `parse` returns 7, or skips where `skips` is 1; `double` doubles; `sum` adds.
fn guest(skips: u32) -> String {
    format!(
        r#"(component
  (import "jobcontrol:plugin/build@0.1.0" (instance $build (export "skip" (func (param "reason" string)))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $skip (canon lower (func $build "skip") (memory (core memory $memory "memory"))))
  (core module $m
    (import "host" "skip" (func $skip (param i32 i32)))
    (func (export "parse") (result i32)
      (if (i32.const {skips}) (then (call $skip (i32.const 0) (i32.const 0)))) (i32.const 7))
    (func (export "sum") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $m (instantiate $m (with "host" (instance (export "skip" (func $skip))))))
  (func (export "parse") (result u32) (canon lift (core func $m "parse")))
  (func (export "sum") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $m "sum"))))"#
    )
}

#[test]
fn what_would_use_what_it_used_before_is_skipped_with_what_it_needs() {
    let manifest = |one: u32, two: &str| {
        format!(
            "jobs:
  - {{ id: parse, function: 'p:parse' }}
  - {{ id: clean, function: 'q:sum', args: [!retval parse, {one}] }}
  - {{ id: other, function: 'q:sum', args: [!retval parse, 2], title: {two} }}
  - {{ id: report, function: 'q:sum', args: [!retval clean, !retval other] }}
  - {{ id: last, function: 'q:sum', args: [!retval report, 0] }}
"
        )
    };
    let folder = Folder::new().file("jobs/p.wat", guest(0)).file("jobs/q.wat", guest(0));
    folder.write("jobs/jobs.yaml", manifest(1, "a"));
    let answer = folder.run(&["run", "--deps", "last"]).code(0).stdout("17\n");
    assert_eq!(summary(&answer.stderr), "5 built");
    folder.write("jobs/p.wat", guest(1));
    let answer = folder.run(&["run", "--deps", "last"]).code(0).stdout("17\n");
    assert_eq!(summary(&answer.stderr), "1 built, 4 skipped", "a target is called anyway");
    answer.says(": nothing new from `parse`\n").says("nothing new from `clean`, `other`");
    let report = folder.json(&["builds", "report"]);
    let report = folder.json(&["build", "show", &report[1]["id"].to_string()]);
    assert_eq!(
        (&report["status"], &report["skip_reason"]),
        (&json!("SKIPPED"), &json!("nothing new from `clean`, `other`"))
    );
    assert_eq!(report["pins"]["clean"]["build"], folder.json(&["builds", "clean"])[0]["id"], "{report:#}");
    let jobs = folder.json(&["jobs"]);
    assert!(jobs.as_array().expect("a list").iter().all(|job| job["status"] == "success"), "{jobs:#}");
    // One that would do something else is called.
    folder.write("jobs/jobs.yaml", manifest(100, "b"));
    folder.write("jobs/p.wat", guest(1) + " ");
    let answer = folder.run(&["run", "--deps", "last"]).code(0).stdout("116\n");
    assert_eq!(summary(&answer.stderr), "3 built, 2 skipped", "{answer:#?}");
    let answer = folder.run(&["run", "--revdeps", "parse"]).code(0);
    assert_eq!(summary(&answer.stderr), "5 skipped", "what depends on a target is no target: {answer:#?}");
    let answer = folder.run(&["run", "--force", "last"]).code(0).stdout("116\n");
    assert_eq!(summary(&answer.stderr), "4 built, 1 skipped", "what is forced is called");
}

#[test]
fn force_builds_the_whole_graph_again() {
    let folder = folder();
    folder.run(&["run", "--deps", "top"]).code(0);
    let answer = folder.run(&["run", "--deps", "top"]).code(0);
    assert!(summary(&answer.stderr).starts_with("1 built, 3 reused ("), "{answer:#?}");
    let answer = folder.run(&["run", "--force", "top"]).code(0).stdout("0\n");
    assert_eq!(summary(&answer.stderr), "4 built");
    assert_eq!(builds(&folder).iter().filter(|build| *build == "base SUCCESSFUL").count(), 2);
    assert_eq!(folder.json(&["runs", "show", "3"])["force"], true);
    let shown = folder.run(&["runs", "show", "3"]).code(0).stdout;
    assert!(shown.contains("with         --force\n"), "{shown}");
    folder.run(&["runs", "rerun", "3"]).code(0);
    assert_eq!(builds(&folder).iter().filter(|build| *build == "base SUCCESSFUL").count(), 3);
}

#[test]
fn a_run_of_several_jobs_ends_with_what_became_of_them() {
    let folder = folder();
    folder.write("jobs/jobs.yaml", JOBS.replace("[!retval base, 2]", "[!retval base, 0]"));
    let answer = folder.run(&["run", "--deps", "top"]).code(1).stdout("");
    assert_eq!(summary(&answer.stderr), "2 built, 1 failed, 1 not built", "{answer:#?}");
    let answer = folder.run(&["run", "--deps", "top", "-q"]).code(1);
    let failed = answer.stderr.lines().next().unwrap_or_default();
    assert!(failed.starts_with("half: build ") && failed.contains("FAILED"), "{answer:#?}");
    assert!(!answer.stderr.contains("1 not built"), "{answer:#?}");
    let answer = folder.run(&["run", "base", "after"]).code(0);
    assert_eq!(summary(&answer.stderr), "2 built");
    let answer = folder.run(&["run", "base"]).code(0);
    assert!(summary(&answer.stderr).starts_with("base: build "), "one job needs no summary: {answer:#?}");
}
