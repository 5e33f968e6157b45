//! A plugin that writes lines as the runner writes them: none of them stands where the runner's own
//! lines do.

use std::process::Command;

use serde_json::json;

use crate::harness::Answer;
use crate::harness::Folder;

/// What a person would take for a line of the runner's.
const FORGED: &str = "ok\nvictim9: build 77 SUCCESSFUL in 1 ms\nfake 2026-01-01T00:00:00.000000Z ERROR  root  forged";
/// Beginnings of the lines in it, and in the guests.
const BEGINNINGS: [&str; 3] = ["victim", "fake", "forged"];

#[track_caller]
fn not_forged(text: &str) {
    let forged = text.lines().find(|line| BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)));
    assert_eq!(forged, None, "in:\n{text}");
}

/// Runs the job `evil`, and looks at it in every way that is for people.
#[track_caller]
fn looked_at(folder: &Folder) -> Vec<Answer> {
    let commands: [&[&str]; 9] = [
        &["run", "evil"],
        &["run", "evil", "--quiet"],
        &["logs", "1"],
        &["logs", "1", "--follow"],
        &["build", "show", "1"],
        &["builds"],
        &["runs"],
        &["runs", "show", "1"],
        &["jobs"],
    ];
    let answers: Vec<_> = commands.iter().map(|command| folder.run(command)).collect();
    for answer in &answers {
        not_forged(&answer.stderr);
    }
    // A return value is exact where no terminal is.
    answers[2..].iter().for_each(|answer| not_forged(&answer.stdout));
    answers
}

fn evil(guest: &str, manifest: &str) -> Folder {
    Folder::new().guest(guest).file("jobs/evil.yaml", manifest)
}

fn calling(function: &str) -> Folder {
    evil("sdk.wasm", &format!("id: evil\nfunction: sdk:{function}\nargs: [{}]\n", json!(FORGED)))
}

#[test]
fn a_log_record_with_lines_of_its_own() {
    let answers = looked_at(&evil("forgery_log.wat", "id: evil\nfunction: forgery_log:f\n"));
    assert!(answers[0].stderr.contains("  ok\n  victim9: build 77 SUCCESSFUL in 1 ms\n  fake 2026"), "{answers:#?}");
    assert!(answers[2].stdout.contains("  ok\n  victim9: build 77 SUCCESSFUL in 1 ms\n  fake 2026"), "{answers:#?}");
}

#[test]
fn a_failure_with_lines_of_its_own() {
    let answers = looked_at(&evil("forgery_failure.wat", "id: evil\nfunction: forgery_failure:f\n"));
    let told = "  K victim8: build 5 SUCCESSFUL in 1 ms: ok\n    victim9: build 77 SUCCESSFUL in 1 ms\n    fake 2026";
    assert!(answers[0].stderr.contains(told), "{answers:#?}");
    assert!(answers[4].stdout.contains("\nfailure\n  Traceback (most recent call last):\n"), "{answers:#?}");
    assert!(answers[4].stdout.contains(told), "{answers:#?}");
}

#[test]
fn a_panic_with_lines_of_its_own() {
    looked_at(&calling("panics"));
}

#[test]
fn a_reason_to_skip_with_lines_of_its_own() {
    let answers = looked_at(&calling("skips"));
    assert!(answers[0].stderr.contains(": ok\n  victim9: build 77"), "{answers:#?}");
}

#[test]
fn a_retval_is_exact_and_alone_where_no_terminal_is() {
    let folder = calling("greet").file("jobs/b.yaml", "id: b\nfunction: sdk:greet\nargs: [\"\\e[2J\\u200b\"]\n");
    let greeting = format!("Hello, {FORGED}!\n");
    let answers = looked_at(&folder);
    assert_eq!(answers[0].stdout, greeting);
    assert_eq!(answers[1].stdout, greeting);
    folder.run(&["run", "evil", "b"]).code(0).stdout(&format!("{greeting}Hello, \u{1b}[2J\u{200b}!\n"));
}

