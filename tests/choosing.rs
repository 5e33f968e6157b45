//! Which builds a run makes, and which it uses: `--pin`, `--deps` and `--revdeps`.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

/// `left` and `right` need `base`, `top` needs both, `other` needs nothing.
const DIAMOND: &str = "jobs:
  - { id: base, function: add:add, args: [1, 2] }
  - { id: left, function: add:add, args: [!retval base, 10] }
  - { id: right, function: divide:divide, args: [!retval base, 1] }
  - { id: top, function: add:add, args: [!retval left, !retval right] }
  - { id: other, function: add:add, args: [1, 1] }
";

fn diamond() -> Folder {
    Folder::new().guest("add.wat").guest("divide.wat").file("jobs/diamond.yaml", DIAMOND)
}

fn built(folder: &Folder) -> Vec<String> {
    let builds = folder.json(&["builds"]);
    let job = |build: &Value| format!("{} {}", build["job_id"].as_str().unwrap_or("?"), build["id"]);
    let mut jobs: Vec<_> = builds.as_array().expect("a list").iter().map(job).collect();
    jobs.sort();
    jobs
}

#[test]
fn a_pinned_build_is_used_instead_of_the_latest() {
    let folder = diamond();
    folder.run(&["run", "base"]).code(0).stdout("3\n");
    folder.run(&["run", "base", "--arg", "a=100"]).code(0).stdout("102\n");
    folder.run(&["run", "left"]).code(0).stdout("13\n");
    folder.run(&["run", "left", "--pin", "base=2"]).code(0).stdout("112\n");
    assert_eq!(folder.json(&["build", "show", "4"])["pins"]["base"]["build"], 2);
    let shown = folder.run(&["build", "show", "4"]).code(0);
    assert!(shown.stdout.contains("uses       base (build 2)"), "{shown:#?}");
}

#[test]
fn with_deps_a_pinned_job_is_not_built_and_the_others_are() {
    let folder = diamond();
    folder.run(&["run", "base"]).code(0);
    folder.write("jobs/diamond.yaml", DIAMOND.replace("[1, 2]", "[5, 5]"));
    folder.run(&["run", "top", "--deps", "--pin", "base=1"]).code(0).stdout("16\n");
    let jobs: Vec<_> =
        folder.json(&["builds"]).as_array().expect("a list").iter().map(|b| b["job_id"].clone()).collect();
    assert_eq!(jobs.iter().filter(|job| *job == "base").count(), 1, "{jobs:?}");
    for id in ["2", "3"] {
        assert_eq!(folder.json(&["build", "show", id])["pins"]["base"]["build"], 1);
    }
}

#[test]
fn a_pin_that_makes_no_sense_is_refused_before_anything_is_built() {
    let folder = diamond();
    folder.run(&["run", "base"]).code(0);
    folder.run(&["run", "right", "--arg", "b=0"]).code(1);
    folder.run(&["run", "other"]).code(0);
    let says =
        |pin: &str, code: i32, text: &str| drop(folder.run(&["run", "left", "--pin", pin]).code(code).says(text));
    says("base", 2, "error: --pin base: write `DEP=BUILD`");
    says("base=x", 2, "error: --pin base=x: `x` is not a build number");
    says("base=99", 4, "error: --pin base=99: there is no build 99; `jobcontrol builds base` lists them");
    says("base=3", 2, "error: --pin base=3: build 3 cannot be used for `base`: it is a build of `other`");
    says("basis=1", 2, "error: --pin basis=1: there is no job `basis`; did you mean `base`?");
    says("right=2", 2, "error: --pin right=2: build 2 cannot be used for `right`: it failed");
    says("other=3", 2, "error: --pin other: no job that is to be built depends on `other`");
    says("left=1", 2, "error: --pin left=1: `left` is itself to be built");
    assert_eq!(built(&folder).len(), 3, "nothing was built");
}

