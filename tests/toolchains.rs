//! The plugins of `tests/toolchains`, as each toolchain leaves them, run by the real program.
//!
//! They take compilers of eight languages, so these tests are run by name, with the folder that
//! `tests/toolchains/build.sh` filled in JOBCONTROL_TOOLCHAINS. A plugin that is missing there is a
//! failure.

use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

/// The same world in every language.
const SHOP: &str = "jobs:
  - { id: greet, function: PLUGIN:greet, args: [Žofie 🌍, 2] }
  - id: dearest
    function: PLUGIN:dearest
    kwargs:
      orders: &orders
        - { id: A1, price: 1250, priority: low }
        - { id: B2, price: 9900, priority: urgent, coupon: SPRING }
        - { id: C3, price: 12000, priority: normal }
      among: urgent
  - { id: dearest-of-all, function: PLUGIN:dearest, kwargs: { orders: *orders } }
  - { id: dearest-of-none, function: PLUGIN:dearest, kwargs: { orders: [] } }
  - { id: undiscounted, function: PLUGIN:discounted, kwargs: { order: &order { id: A1, price: 1250, priority: low }, discount: nothing } }
  - { id: percent, function: PLUGIN:discounted, kwargs: { order: *order, discount: { percent: 20 } } }
  - { id: voucher, function: PLUGIN:discounted, kwargs: { order: *order, discount: { voucher: 9000 } } }
";

/// Plain numbers by position.
const NUMBERS: &str = "jobs:
  - { id: percent, function: PLUGIN:percent-of, args: [1250, 20] }
  - { id: mean, function: PLUGIN:mean, args: [1.5, 2] }
  - { id: largest, function: PLUGIN:largest, args: [-9223372036854775808, -5] }
";

/// A program with arguments, and without the ones it wants.
const PROGRAM: &str = "jobs:
  - { id: two, function: PLUGIN, args: [A1, Žofie] }
  - { id: none, function: PLUGIN }
";

/// A clean folder with one plugin and its jobs.
fn folder(plugin: &str, manifest: &str) -> Folder {
    let built = std::env::var_os("JOBCONTROL_TOOLCHAINS")
        .map(PathBuf::from)
        .expect("JOBCONTROL_TOOLCHAINS is the folder that tests/toolchains/build.sh filled");
    let path = built.join(format!("{plugin}.wasm"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let folder = Folder::new().file(&format!("jobs/{plugin}.wasm"), bytes);
    folder.file("jobs/jobs.yaml", manifest.replace("PLUGIN", plugin))
}

/// What each job returned, in the order of the names.
#[track_caller]
fn retvals(folder: &Folder, jobs: &[&str]) -> Vec<Value> {
    let builds = folder.json(&[&["run"], jobs].concat());
    let builds = if builds.is_array() { builds } else { json!([builds]) };
    let build = |job: &&str| builds.as_array().expect("a list").iter().find(|build| build["job_id"] == *job);
    let builds = jobs.iter().map(|job| build(job).unwrap_or_else(|| panic!("{job} was not built")));
    builds
        .map(|build| {
            assert_eq!(build["status"], "SUCCESSFUL", "{build:#}");
            build["retval"].clone()
        })
        .collect()
}

/// A plugin of the shop's world.
fn shop(plugin: &str) {
    let folder = folder(plugin, SHOP);
    folder.run(&["check"]).code(0);
    let jobs = ["greet", "dearest", "dearest-of-all", "dearest-of-none", "undiscounted", "percent"];
    let expected = [
        json!("Hello, Žofie 🌍! Hello, Žofie 🌍!"),
        json!({ "id": "B2", "price": 9900, "priority": "urgent", "coupon": "SPRING" }),
        json!({ "id": "C3", "price": 12000, "priority": "normal", "coupon": null }),
        json!(null),
        json!(1250),
        json!(1000),
    ];
    assert_eq!(retvals(&folder, &jobs), expected);
    let greeted = folder.json(&["builds", "greet"])[0]["id"].to_string();
    let log = folder.json(&["logs", &greeted]);
    assert_eq!(log[0]["message"], "greeting Žofie 🌍", "{log:#}");
    assert_eq!(log[0]["level"], 20);
    assert_eq!(log[0]["target"], "shop");
    assert_eq!(log[0]["fields"], json!({ "times": "2" }));
    let refused = folder.json(&["run", "voucher"]);
    assert_eq!(refused["status"], "FAILED", "{refused:#}");
    assert_eq!(refused["exception"]["kind"], "error");
    assert_eq!(refused["exception"]["value"], "A1 costs 1250 and 9000 is taken off");
}

/// A core module of plain numbers, without WIT.
fn numbers(plugin: &str) {
    let folder = folder(plugin, NUMBERS);
    folder.run(&["check"]).code(0);
    let expected = [json!(250), json!(1.75), json!(-5)];
    assert_eq!(retvals(&folder, &["percent", "mean", "largest"]), expected);
}

/// A plain program: arguments, empty input, lines, exit code.
fn program(plugin: &str) {
    let folder = folder(plugin, PROGRAM);
    folder.run(&["check"]).code(0);
    assert_eq!(retvals(&folder, &["two"]), [json!(null)]);
    let log = folder.json(&["logs", "1"]);
    let messages: Vec<_> = log.as_array().expect("a list").iter().map(|record| record["message"].clone()).collect();
    assert_eq!(messages, ["order 1: A1", "order 2: Žofie"]);
    let failed = folder.json(&["run", "none"]);
    assert_eq!(failed["status"], "FAILED", "{failed:#}");
    assert_eq!(failed["exception"]["kind"], "exit");
    assert_eq!(failed["exception"]["value"], 3);
    let log = folder.json(&["logs", "2"]);
    assert_eq!(log[0]["message"], "usage: orders ID..");
    assert_eq!(log[0]["target"], "stderr");
}

macro_rules! plugins {
    ($($test:ident $kind:ident $plugin:literal)*) => {
        $(#[test] #[ignore = "wants JOBCONTROL_TOOLCHAINS, see tests/toolchains/README.md"] fn $test() { $kind($plugin); })*

        #[test]
        fn every_toolchain_is_tested() {
            let script = std::fs::read_to_string(crate::harness::root().join("tests/toolchains/build.sh"));
            let script = script.expect("the script that builds them");
            let (_, rest) = script.split_once("all=(").expect("the list of toolchains");
            let (names, _) = rest.split_once(')').expect("its end");
            let names: Vec<_> = names.split_whitespace().collect();
            assert_eq!(names, [$($plugin),*]);
        }
    };
}

plugins! {
    rust_without_wasi shop "rust-unknown"
    rust_with_wasi shop "rust-wasip1"
    rust_program program "rust-command"
    rust_numbers numbers "rust-numeric"
    c shop "c"
    c_program program "c-command"
    c_numbers numbers "c-numeric"
    cpp shop "cpp"
    zig shop "zig"
    go shop "go"
    go_program program "go-command"
    assemblyscript_numbers numbers "assemblyscript"
    javascript shop "quickjs"
    python shop "python"
}
