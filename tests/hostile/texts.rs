//! Characters that drive a terminal, turn a line around or cannot be seen, in every text that a
//! plugin can set: none of them is ever printed as it is, but in a return value where no terminal
//! is.

use super::forgery::on_a_terminal;
use crate::harness::Folder;

/// A title for the window, a cleared screen (two ways), a turned line (two ways), what nobody sees
/// (three), line ends that are none for us (three), and steps back.
const TEXT: &str = "a\u{1b}]0;b\u{7}c\u{1b}[2Jd\u{9b}2Je\u{202e}f\u{2066}g\u{200b}h\u{e0041}i\u{feff}j\u{85}k\u{2028}l\u{2029}m\u{8}n\ro";

/// Those of them that no output has, ours included.
fn hostile() -> impl Iterator<Item = char> {
    TEXT.chars().filter(|c| !c.is_ascii_graphic())
}

#[track_caller]
fn harmless(what: &str, text: &str) {
    let found = hostile().find(|c| text.contains(*c));
    assert_eq!(found, None, "{what}: {text:?}");
}

/// Looks at everything in every way; `quiet` is what only a person at a terminal is shown.
#[track_caller]
fn looked_at(folder: &Folder) {
    let commands: [&[&str]; 12] = [
        &["check"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["inspect", "evil"],
        &["inspect", "evil", "--format", "json"],
        &["schema"],
        &["run", "evil", "--verbose"],
        &["logs", "1", "--verbose"],
        &["logs", "1", "--format", "json"],
        &["build", "show", "1"],
        &["build", "show", "1", "--format", "json"],
        &["builds"],
    ];
    for command in commands {
        let answer = folder.run(command);
        harmless(&format!("{command:?}"), &answer.stderr);
        let is_retval = command[0] == "run";
        harmless(&format!("{command:?}"), if is_retval { "" } else { &answer.stdout });
    }
    // The bars move the cursor, but set no title and turn no line.
    let seen = on_a_terminal(folder, "run evil --verbose");
    for part in ["\u{1b}]0;", "\u{9b}", "\u{202e}", "\u{2066}", "\u{200b}", "\u{85}", "\u{2028}", "\u{7}"] {
        assert!(!seen.contains(part), "{part:?} in {seen:?}");
    }
}

fn evil(plugin: impl AsRef<[u8]>, manifest: &str) -> Folder {
    Folder::new().file("jobs/evil.wat", plugin).file("jobs/evil.yaml", format!("id: evil\n{manifest}\n"))
}

/// As WAT writes it.
fn written(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

fn words(words: &[usize]) -> String {
    written(&words.iter().flat_map(|word| u32::try_from(*word).expect("a word").to_le_bytes()).collect::<Vec<_>>())
}

/// Hands the text to the host wherever the contract takes one.
fn teller() -> String {
    let n = TEXT.len();
    let data = [
        (1024, written(TEXT.as_bytes())),
        // A list of one text, one of two texts together, a frame, and a cause.
        (2048, words(&[1024, n])),
        (2064, words(&[1024, n, 1024, n])),
        (2096, words(&[1024, n, 7, 1024, n, 2048, 1, 1, 2064, 1])),
        (2144, words(&[1024, n, 1024, n, 2096, 1])),
    ];
    let data: String = data.iter().map(|(at, bytes)| format!("(data (i32.const {at}) \"{bytes}\")")).collect();
    let text = format!("(i32.const 1024) (i32.const {n})");
    let failure = format!("{text} {text} (i32.const 2096) (i32.const 1) (i32.const 2144) (i32.const 1)");
    CONTRACT
        .replace("DATA", &data)
        .replace("LOG", &format!("(i32.const 3) {text} {text} (i32.const 2064) (i32.const 1) (i32.const 1) {failure}"))
        .replace("REPORT", &format!("(i32.const 2048) (i32.const 1) (i64.const 1) (i64.const 2) {text}"))
        .replace("FAIL", &failure)
}

const CONTRACT: &str = r#"
(component
  (import "jobcontrol:plugin/types@0.1.0" (instance $types
    (type $level' (enum "debug" "info" "warning" "error" "critical"))
    (export "level" (type $level (eq $level')))
    (type $frame' (record
      (field "file" string) (field "line" u32) (field "function" string) (field "context" (list string))
      (field "context-start" u32) (field "locals" (list (tuple string string)))))
    (export "frame" (type $frame (eq $frame')))
    (type $cause' (record (field "kind" string) (field "message" string) (field "frames" (list $frame))))
    (export "cause" (type $cause (eq $cause')))
    (type $failure' (record
      (field "kind" string) (field "message" string) (field "frames" (list $frame)) (field "causes" (list $cause))))
    (export "failure" (type $failure (eq $failure')))))
  (alias export $types "level" (type $level))
  (alias export $types "failure" (type $failure))
  (import "jobcontrol:plugin/log@0.1.0" (instance $log
    (export "level" (type $level' (eq $level)))
    (export "failure" (type $failure' (eq $failure)))
    (type $entry' (record
      (field "level" $level') (field "message" string) (field "target" string)
      (field "fields" (list (tuple string string))) (field "failure" (option $failure'))))
    (export "entry" (type $entry (eq $entry')))
    (export "write" (func (param "entry" $entry)))))
  (import "jobcontrol:plugin/progress@0.1.0" (instance $progress
    (export "report" (func
      (param "group" (list string)) (param "current" u64) (param "total" u64) (param "status-line" string)))))
  (import "jobcontrol:plugin/build@0.1.0" (instance $build
    (export "failure" (type $failure' (eq $failure)))
    (export "fail" (func (param "failure" $failure')))))
  (core module $memory (memory (export "memory") 1) DATA)
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $write (canon lower (func $log "write") (memory $mem)))
  (core func $report (canon lower (func $progress "report") (memory $mem)))
  (core func $fail (canon lower (func $build "fail") (memory $mem)))
  (core module $m
    (import "host" "write"
      (func $write (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "report" (func $report (param i32 i32 i64 i64 i32 i32)))
    (import "host" "fail" (func $fail (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (func (export "f") (call $write LOG) (call $report REPORT) (call $fail FAIL)))
  (core instance $i (instantiate $m (with "host" (instance
    (export "write" (func $write)) (export "report" (func $report)) (export "fail" (func $fail))))))
  (func (export "f") (canon lift (core func $i "f"))))
"#;

#[test]
fn in_records_progress_and_failures() {
    let folder = evil(teller(), "function: evil:f");
    looked_at(&folder);
    let shown = folder.run(&["build", "show", "1"]).code(0);
    assert!(shown.stdout.contains("\n  a\\u{1b}]0;b"), "what is hidden is shown: {shown:#?}");
}

#[test]
fn in_panics_reasons_lines_and_values() {
    let argument = serde_json::to_string(TEXT).expect("JSON");
    for function in ["panics", "skips", "prints", "greet"] {
        let folder = Folder::new().guest("sdk.wasm");
        folder.write("jobs/evil.yaml", format!("id: evil\nfunction: sdk:{function}\nargs: [{argument}]\n"));
        looked_at(&folder);
    }
}

#[test]
fn in_names_of_functions_and_parameters() {
    let text = written(TEXT.as_bytes());
    let name = format!("(module (func (@name \"{text}\") (export \"f\") unreachable))");
    looked_at(&evil(name, "function: evil:f"));
    let parameter = format!("(module (func (export \"f\") (param (@name \"{text}\") i32) unreachable))");
    looked_at(&evil(parameter, "function: evil:f\nargs: [1]"));
}

#[test]
fn in_names_that_are_refused() {
    let text = written(TEXT.as_bytes());
    let export = format!("(module (func (export \"{text}\") (result i32 i32) unreachable) (func (export \"f\")))");
    looked_at(&evil(export, "function: evil:g"));
    let import = format!("(module (import \"{text}\" \"{text}\" (func)) (func (export \"f\")))");
    looked_at(&evil(import, "function: evil:f"));
}

#[test]
fn in_text_that_is_no_wat() {
    looked_at(&evil(format!("(module {TEXT} (func (export \"f\")))"), "function: evil:f"));
    looked_at(&evil(format!("(module (func (export \"f\") (call ${TEXT})))"), "function: evil:f"));
    looked_at(&evil(format!("{TEXT}{TEXT}"), "function: evil:f"));
}
