//! What builds hold of the host's memory: it is bounded for all of them together, and what no build
//! needs is gone.

use crate::execution::Background;
use crate::harness::Folder;
use crate::harness::root;

const MIB: u64 = 1 << 20;

/// `bools` returns so many `false`, `take` counts those that it is given, `grow` takes so many
/// pages and returns, `hold` does so and never returns, and `late` fails.
const GUEST: &str = r#"
(component
  (core module $m
    (memory (export "memory") 160)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "bools") (param i32) (result i32)
      (i32.store (i32.const 16) (i32.const 1024))
      (i32.store (i32.const 20) (local.get 0))
      (i32.const 16))
    (func (export "take") (param i32 i32) (result i32) (local.get 1))
    (func $grow (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "hold") (param i32) (drop (call $grow (local.get 0))) (loop $again (br $again)))
    (func (export "late") unreachable))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "bools") (param "n" u32) (result (list bool)) (canon lift (core func $i "bools") (memory $memory)))
  (func (export "take") (param "list" (list bool)) (result u32)
    (canon lift (core func $i "take") (memory $memory) (realloc $realloc)))
  (func (export "grow") (param "pages" u32) (result u32) (canon lift (core func $i "grow")))
  (func (export "hold") (param "pages" u32) (canon lift (core func $i "hold")))
  (func (export "late") (canon lift (core func $i "late"))))
"#;

