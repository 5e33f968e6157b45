//! `inspect` and `schema`: what plugins say of themselves.

use serde_json::Value;

use crate::harness::Folder;
use crate::harness::root;

/// Every guest that can be inspected, with its name.
fn guests() -> Vec<(String, Folder, Value)> {
    let files = std::fs::read_dir(root().join("tests/guests")).expect("the guests");
    let names = files.map(|entry| entry.expect("a guest").file_name().into_string().expect("a name"));
    let folders = names.map(|name| (name.clone(), Folder::new().guest(&name)));
    let read = folders.filter_map(|(name, folder)| {
        let answer = folder.run(&["inspect", &format!("jobs/{name}"), "--format", "json"]);
        (answer.code == 0).then(|| (name, folder, serde_json::from_str(&answer.stdout).expect("JSON")))
    });
    read.collect()
}

fn entries(report: &Value) -> Vec<&str> {
    let functions = report["functions"].as_array().expect("functions");
    functions.iter().filter_map(|function| function["entry"].as_str()).collect()
}

#[test]
fn every_entry_that_is_printed_checks_as_it_is() {
    let mut checked = 0;
    for (name, folder, report) in guests() {
        let entries = entries(&report);
        if entries.is_empty() {
            continue;
        }
        checked += entries.len();
        folder.write("jobs/j.yaml", format!("jobs:\n{}", entries.concat()));
        let answer = folder.run(&["check"]);
        assert_eq!(answer.code, 0, "{name}: {answer:#?}");
        let optional = entries.concat().replace("      # ", "      ").replace("    # kwargs", "    kwargs");
        folder.write("jobs/j.yaml", format!("jobs:\n{optional}"));
        let answer = folder.run(&["check"]);
        assert_eq!(answer.code, 0, "{name}, with what may be left out: {answer:#?}");
    }
    assert!(checked > 50, "only {checked} entries");
}

#[test]
fn what_a_person_sees_ends_with_a_manifest_that_checks() {
    let folder = Folder::new().guest("sales.wat");
    let answer = folder.run(&["inspect", "sales"]).code(0);
    let (_, manifest) = answer.stdout.split_once("\njobs:\n").expect("a manifest");
    folder.write("jobs/j.yaml", format!("jobs:\n{manifest}"));
    folder.run(&["check"]).code(0);
}

#[test]
fn a_plugin_is_named_as_a_manifest_of_the_jobs_folder_has_to() {
    let plugin = std::fs::read(root().join("tests/guests/add.wat")).expect("a guest");
    let folder = Folder::new().file("jobcontrol.yaml", "plugins: [shared]\n");
    for path in ["jobs/a.wat", "jobs/sub/b.wat", "jobs/c.d.wat", "shared/e.wat", "shared/a.wat", "elsewhere/f.wat"] {
        folder.write(path, &plugin);
    }
    let function = |path: &str| folder.json(&["inspect", path])["functions"][0]["function"].clone();
    assert_eq!(function("jobs/a.wat"), "a:add");
    assert_eq!(function("jobs/sub/b.wat"), "./sub/b.wat:add");
    assert_eq!(function("jobs/c.d.wat"), "./c.d.wat:add");
    assert_eq!(function("shared/e.wat"), "e:add");
    assert_eq!(function("elsewhere/f.wat"), "f:add");
    let text = folder.run(&["inspect", "elsewhere/f.wat"]).code(0).stdout;
    assert!(text.contains("# Put the plugin into the jobs folder first"), "{text}");
}

#[test]
fn what_is_no_plugin_does_not_check() {
    let folder = Folder::new().file("jobs/x.wasm", "a text");
    folder.run(&["inspect", "x"]).code(3).says("`jobs/x.wasm` is a text, not WebAssembly");
    folder.run(&["inspect", "y"]).code(4).says("there is no plugin `y`");
}

#[test]
fn the_schema_has_the_functions_at_hand_and_says_what_it_leaves_out() {
    let folder = Folder::new().guest("sales.wat").file("jobs/broken.wasm", "a text");
    let answer = folder.run(&["schema"]).code(0).says("`jobs/broken.wasm` is a text, not WebAssembly");
    let schema: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let functions = schema["definitions"]["job"]["properties"]["function"]["anyOf"].as_array().expect("functions");
    let named: Vec<_> = functions.iter().filter_map(|function| function["const"].as_str()).collect();
    let report = folder.json(&["inspect", "sales"]);
    let report = report["functions"].as_array().expect("functions");
    let known: Vec<_> = report.iter().filter_map(|function| function["function"].as_str()).collect();
    assert_eq!(named, known);
}
