//! Which manifests the schema takes, and which it refuses.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::editor;
use crate::folder::Folder;
use crate::folder::root;
use crate::folder::takes;

/// Mistakes that a schema sees: keys, kinds, ranges, functions' parameters.
const SEEN: &[&str] = &[
    "bad_durations_and_sizes",
    "bad_ids",
    "bad_retries_and_timeouts",
    "empty_file",
    "files_grant_refused",
    "http_and_secrets",
    "indented_too_little",
    "literals_of_wrong_types",
    "missing_and_surplus_arguments",
    "not_supported_yet",
    "parameter_unknown",
    "record_field_misspelt",
    "retval_field_fits",
    "root_is_a_list",
    "schedules",
    "tags_unknown",
    "triggers",
    "unknown_keys",
    "wrong_kinds",
];

fn guests() -> Vec<PathBuf> {
    let guests = fs::read_dir(root().join("tests/guests")).expect("the guests");
    let mut guests: Vec<_> = guests.map(|entry| entry.expect("a guest").path()).collect();
    guests.push(root().join("jobs/sales.wasm"));
    guests.sort();
    guests
}

#[test]
fn the_sample_jobs() {
    let folder = Folder::with(&[root().join("jobs/sales.wasm")]);
    takes(&folder.validator(), &fs::read_to_string(root().join("jobs/sales.yaml")).expect("the sample jobs"));
}

#[test]
fn what_inspect_prints_for_every_guest() {
    for guest in guests() {
        let name = guest.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let folder = Folder::with(&[guest]);
        let (code, text) = folder.run(&["inspect", &format!("jobs/{name}"), "--format", "json"]);
        if code != 0 {
            continue;
        }
        let report: Value = serde_json::from_str(&text).expect("JSON");
        let entries: Vec<_> = report["functions"].as_array().expect("functions").iter().collect();
        let entries: Vec<_> = entries.into_iter().filter_map(|function| function["entry"].as_str()).collect();
        if !entries.is_empty() {
            takes(&folder.validator(), &format!("jobs:\n{}", entries.concat()));
        }
    }
}

#[test]
fn what_starts_a_job() {
    let validator = Folder::usual().validator();
    let long =
        "{ cron: '@daily', timezone: Europe/Rome, catch_up: all, max: 5, overlap: queue, jitter: 2m, build: all }";
    for lines in ["schedule: 0 6 * * MON-FRI", &format!("schedule: {long}"), "on: change\npriority: -1000"] {
        takes(&validator, &format!("function: sales:cleanup\n{lines}\n"));
    }
}

#[test]
fn mistakes_that_a_schema_sees() {
    // One case nests deeper than a test's own stack is made for.
    let sees = std::thread::Builder::new().stack_size(1 << 28).spawn(seen).expect("a thread");
    assert_eq!(sees.join().expect("no panic"), SEEN);
}

fn seen() -> Vec<String> {
    let validator = Folder::usual().validator();
    let cases = fs::read_dir(root().join("tests/manifests/invalid")).expect("the cases");
    let paths = cases
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    let mut seen = Vec::new();
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if editor::read(&text).is_some_and(|manifest| !validator.is_valid(&manifest)) {
            seen.push(path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned());
        }
    }
    seen.sort();
    seen
}
