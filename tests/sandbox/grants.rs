//! Grants: nothing without one, and no more than it says.

use serde_json::Value;
use serde_json::json;

use super::Built;
use super::built;
use super::built_in;
use crate::harness::Folder;
use crate::harness::root;

const READS_ENV: &str = "function: sdk:reads-env\nargs: [NAME]\n";

/// Runs the job in a process that has the variable.
fn with_variable(folder: &Folder) -> Value {
    let output = folder.command(&["run", "j", "--format", "json"]).env("NAME", "of the runner").output();
    let output = output.expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let build: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    build["retval"].clone()
}

fn env_folder(grants: &str) -> Folder {
    Folder::new().guest("sdk.wasm").file("jobs/j.yaml", format!("{READS_ENV}{grants}"))
}

#[test]
fn no_variable_is_seen_without_a_grant() {
    let folder = env_folder("").file("jobcontrol.yaml", "environment: [NAME]\n");
    assert_eq!(with_variable(&folder), Value::Null);
}

#[test]
fn a_granted_constant_is_seen_whatever_the_runner_has() {
    assert_eq!(with_variable(&env_folder("grants: { env: { NAME: value } }\n")), "value");
}

#[test]
fn a_variable_of_the_runner_is_seen_when_it_is_granted_and_listed() {
    let folder = env_folder("grants: { env: [NAME] }\n").file("jobcontrol.yaml", "environment: [NAME]\n");
    assert_eq!(with_variable(&folder), "of the runner");
}

#[test]
fn a_variable_of_the_runner_that_is_not_listed_is_refused() {
    let folder = env_folder("grants: { env: [NAME] }\n");
    let answer = folder.run(&["run", "j"]).code(3);
    let answer = answer.says("`NAME` may not be taken from the environment");
    answer.says("list it in jobcontrol.yaml: `environment: [NAME]`");
}

/// The sales plugin with its data beside the jobs, and a job that fetches `file`.
fn shop(file: &str, grants: &str) -> Folder {
    let read = |inside: &str| std::fs::read(root().join(inside)).expect("a file of the repository");
    Folder::new()
        .file("jobs/sales.wasm", read("jobs/sales.wasm"))
        .file("data/orders.csv", read("jobs/data/orders.csv"))
        .file("jobs/j.yaml", format!("function: sales:fetch-orders\nkwargs: {{ file: {file} }}\n{grants}"))
}

const READ_DATA: &str = "grants: { files: [{ host: ../data, guest: /data, mode: read }] }\n";

#[track_caller]
fn refused(built: &Built, case: &str) {
    built.failed("error");
    let value = built.build["exception"]["value"].as_object().expect("a case");
    assert_eq!(value.keys().collect::<Vec<_>>(), [case], "{value:?}");
}

#[test]
fn no_file_is_seen_without_a_grant() {
    let built = built_in(shop("orders.csv", ""));
    refused(&built, "unreadable");
    let value = json!({"unreadable": "/data/orders.csv: Capabilities insufficient (os error 76)"});
    assert_eq!(built.build["exception"]["value"], value);
}

#[test]
fn a_granted_folder_is_seen() {
    let built = built_in(shop("orders.csv", READ_DATA));
    assert_eq!(built.retval().as_array().map(Vec::len), Some(4035));
}

#[test]
fn nothing_above_a_granted_folder_is_seen() {
    let folder = shop("../secret.csv", READ_DATA).file("secret.csv", "id\n");
    refused(&built_in(folder), "unreadable");
}

#[test]
fn a_link_out_of_a_granted_folder_is_not_followed() {
    let folder = shop("link.csv", READ_DATA);
    std::fs::rename(folder.path("data/orders.csv"), folder.path("orders.csv")).expect("the file moves");
    std::os::unix::fs::symlink("../orders.csv", folder.path("data/link.csv")).expect("a link");
    refused(&built_in(folder), "unreadable");
}

#[test]
fn an_absolute_link_out_of_a_granted_folder_is_not_followed() {
    let folder = shop("link.csv", READ_DATA);
    std::fs::rename(folder.path("data/orders.csv"), folder.path("orders.csv")).expect("the file moves");
    std::os::unix::fs::symlink(folder.path("orders.csv"), folder.path("data/link.csv")).expect("a link");
    refused(&built_in(folder), "unreadable");
}

#[test]
fn a_link_within_a_granted_folder_is_followed() {
    let folder = shop("link.csv", READ_DATA);
    std::os::unix::fs::symlink("orders.csv", folder.path("data/link.csv")).expect("a link");
    assert_eq!(built_in(folder).retval().as_array().map(Vec::len), Some(4035));
}

#[test]
fn a_folder_that_is_granted_for_reading_is_not_written() {
    let manifest = |mode: &str| {
        format!(
            "function: files_create:create\ngrants: {{ files: [{{ host: ../data, guest: /data, mode: {mode} }}] }}\n"
        )
    };
    for (mode, written) in [("read", false), ("write", true)] {
        let folder = Folder::new().guest("files_create.wat").file("data/here.txt", "");
        let built = built_in(folder.file("jobs/j.yaml", manifest(mode)));
        assert_eq!(built.retval(), written, "{mode}");
        assert_eq!(built.folder.path("data/made.txt").exists(), written, "{mode}");
    }
}

#[test]
fn a_guest_without_a_grant_has_no_folder_at_all() {
    let built = built("files_create.wat", "function: files_create:folders\n");
    assert_eq!(built.retval(), 0);
}
