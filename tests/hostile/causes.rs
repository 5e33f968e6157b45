//! A failure whose thousand causes all have the same million calls: what is read of a plugin's
//! memory is counted each time, before it is read.

use crate::harness::Folder;

/// `f(causes, frames)` ends the build with so many causes, each with the same frames, which are all
/// zeroes.
const PLUGIN: &str = r#"
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
  (core module $memory (memory (export "memory") 1000) (data (i32.const 0) "K"))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $fail (canon lower (func $build "fail") (memory $mem)))
  (core module $m
    (import "memory" "memory" (memory 1000))
    (import "host" "fail" (func $fail (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (func (export "f") (param $causes i32) (param $frames i32) (local $at i32)
      (loop $again
        ;; The list of calls is the last of what a cause has; it stands at the start of the memory.
        (i32.store offset=48000020
          (i32.mul (local.get $at) (i32.const 24)) (local.get $frames))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $at) (local.get $causes))))
      (call $fail (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)
        (i32.const 48000000) (local.get $causes))))
  (core instance $i (instantiate $m
    (with "memory" (instance $memory))
    (with "host" (instance (export "fail" (func $fail))))))
  (func (export "f") (param "causes" u32) (param "frames" u32) (canon lift (core func $i "f"))))
"#;

#[test]
fn causes_that_all_have_the_same_million_calls() {
    let jobs = "jobs:
  - { id: few, function: evil:f, args: [3, 1] }
  - { id: many, function: evil:f, args: [1000, 1000000] }
  - { id: empty, function: evil:f, args: [600000, 0] }
";
    let folder = Folder::beside_good().file("jobs/evil.wat", PLUGIN).file("jobs/jobs.yaml", jobs);
    let outcome = folder.attacked(&["few", "many", "empty"]);
    outcome.failed("few", "K");
    for job in ["many", "empty"] {
        let message = outcome.failed(job, "limit");
        assert!(message.contains("the log of the build is above 16 MiB"), "{message}");
    }
    let stored = std::fs::metadata(folder.path("jobcontrol.db")).expect("a store").len();
    assert!(stored < 8 << 20, "{stored} bytes are stored");
}