/// `fail` fails with so many frames, all of them empty.
const FRAMES: &str = r#"
(component
  (import "jobcontrol:plugin/types@0.1.0" (instance $types
    (type $frame' (record
      (field "file" string) (field "line" u32) (field "function" string) (field "context" (list string))
      (field "context-start" u32) (field "locals" (list (tuple string string)))))
    (export "frame" (type $frame (eq $frame')))
    (type $cause' (record (field "kind" string) (field "message" string) (field "frames" (list $frame))))
    (export "cause" (type $cause (eq $cause')))
    (type $failure' (record
      (field "kind" string) (field "message" string) (field "frames" (list $frame)) (field "causes" (list $cause))))
    (export "failure" (type $failure (eq $failure')))))
  (alias export $types "failure" (type $failure))
  (import "jobcontrol:plugin/build@0.1.0" (instance $build
    (export "failure" (type $failure' (eq $failure)))
    (export "fail" (func (param "failure" $failure')))))
  (core module $memory (memory (export "memory") 800))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $fail (canon lower (func $build "fail") (memory $mem)))
  (core module $m
    (import "build" "fail" (func $fail (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (func (export "fail") (param i32)
      (call $fail (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (local.get 0)
        (i32.const 0) (i32.const 0))))
  (core instance $i (instantiate $m (with "build" (instance (export "fail" (func $fail))))))
  (func (export "fail") (param "frames" u32) (canon lift (core func $i "fail"))))
"#;

/// Jobs of the guest, each a mapping of one line.
fn jobs(jobs: &[&str], settings: &str) -> Folder {
    let lines: String = jobs.iter().map(|job| format!("  - {{ {job} }}\n")).collect();
    let folder = Folder::new().file("jobs/guest.wat", GUEST).file("jobs/jobs.yaml", format!("jobs:\n{lines}"));
    folder.file("jobcontrol.yaml", settings)
}

/// A line of what the kernel says of a process's memory: what it has, or the most that it had.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let number = status.lines().find_map(|found| found.strip_prefix(line)).expect("the line");
    number.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// A job that goes on until it is stopped, so that its process can be looked at.
const STAYS: &str = "id: stays, function: guest:hold, args: [0], timeout: 2m";

#[test]
fn what_a_build_returned_is_gone_once_it_is_stored() {
    const RETURNS: &str = "function: guest:bools, args: [3000000]";
    let ids: Vec<String> = (0..6).map(|n| format!("many{n}")).collect();
    let lines: Vec<String> = ids.iter().map(|id| format!("id: {id}, {RETURNS}")).collect();
    let all: Vec<&str> = lines.iter().map(String::as_str).chain([STAYS]).collect();
    let folder = jobs(&all, "");
    let arguments: Vec<&str> = ["run", "stays"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let run = Background::until_each(&folder, &arguments, &[("SUCCESSFUL", 6)]);
    // Each has 92 MiB in the host, and three of them would be more than this.
    let left = memory(run.id(), "VmRSS:");
    assert!(left < 250 * MIB, "{} MiB", left / MIB);
    run.kill();
}

#[test]
fn a_listing_takes_as_much_memory_however_many_names_there_are() {
    let guest = include_str!("../guests/files_listings.wat");
    let grants = "grants: { files: [{ host: ./names, guest: /names, mode: read }] }";
    let folder = jobs(&[STAYS, &format!("id: lists, function: listings:f, {grants}")], "");
    folder.write("jobs/listings.wat", guest);
    for n in 0..8_000 {
        folder.write(&format!("jobs/names/a-name-that-is-as-long-as-many-names-are-{n:05}"), "");
    }
    let run = Background::until(&folder, &["run", "stays", "lists"], "SUCCESSFUL");
    let most = memory(run.id(), "VmHWM:");
    assert!(most < 150 * MIB, "{} MiB", most / MIB);
    run.kill();
}

#[test]
fn lists_in_a_log_record_are_counted_before_they_are_read() {
    let guest = std::fs::read_to_string(root().join("tests/guests/log_raw.wat")).unwrap();
    let folder = jobs(&[STAYS, "id: says, function: says:write, args: [1, 0, 1, 196608, 4000000, 1]"], "");
    folder
        .write("jobs/says.wat", guest.replace(r#"(memory (export "memory") 3)"#, r#"(memory (export "memory") 1000)"#));
    let says = "limit: the log of the build is above 16 MiB (";
    let run = Background::until(&folder, &["run", "stays", "says"], says);
    let most = memory(run.id(), "VmHWM:");
    assert!(most < 150 * MIB, "{} MiB", most / MIB);
    run.kill();
}

#[test]
fn frames_of_a_failure_are_counted_before_they_are_read() {
    let folder = jobs(&[STAYS, "id: fails, function: frames:fail, args: [1000000]"], "");
    folder.write("jobs/frames.wat", FRAMES);
    let says = "limit: the log of the build is above 16 MiB (";
    let run = Background::until(&folder, &["run", "stays", "fails"], says);
    let most = memory(run.id(), "VmHWM:");
    assert!(most < 150 * MIB, "{} MiB", most / MIB);
    run.kill();
}

#[test]
fn a_return_value_that_nobody_uses_is_not_read_again() {
    let returns = "id: returns, function: guest:bools, args: [3000000]";
    let folder =
        jobs(&[returns, "id: after, function: guest:hold, args: [0], dependencies: [returns], timeout: 2m"], "");
    folder.run(&["run", "returns", "--format", "json"]).code(0);
    let run = Background::until(&folder, &["run", "after"], "after: build 2 started");
    // The value alone has 92 MiB.
    let most = memory(run.id(), "VmHWM:");
    assert!(most < 90 * MIB, "{} MiB", most / MIB);
    run.kill();
}

#[test]
fn a_build_that_needs_more_than_there_is_for_all_fails() {
    let folder = jobs(&["id: grows, function: guest:grow, args: [1600]"], "memory: 64 MiB\n");
    let says = "limit: all running builds together may hold 64 MiB: 10 of 64 MiB used, and this build needs 100 MiB more; \
                raise it with `memory: ..` in jobcontrol.yaml";
    folder.run(&["run", "grows"]).code(1).says(says);
    folder.write("jobcontrol.yaml", "memory: 200 MiB\n");
    folder.run(&["run", "grows"]).code(0).stdout("160\n");
}

#[test]
fn a_build_waits_for_memory_and_holds_none_meanwhile() {
    // It asks again when the other has grown, which takes milliseconds.
    let late = "id: late, function: guest:late, retry: { attempts: 2, initial: 1s, backoff: fixed, jitter: false }";
    let folder = jobs(&["id: holds, function: guest:hold, args: [1600], timeout: 2m", late], "memory: 128 MiB\n");
    let run = Background::until(&folder, &["run", "holds", "late"], " waits for memory: 110 of 128 MiB used");
    let builds = folder.json(&["builds", "holds"]);
    let id = builds[0]["id"].to_string();
    folder.run(&["build", "cancel", &id]).code(0);
    assert_eq!(run.end().status.code(), Some(1));
    let builds = folder.json(&["builds", "late"]);
    let build = folder.json(&["build", "show", &builds[0]["id"].to_string()]);
    assert_eq!(build["attempts"].as_array().unwrap().len(), 2, "{build:#}");
}

#[test]
fn builds_whose_arguments_do_not_fit_beside_each_other_take_turns() {
    let takes = |id: &str| format!("id: {id}, function: guest:take, args: [!retval source]");
    let takes = ["one", "two", "three"].map(takes);
    let [one, two, three] = takes.each_ref().map(String::as_str);
    // The arguments of each are 37 MiB here, so that two never fit.
    let source = "id: source, function: guest:bools, args: [1200000]";
    let folder = jobs(&[source, one, two, three], "memory: 64 MiB\n");
    let answer = folder.run(&["run", "--deps", "one", "two", "three"]).code(0);
    assert_eq!(answer.stdout.matches("1200000").count(), 3, "{answer:?}");
}
