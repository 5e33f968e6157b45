//! A progress group of millions of levels: its levels are not read, the report is ignored with one
//! warning, and the timeout is not late.

use crate::harness::Folder;

/// `f(n)` reports progress of a group with so many levels, again and again; `once(n)` does so once
/// and returns 7.
const PLUGIN: &str = r#"
(component
  (import "jobcontrol:plugin/progress@0.1.0" (instance $progress
    (export "report" (func
      (param "group" (list string)) (param "current" u64) (param "total" u64) (param "status-line" string)))))
  (core module $memory (memory (export "memory") 1250))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $report (canon lower (func $progress "report") (memory $mem)))
  (core module $m
    (import "host" "report" (func $report (param i32 i32 i64 i64 i32 i32)))
    (func $once (param $levels i32)
      (call $report (i32.const 0) (local.get $levels) (i64.const 1) (i64.const 2) (i32.const 0) (i32.const 0)))
    (func (export "once") (param $levels i32) (result i32) (call $once (local.get $levels)) (i32.const 7))
    (func (export "f") (param $levels i32) (loop $again (call $once (local.get $levels)) (br $again))))
  (core instance $i (instantiate $m (with "host" (instance (export "report" (func $report))))))
  (func (export "once") (param "levels" u32) (result u32) (canon lift (core func $i "once")))
  (func (export "f") (param "levels" u32) (canon lift (core func $i "f"))))
"#;

fn folder(job: &str) -> Folder {
    Folder::beside_good().file("jobs/evil.wat", PLUGIN).file("jobs/evil.yaml", format!("id: evil\n{job}\n"))
}

#[test]
fn levels_that_no_name_has_room_for_are_not_read() {
    for levels in [129, 10_000_000] {
        let folder = folder(&format!("function: evil:once\nargs: [{levels}]"));
        let outcome = folder.attacked(&["evil"]);
        assert_eq!(outcome.build("evil")["retval"], 7);
        let log = folder.json(&["logs", &outcome.build("evil")["id"].to_string()]);
        let said = format!(
            "a progress report was ignored: a progress group has {levels} levels, and its name may have 128 characters"
        );
        assert_eq!(log[0]["message"], said, "{log:#}");
    }
}

#[test]
fn levels_without_end_are_reported_until_the_timeout() {
    folder("function: evil:f\nargs: [10000000]\ntimeout: 500ms").attacked(&["evil"]).failed("evil", "timeout");
}

#[test]
fn levels_outside_of_the_memory_are_a_trap() {
    folder("function: evil:f\nargs: [4000000000]").attacked(&["evil"]).failed("evil", "trap");
}
