//! Secrets: they reach the plugin, and nothing else.

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use crate::harness::Answer;
use crate::harness::Folder;

/// The value of the one secret.
const VALUE: &str = "hunter2-hunter3";

/// Each way in which a plugin can say something.
const JOBS: &str = "jobs:
  - { id: say, function: secrets_told:say, args: [!secret TOKEN] }
  - { id: split, function: secrets_told:split, kwargs: { text: !secret TOKEN, first: 7 } }
  - { id: hex, function: secrets_told:hex, args: [!secret TOKEN] }
  - { id: length, function: secrets_told:length, args: [!secret TOKEN] }
  - { id: give, function: secrets_told:give, args: [!secret TOKEN] }
  - { id: refuse, function: secrets_told:refuse, args: [!secret TOKEN] }
  - { id: fail, function: secrets_told:fail, args: [!secret TOKEN] }
  - { id: skip, function: secrets_told:skip, args: [!secret TOKEN] }
  - { id: again, function: secrets_told:refuse, args: [!secret TOKEN], retry: { attempts: 2, on: [error], initial: 1ms } }
  - { id: command, function: command, args: [said, !secret TOKEN], grants: { secrets: [TOKEN] } }
";

fn folder() -> Folder {
    let folder = Folder::new().guest("secrets_told.wat").guest("command.wat").file("jobs/told.yaml", JOBS);
    folder.file("jobcontrol.yaml", "secrets: { TOKEN: { env: API_TOKEN } }\n")
}

fn with_secret(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = folder.command(arguments);
    command.env("API_TOKEN", VALUE);
    command
}

fn run(folder: &Folder, arguments: &[&str]) -> Answer {
    with_secret(folder, arguments).output().unwrap().into()
}

/// The forms of the value that a search finds.
fn forms() -> [String; 3] {
    let hex = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
    [VALUE.to_owned(), hex, "aHVudGVyMi1odW50ZXIz".to_owned()]
}

#[track_caller]
fn without_secret(what: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).any(|part| part == form.as_bytes());
        assert!(!found, "{what} has `{form}`: {}", String::from_utf8_lossy(bytes));
    }
}