#[test]
fn a_skipped_build_returned_nothing_to_use() {
    let folder = Folder::new().guest("sdk.wasm").file(
        "jobs/x.yaml",
        "jobs:
  - { id: skips, function: sdk:skips, args: [nothing new] }
  - { id: after, function: sdk:greet, args: [Ann], dependencies: [skips] }
",
    );
    folder.run(&["run", "skips"]).code(0);
    let says = "build 1 cannot be used for `skips`: it was skipped, so it returned nothing";
    folder.run(&["run", "after", "--pin", "skips=1"]).code(2).says(says);
}

#[test]
fn a_pinned_value_of_a_type_that_fits_no_more_is_refused() {
    let folder = diamond();
    folder.run(&["run", "base"]).code(0);
    folder.write(
        "jobs/diamond.yaml",
        DIAMOND
            .replace("function: add:add, args: [1, 2]", "function: sdk:greet, args: [Ann]")
            .replace("add:add, args: [!retval base, 10]", "sdk:greet, args: [!retval base]")
            .replace("divide:divide, args: [!retval base, 1]", "sdk:greet, args: [!retval base]")
            .replace("add:add, args: [!retval left, !retval right]", "sdk:greet, args: [!retval left]"),
    );
    let folder = folder.guest("sdk.wasm");
    folder.run(&["run", "left", "--pin", "base=1"]).code(2).says("error: --pin: left: name: u32 does not fit string");
    assert_eq!(built(&folder), ["base 1"]);
}

#[test]
fn what_depends_on_a_job_is_built_after_it_each_once() {
    let folder = diamond();
    let answer = folder.json(&["run", "base", "--revdeps"]);
    let jobs: Vec<_> = answer.as_array().expect("a list").iter().map(|b| b["job_id"].as_str().unwrap_or("?")).collect();
    assert_eq!(jobs, ["base", "left", "right", "top"]);
    assert_eq!(answer[3]["retval"], 16);
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(4));
    folder.run(&["run", "left", "--revdeps"]).code(0);
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(6));
}

#[test]
fn a_failure_stops_only_what_needs_it_and_the_end_says_what_was_not_built() {
    let folder = diamond();
    folder.write("jobs/diamond.yaml", DIAMOND.replace("[!retval base, 1]", "[!retval base, 0]"));
    let answer = folder.run(&["run", "base", "--revdeps"]).code(1);
    assert!(answer.stderr.contains("top: not built, because `right` did not succeed"), "{answer:#?}");
    let status = |job: &str| folder.json(&["job", job])["status"].clone();
    assert_eq!(["base", "left", "right", "top"].map(status), ["success", "success", "failed", "not_built"]);
}

#[test]
fn with_deps_and_revdeps_what_dependents_need_is_built_too() {
    let folder = diamond();
    folder.run(&["run", "left", "--revdeps"]).code(1).says("missing dependencies: `base`");
    let folder = diamond();
    folder.run(&["run", "left", "--deps", "--revdeps"]).code(0);
    let jobs: Vec<_> = built(&folder).iter().map(|job| job.split(' ').next().map(str::to_owned)).collect();
    assert_eq!(jobs.into_iter().flatten().collect::<Vec<_>>(), ["base", "left", "right", "top"]);
}

#[test]
fn a_dependent_with_a_mistake_does_not_hold_up_the_others() {
    let folder = diamond();
    folder.write("jobs/diamond.yaml", DIAMOND.replace("[!retval base, 1]", "[!retval base, one]"));
    let answer =
        folder.run(&["run", "base", "--revdeps"]).code(3).says("right: not built, because its manifest has mistakes");
    assert!(answer.stderr.contains("top: not built"), "{answer:#?}");
    let jobs: Vec<_> =
        folder.json(&["builds"]).as_array().expect("a list").iter().map(|b| b["job_id"].clone()).collect();
    assert_eq!(jobs, [json!("base"), json!("left")]);
}
