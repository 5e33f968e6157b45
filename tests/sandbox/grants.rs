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

#[test]
fn a_variable_that_the_stock_adapter_cannot_hold_is_refused() {
    let granting = |bytes: usize| env_folder(&format!("grants: {{ env: {{ NAME: {} }} }}\n", "x".repeat(bytes)));
    // With the name, `=` and the end.
    assert_eq!(with_variable(&granting(49_994)), "x".repeat(49_994));
    let folder = granting(49_995);
    let message = "`NAME` takes 50001 bytes, but a variable of this plugin can take at most 50000";
    let checked = folder.run(&["check"]).code(3).stdout;
    assert!(checked.starts_with(&format!("error[JC0326]: {message}\n")), "{checked}");
    folder.run(&["run", "j"]).code(3).says(message).says("grant several smaller ones");
    // Many small ones are right, up to the bound of all.
    let many: String = (0..12).map(|at| format!("V{at}: {}, ", "x".repeat(9_990))).collect();
    assert_eq!(with_variable(&env_folder(&format!("grants: {{ env: {{ {many}NAME: small }} }}\n"))), "small");
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

/// A job that makes a link out of its folder, and one whose grant passes through the place of that
/// link.
fn linker(report: &str) -> Folder {
    let grants = |host: &str, mode: &str| format!("grants: {{ files: [{{ host: {host}, guest: /x, mode: {mode} }}] }}");
    let folder = Folder::new().guest("files_link.wat").guest("files_create.wat");
    std::fs::create_dir_all(folder.path("work/out")).expect("a folder");
    std::fs::create_dir_all(folder.path("secret/inner")).expect("a folder");
    folder
        .file("jobs/produce.yaml", format!("function: files_link\n{}\n", grants("../work", "write")))
        .file("jobs/j.yaml", format!("function: files_create:create\n{}\n", grants(report, "write")))
}

#[test]
fn a_link_that_a_job_made_leads_no_grant_elsewhere() {
    for report in ["../work/out", "../work/out/inner", "../work/out/../secret"] {
        let folder = linker(report);
        folder.run(&["run", "produce"]).code(0);
        assert!(folder.path("work/out").is_symlink());
        folder
            .run(&["run", "j"])
            .code(3)
            .says("out` is a link, which a job may have made")
            .says("name the folder itself");
        assert!(!folder.path("secret/made.txt").exists() && !folder.path("secret/inner/made.txt").exists());
    }
}

#[test]
fn a_link_that_is_made_after_the_check_leads_nowhere_either() {
    let folder = linker("../work/out").file(
        "jobs/j.yaml",
        "function: files_create:create\ndependencies: [produce]\n\
         grants: { files: [{ host: ../work/out, guest: /x, mode: write }] }\n",
    );
    folder.run(&["run", "j", "--deps"]).code(1);
    assert!(folder.path("work/out").is_symlink() && !folder.path("secret/made.txt").exists());
}

#[test]
fn a_link_that_a_job_made_does_not_widen_the_ceiling() {
    let ceiling = "ceiling: { files: [{ host: work, mode: write }, { host: work/out, mode: write }] }\n";
    let folder = linker("../secret").file("jobcontrol.yaml", ceiling);
    folder.run(&["run", "produce"]).code(0);
    folder.run(&["run", "j"]).code(3).says("above the ceiling").says("out` does not count: it is a link");
}

#[test]
fn who_may_write_where_a_link_of_the_operator_stands_is_refused() {
    let folder = linker("../work");
    std::fs::create_dir(folder.path("store")).expect("a folder");
    std::os::unix::fs::symlink("../store", folder.path("work/link")).expect("a link");
    let store = ["run", "j", "--store", "sqlite:work/link/jobs.db"];
    folder.run(&store).code(3).says("for writing: it overlaps a link that leads to `work/link/jobs.db`");
}

#[test]
fn a_link_in_the_jobs_folder_is_the_operators() {
    let folder = linker("data");
    std::os::unix::fs::symlink("../secret/inner", folder.path("jobs/data")).expect("a link");
    folder.run(&["run", "j"]).code(0);
    assert!(folder.path("secret/inner/made.txt").exists());
}

#[test]
fn a_guest_without_a_grant_has_no_folder_at_all() {
    let built = built("files_create.wat", "function: files_create:folders\n");
    assert_eq!(built.retval(), 0);
}