/// Every file of a folder, with all below it.
fn files(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let files = walkdir::WalkDir::new(folder.path("")).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|file| (file.path().display().to_string(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn a_secret_stands_in_nothing_that_is_written() {
    let folder = folder();
    let ids = ["say", "split", "hex", "length", "give", "refuse", "fail", "skip", "again", "command"];
    let mut said = Vec::new();
    for id in ids {
        let answer = run(&folder, &["run", id]);
        said.push((format!("run {id}"), format!("{}{}", answer.stdout, answer.stderr)));
        // While the log of the store may still have it.
        files(&folder).iter().for_each(|(path, bytes)| without_secret(path, bytes));
    }
    run(&folder, &["store", "backup", "backup.db"]).code(0);
    for arguments in [vec!["builds"], vec!["jobs"], vec!["check"], vec!["graph"], vec!["secrets", "check"]] {
        let answer = run(&folder, &arguments);
        said.push((arguments.join(" "), format!("{}{}", answer.stdout, answer.stderr)));
    }
    for id in ids {
        let full = run(&folder, &["build", "show", id, "--format", "json", "--full"]);
        let log = run(&folder, &["logs", id, "--min-level", "debug", "--format", "json"]);
        said.push((format!("show {id}"), format!("{}{}{}{}", full.stdout, full.stderr, log.stdout, log.stderr)));
    }
    said.iter().for_each(|(what, text)| without_secret(what, text.as_bytes()));
    files(&folder).iter().for_each(|(path, bytes)| without_secret(path, bytes));
    let all: String = said.into_iter().map(|(_, text)| text).collect();
    assert!(all.contains("[secret TOKEN]") && all.contains("!secret"), "{all}");
}

#[test]
fn the_plugin_has_the_value_and_a_reader_its_name() {
    let folder = folder();
    run(&folder, &["run", "length"]).code(0).stdout("15\n");
    run(&folder, &["run", "say"]).code(0).says("[secret TOKEN]");
    run(&folder, &["run", "split"]).code(0).says("[secret TOKEN]");
    run(&folder, &["run", "hex"]).code(0).says("[secret TOKEN]");
    let given = run(&folder, &["run", "give"]).code(1);
    given.says("secret: the return value contains the secret `TOKEN`; return values are stored, so leave it out");
    run(&folder, &["run", "refuse"]).code(1).says("error: [secret TOKEN]");
    run(&folder, &["run", "skip"]).code(0).says("skipped: [secret TOKEN]");
    let command = run(&folder, &["run", "command"]).code(0);
    let command = command.says("TOKEN=[secret TOKEN]");
    assert_eq!(command.stderr.matches("[secret TOKEN]").count(), 2, "{command:#?}");
    let shown = run(&folder, &["build", "show", "command"]).code(0);
    shown.tells("!secret TOKEN");
}

#[test]
fn a_rerun_reads_the_secret_of_today() {
    let folder = folder();
    run(&folder, &["run", "length"]).code(0).stdout("15\n");
    let again = |value: &str| {
        let mut command = folder.command(&["build", "rerun", "length"]);
        Answer::from(command.env("API_TOKEN", value).output().unwrap())
    };
    again("another-value-of-today").code(0).stdout("22\n");
    folder
        .run(&["build", "rerun", "length"])
        .code(1)
        .says("secret: the secret `TOKEN` cannot be read: the variable `API_TOKEN` is not set");
    folder.write("jobs/told.yaml", "{ id: length, function: secrets_told:length, args: [[1, 2]] }");
    again(VALUE).code(1).says("it was granted the secret `TOKEN`, but its job no longer grants that");
    // A variable is another way than an argument.
    let variable = "{ id: length, function: secrets_told:length, args: [[1, 2]], grants: { secrets: [TOKEN] } }";
    folder.write("jobs/told.yaml", variable);
    again(VALUE).code(1).says("it was granted the secret `TOKEN`, but its job no longer grants that");
}

#[test]
fn who_may_write_what_is_read_as_a_secret_is_refused() {
    let folder = folder();
    for folder_of_it in ["data", "secret"] {
        std::fs::create_dir(folder.path(folder_of_it)).unwrap();
    }
    folder.write("secret/token", VALUE);
    folder.write("data/program", "");
    std::os::unix::fs::symlink("../secret/token", folder.path("data/token")).unwrap();
    let grant = "grants: { files: [{ host: ../data, guest: /data, mode: write }] }";
    folder.write("jobs/told.yaml", format!("{{ id: give, function: secrets_told:give, args: [text], {grant} }}"));
    folder.run(&["check"]).code(0);
    for (source, reason) in [
        ("{ file: data/token }", "it overlaps a link that leads to `data/token`"),
        ("{ command: [data/program] }", "it overlaps the program of the secret `TOKEN`"),
    ] {
        folder.write("jobcontrol.yaml", format!("secrets: {{ TOKEN: {source} }}\n"));
        folder.run(&["check"]).code(3).tells(reason);
    }
}

#[test]
fn a_cleanup_needs_no_secret_of_the_arguments() {
    let folder = folder();
    let job =
        "{ id: length, function: secrets_told:length, args: [!secret TOKEN], cleanup_function: secrets_told:clean }";
    folder.write("jobs/told.yaml", job);
    run(&folder, &["run", "length"]).code(0);
    folder.write("jobcontrol.yaml", "");
    folder.run(&["build", "delete", "1"]).code(0);
}

#[test]
fn a_program_stands_where_the_operators_file_does() {
    let folder = folder();
    let script = format!("#!/bin/sh\necho {VALUE}\n");
    folder.write("print.sh", script);
    std::fs::set_permissions(folder.path("print.sh"), std::fs::Permissions::from_mode(0o700)).unwrap();
    folder.write("jobcontrol.yaml", "secrets: { TOKEN: { command: [./print.sh] } }\n");
    let below = folder.path("below");
    std::fs::create_dir(&below).unwrap();
    folder.write("below/print.sh", "");
    let answer = Answer::from(folder.command(&["secrets", "check"]).current_dir(below).output().unwrap());
    answer.code(0);
}

#[test]
fn a_secret_that_is_not_configured_or_is_no_string_does_not_check() {
    let jobs = "jobs:
  - { id: typo, function: secrets_told:give, args: [!secret TOKNE] }
  - { id: number, function: secrets_told:split, kwargs: { text: x, first: !secret TOKEN } }
  - { id: none, function: secrets_told:give, args: [!secret [a]] }
";
    let folder = folder().file("jobs/told.yaml", jobs);
    let answer = folder.run(&["check"]).code(3);
    let answer = answer.tells("there is no secret `TOKNE`").tells("did you mean `TOKEN`?");
    answer.tells("first: expected u32, found a secret").tells("`!secret` takes the name of a secret");
}

#[test]
fn each_source_is_read_and_what_is_wrong_with_one_is_told_without_its_value() {
    let folder = Folder::new();
    folder.write("token", format!("{VALUE}\n"));
    folder.write("open", VALUE);
    folder.write("short", "short\n");
    for (file, mode) in [("token", 0o600), ("open", 0o644), ("short", 0o400)] {
        std::fs::set_permissions(folder.path(file), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    folder.write(
        "jobcontrol.yaml",
        "secrets:
  A_FILE: { file: token }
  B_COMMAND: { command: [/bin/echo, hunter2-hunter3] }
  C_VARIABLE: { env: API_TOKEN }
  D_OPEN: { file: open }
  E_SHORT: { file: short }
  F_GONE: { file: nowhere }
  G_FAILS: { command: [/bin/sh, -c, 'echo hunter2-hunter3; echo hunter2-hunter3 >&2; exit 3'] }
  H_UNSET: { env: NOT_SET }
  I_FOLDER: { file: jobs }
  J_NO_PROGRAM: { command: [/nowhere/program] }
  K_OTHERS: { command: [/bin/sh, -c, 'echo \"the variable is ${API_TOKEN:-not there}\"'] }
",
    );
    let answer = run(&folder, &["secrets", "check"]).code(1);
    without_secret("the answer", answer.stdout.as_bytes());
    assert_eq!(answer.stderr, "");
    let expected = "\
A_FILE        ready    the file `token`
B_COMMAND     ready    the command `/bin/echo`
C_VARIABLE    ready    the variable `API_TOKEN`
D_OPEN        missing  the file `open` has mode 0644, so others can read it; run `chmod 600 open`
E_SHORT       missing  the file `short` has 5 bytes; a secret has at least 8
F_GONE        missing  the file `nowhere` cannot be opened: No such file or directory (os error 2)
G_FAILS       missing  the command `/bin/sh` failed with exit status: 3; run it by hand to see why
H_UNSET       missing  the variable `NOT_SET` is not set
I_FOLDER      missing  the file `jobs` is not a file
J_NO_PROGRAM  missing  the command `/nowhere/program` cannot be started: No such file or directory (os error 2)
K_OTHERS      ready    the command `/bin/sh`
";
    assert_eq!(answer.stdout, expected);
    let answer: Answer = with_secret(&folder, &["secrets", "check", "--format", "json"]).output().unwrap().into();
    let found: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let first = json!({ "name": "A_FILE", "source": "the file `token`", "ready": true, "problem": null });
    assert_eq!(found[0], first);
}

#[test]
fn the_time_of_a_build_ends_one_that_waits_for_the_command_of_a_secret() {
    let folder = folder();
    folder.write("jobcontrol.yaml", "secrets: { TOKEN: { command: [/bin/sleep, '1000'] } }\n");
    let job = "{ id: length, function: secrets_told:length, args: [!secret TOKEN], timeout: { build: 200ms } }";
    folder.write("jobs/told.yaml", job);
    let says = "timeout: the build with all its attempts took longer than 200ms";
    folder.run(&["run", "length"]).code(1).says(says);
}

#[test]
fn a_cancel_ends_a_build_that_waits_for_the_command_of_a_secret() {
    let folder = folder();
    let wait = "secrets: { TOKEN: { command: [/bin/sh, -c, 'echo begun >begun; sleep 1000'] } }\n";
    folder.write("jobcontrol.yaml", wait);
    let child = folder.start(&["run", "length"]);
    while !folder.path("begun").exists() {
        std::thread::yield_now();
    }
    folder.run(&["build", "cancel", "1"]).code(0);
    let answer = Answer::from(child.wait_with_output().unwrap());
    answer.code(1).says("cancelled");
}
