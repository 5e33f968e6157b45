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

#[test]
fn the_manifest_that_is_printed_checks_whatever_the_file_is_called() {
    let function = std::fs::read(root().join("tests/guests/add.wat")).expect("a guest");
    let command = b"(module (memory (export \"memory\") 1) (func (export \"_start\")))".to_vec();
    let names = [
        "my.plugin",
        "lib@1.2.3",
        "with space",
        " lead",
        "-dash",
        "--help",
        "-",
        "---",
        "2fast",
        "123",
        "1.5",
        "1e3",
        "0x10",
        ".hidden",
        "a#b",
        "a #b",
        "a'b",
        "a\"b",
        "null",
        "True",
        "~",
        "*x",
        "&x",
        "!x",
        "%x",
        "[x]",
        "{x}",
        "a,b",
        "a\\b",
        "${X}",
        "$X",
        "e\u{301}",
        "é",
        "日本",
        "x.wasm",
        "_",
        "a@sha256",
        "- x",
        "? x",
        "|",
        ">",
    ];
    let unwritable = ["a:b", "a@sha256:00", "a\tb", "\u{202e}abc"];
    for (plugin, name) in [&function, &command].into_iter().flat_map(|plugin| names.map(|name| (plugin, name))) {
        let folder = Folder::new().file(&format!("jobs/{name}.wat"), plugin);
        let path = format!("./jobs/{name}.wat");
        let shown = folder.run(&["inspect", &path]).code(0).stdout;
        let (_, manifest) = shown.split_once("\njobs:\n").expect("a manifest");
        for manifest in [manifest, &entries(&folder.json(&["inspect", &path])).concat()] {
            folder.write("jobs/j.yaml", format!("jobs:\n{manifest}"));
            let answer = folder.run(&["check"]);
            assert_eq!(answer.code, 0, "{name}: {answer:#?}");
        }
    }
    // What no manifest can name gets a name first.
    for name in unwritable {
        let folder = Folder::new().file(&format!("jobs/{name}.wat"), &function);
        let shown = folder.run(&["inspect", &format!("./jobs/{name}.wat")]).code(0).stdout;
        let (_, rest) = shown.split_once("# Rename the plugin to `").expect("advice");
        let (renamed, _) = rest.split_once('`').expect("a name");
        let (_, manifest) = rest.split_once("\njobs:\n").expect("a manifest");
        std::fs::rename(folder.path(&format!("jobs/{name}.wat")), folder.path(&format!("jobs/{renamed}")))
            .expect("a name");
        folder.write("jobs/j.yaml", format!("jobs:\n{manifest}"));
        folder.run(&["check"]).code(0);
    }
}

#[test]
fn types_are_shown_with_what_is_in_them() {
    let report = Folder::new().guest("sales.wat").json(&["inspect", "sales"]);
    let types: Vec<_> = report["types"].as_array().expect("types").iter().filter_map(Value::as_str).collect();
    assert!(types.iter().any(|text| text.starts_with("record ") && text.contains(": ")), "{types:?}");
    let shown = Folder::new().guest("sales.wat").run(&["inspect", "sales"]).code(0).stdout;
    for text in types {
        assert!(shown.contains(text.lines().next().expect("a line")), "{text}: {shown}");
    }
}

#[test]
fn documentation_of_a_component_is_shown() {
    let plugin = |docs: &str| {
        format!(
            "(component
               (core module $m (func (export \"total\") (param i32) (result i32) (local.get 0)))
               (core instance $i (instantiate $m))
               (func (export \"total\") (param \"of\" u32) (result u32) (canon lift (core func $i \"total\")))
               (@custom \"package-docs\" \"\\01{}\"))",
            docs.replace('"', "\\\"")
        )
    };
    let docs = r#"{"worlds": {"root": {"docs": "A shop.", "func_exports": {"total": {"docs": "Adds an order up."}}}}}"#;
    let report = Folder::new().file("jobs/p.wat", plugin(docs)).json(&["inspect", "p"]);
    assert_eq!(report["functions"][0]["docs"], "Adds an order up.");
    let wit = report["wit"].as_str().expect("WIT");
    assert!(wit.contains("/// A shop.") && wit.contains("/// Adds an order up."), "{wit}");
    let entry = report["functions"][0]["entry"].as_str().expect("an entry");
    assert!(entry.starts_with("  # Adds an order up.\n"), "{entry}");
    // Documentation of something else is no reason to refuse the plugin.
    for docs in [r#"{"worlds": {"other": {"docs": "A shop."}}}"#, "no JSON"] {
        let folder =
            Folder::new().file("jobs/p.wat", plugin(docs)).file("jobs/j.yaml", "function: p:total\nargs: [1]\n");
        folder.run(&["check"]).code(0);
    }
}

#[test]
fn a_preview1_command_shows_its_imports_and_the_grants_that_they_need() {
    let module = "(module
        (import \"wasi_snapshot_preview1\" \"fd_prestat_get\" (func (param i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"path_open\"
          (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"environ_get\" (func (param i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))
        (memory (export \"memory\") 1)
        (func (export \"_start\")))";
    let report = Folder::new().file("jobs/p.wat", module).json(&["inspect", "p"]);
    let names = ["fd_prestat_get", "path_open", "environ_get", "proc_exit"];
    let names = names.map(|name| format!("wasi_snapshot_preview1.{name}"));
    assert_eq!(report["imports"], serde_json::json!(names));
    let grants: Vec<_> = report["grants"].as_array().expect("grants").iter().map(|grant| &grant["grant"]).collect();
    assert_eq!(grants.len(), 2, "{grants:?}");
    assert!(grants[0].as_str().is_some_and(|grant| grant.contains("files")), "{grants:?}");
    assert!(grants[1].as_str().is_some_and(|grant| grant.contains("env")), "{grants:?}");
}