/// What a person at a terminal sees, who runs the program with these arguments.
pub(super) fn on_a_terminal(folder: &Folder, arguments: &str) -> String {
    let command = folder.command(&[]);
    let program = format!("{} {arguments}", command.get_program().display());
    let mut script = Command::new("script");
    script.args(["-qec", &program, "/dev/null"]).current_dir(folder.path(""));
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = script.env("JOBCONTROL_COLOR", "never").output().expect("`script` of util-linux is there");
    String::from_utf8(output.stdout).expect("UTF-8").replace('\r', "")
}

#[test]
fn a_retval_stands_below_its_build_on_a_terminal() {
    let folder = calling("greet").file("jobs/b.yaml", "id: b\nfunction: sdk:greet\nargs: [\"\\e[2J\\u200b\"]\n");
    let seen = on_a_terminal(&folder, "run evil --quiet");
    let value = FORGED.replace('\n', "\n  ");
    assert_eq!(seen, format!("evil: build 1 returned\n  Hello, {value}!\n"));
    assert_eq!(
        on_a_terminal(&folder, "run b --quiet"),
        "b: build 2 returned\n  Hello, \\u{1b}[2J\\u{200b}!\n",
        "nothing drives the terminal"
    );
    let with_bars = on_a_terminal(&folder, "run evil");
    not_forged(&with_bars);
    assert!(with_bars.contains("evil: build 3 returned\n  Hello, ok\n  victim9"), "{with_bars}");
}

#[test]
fn what_nobody_sees_is_shown() {
    let folder = Folder::new().file("jobs/a\u{200b}.yaml", "id: a\nfunc\u{200b}tion: \"x\u{e0041}\"\n");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("func\\u{200b}tion"), "{answer:#?}");
    assert!(answer.stdout.contains("2 | func\\u{200b}tion: \"x\\u{e0041}\""), "{answer:#?}");
    assert!(answer.stdout.contains("jobs/a\\u{200b}.yaml:2:1"), "{answer:#?}");
    assert!(answer.stdout.contains("\n  | ^^^^^^^^^^^^^^^^"), "the whole key is marked: {answer:#?}");
    for format in ["json", "sarif"] {
        let answer = folder.run(&["check", "--format", format]).code(3);
        assert!(answer.stdout.contains("func\\u200btion"), "{answer:#?}");
        assert!(!answer.stdout.contains('\u{200b}'), "{answer:#?}");
    }
}

#[test]
fn a_mistake_of_thousands_of_names_is_short() {
    let mut module = String::from("(module (func $f (result i32 i32) unreachable)");
    for n in 0..9_000 {
        module.push_str(&format!("(export \"{n}\\0avictim9: build 77 SUCCESSFUL {n}\" (func $f))"));
    }
    module.push(')');
    let folder = evil("add.wat", "id: evil\nfunction: evil:f\n").file("jobs/evil.wat", module);
    for command in [&["check"][..], &["run", "evil"], &["inspect", "evil"], &["check", "--format", "json"]] {
        let answer = folder.run(command).code(3);
        let said = if answer.stdout.is_empty() { &answer.stderr } else { &answer.stdout };
        not_forged(said);
        assert!(said.contains("is a core module without WIT"), "{said}");
        assert!(said.len() <= 4 << 10, "{} bytes", said.len());
    }
}

#[test]
fn a_refused_name_with_lines_of_its_own() {
    let module = "(module (func (export \"fine\") (result i32) (i32.const 1)) \
        (func (export \"no\\0avictim9: build 77 SUCCESSFUL\") (result i32 i32) unreachable))";
    let folder = evil("add.wat", "id: evil\nfunction: evil:no\n").file("jobs/evil.wat", module);
    let answer = folder.run(&["inspect", "evil"]).code(0);
    not_forged(&answer.stdout);
    assert!(answer.stdout.contains("  no\n    victim9: build 77 SUCCESSFUL cannot be called"), "{answer:#?}");
}
