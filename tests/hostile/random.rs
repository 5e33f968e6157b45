//! Random bytes by the gigabyte: no call gets more than a mebibyte, since the host holds them for
//! as long as the plugin takes to make room for them.

use crate::harness::Folder;

/// Asks for so many bytes, and makes no room for them where it is told so.
const PLUGIN: &str = r#"
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:random/insecure@0.2.0" (instance $insecure
    (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $memory
    (memory (export "memory") 1)
    (global $endless (export "endless") (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (i32.eqz (local.get 3)) (then (return (i32.const 1024))))
      (if (global.get $endless) (then (loop $again (br $again))))
      (drop (memory.grow (i32.div_u (i32.add (local.get 3) (i32.const 65535)) (i32.const 65536))))
      (i32.const 65536)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $random (canon lower (func $random "get-random-bytes") (memory $mem) (realloc $realloc)))
  (core func $insecure (canon lower (func $insecure "get-insecure-random-bytes") (memory $mem) (realloc $realloc)))
  (core module $m
    (import "memory" "endless" (global $endless (mut i32)))
    (import "memory" "memory" (memory 1))
    (import "host" "random" (func $random (param i64 i32)))
    (import "host" "insecure" (func $insecure (param i64 i32)))
    (func (export "bytes") (param i64) (result i32)
      (call $random (local.get 0) (i32.const 0))
      (i32.load (i32.const 4)))
    (func (export "insecure") (param i64) (result i32)
      (call $insecure (local.get 0) (i32.const 0))
      (i32.load (i32.const 4)))
    (func (export "holds") (param i64)
      (global.set $endless (i32.const 1))
      (call $random (local.get 0) (i32.const 0))))
  (core instance $i (instantiate $m
    (with "memory" (instance $memory))
    (with "host" (instance (export "random" (func $random)) (export "insecure" (func $insecure))))))
  (func (export "bytes") (param "n" u64) (result u32) (canon lift (core func $i "bytes")))
  (func (export "insecure") (param "n" u64) (result u32) (canon lift (core func $i "insecure")))
  (func (export "holds") (param "n" u64) (canon lift (core func $i "holds"))))
"#;

const MIB: u64 = 1 << 20;

fn folder(jobs: &[(String, String)]) -> Folder {
    let lines: String = jobs.iter().map(|(id, job)| format!("  - {{ id: {id}, {job} }}\n")).collect();
    Folder::beside_good().file("jobs/evil.wat", PLUGIN).file("jobs/jobs.yaml", format!("jobs:\n{lines}"))
}

#[test]
fn a_mebibyte_at_once_and_no_more() {
    for function in ["bytes", "insecure"] {
        let job = |n: u64| (format!("n{n}"), format!("function: evil:{function}, args: [{n}]"));
        let outcome =
            folder(&[job(MIB), job(MIB + 1), job(1 << 62)]).attacked(&["n1048576", "n1048577", "n4611686018427387904"]);
        assert_eq!(outcome.build("n1048576")["retval"], MIB, "{outcome:#?}");
        for job in ["n1048577", "n4611686018427387904"] {
            assert_eq!(outcome.build(job)["status"], "FAILED", "{outcome:#?}");
        }
    }
}

#[test]
fn what_plugins_make_no_room_for_takes_little() {
    for n in [MIB, 64 * MIB] {
        let ids: Vec<String> = (0..8).map(|at| format!("holds{at}")).collect();
        let jobs: Vec<_> =
            ids.iter().map(|id| (id.clone(), format!("function: evil:holds, args: [{n}], timeout: 1s"))).collect();
        // The harness bounds the memory.
        let outcome = folder(&jobs).attacked(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(outcome.build("holds7")["status"], "FAILED");
    }
}
