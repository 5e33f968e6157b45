//! Which manifests the schema takes, and which it refuses.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;
use tempfile::TempDir;

use crate::editor;

/// Mistakes that a schema sees: keys, kinds, ranges, functions' parameters.
const SEEN: &[&str] = &[
    "bad_durations_and_sizes",
    "bad_ids",
    "empty_file",
    "files_grant_refused",
    "literals_of_wrong_types",
    "missing_and_surplus_arguments",
    "not_supported_yet",
    "parameter_unknown",
    "record_field_misspelt",
    "retval_field_fits",
    "root_is_a_list",
    "tags_unknown",
    "unknown_keys",
    "wrong_kinds",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with plugins in its jobs folder.
struct Folder(TempDir);

impl Folder {
    fn with(plugins: &[PathBuf]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let jobs = folder.path().join("jobs");
        fs::create_dir(&jobs).expect("a jobs folder");
        for plugin in plugins {
            fs::copy(plugin, jobs.join(plugin.file_name().expect("a file"))).expect("a plugin");
        }
        Self(folder)
    }

    /// The sales plugin and the two guests that the invalid manifests use.
    fn usual() -> Self {
        Self::with(&["sales.wat", "types.wat"].map(|guest| root().join("tests/guests").join(guest)))
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let program = std::env::var_os("JOBCONTROL_TEST_PROGRAM").expect("JOBCONTROL_TEST_PROGRAM names the program");
        let mut command = Command::new(program);
        let output = command.args(arguments).current_dir(self.0.path()).output().expect("the program runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (output.status.code().expect("a code"), text)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (_, text) = self.run(arguments);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    fn validator(&self) -> Validator {
        let schema = self.json(&["schema"]);
        jsonschema::draft7::meta::validate(&schema).expect("a schema of draft-07");
        jsonschema::draft7::new(&schema).expect("a schema")
    }
}

#[track_caller]
fn takes(validator: &Validator, manifest: &str) {
    let manifest = editor::read(manifest).expect("YAML");
    let errors: Vec<_> = validator.iter_errors(&manifest).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {manifest:#}");
}

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
fn every_way_to_write_a_function_and_an_argument() {
    let folder = Folder::usual();
    let validator = folder.validator();
    takes(&validator, "id: a\nfunction: new-plugin:anything\nkwargs: { whatever: [1, { x: !retval b }] }\n");
    takes(&validator, "jobs:\n");
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
