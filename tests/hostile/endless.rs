//! Loops without end wherever the host calls a plugin, or waits for it: each ends as a timeout, and
//! its neighbour goes on.

use crate::harness::Folder;

/// A plugin whose parts are these: code of the start function, of `realloc`, of `f`, and of what
/// comes after `f`.
struct Parts {
    start: &'static str,
    realloc: &'static str,
    call: &'static str,
    after: &'static str,
}

const QUIET: Parts = Parts { start: "", realloc: "(i32.const 0)", call: "", after: "" };
const ENDLESS: &str = "(loop $again (br $again))";

fn plugin(parts: &Parts) -> String {
    let Parts { start, realloc, call, after } = parts;
    format!(
        "(component
           (core module $m
             (memory (export \"memory\") 1)
             (func $start {start})
             (start $start)
             (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) {realloc})
             (func (export \"f\") (param i32 i32) (result i32) {call} (i32.const 7))
             (func (export \"after\") (param i32) {after}))
           (core instance $i (instantiate $m))
           (func (export \"f\") (param \"text\" string) (result u32)
             (canon lift (core func $i \"f\") (memory (core memory $i \"memory\")) (realloc (core func $i \"realloc\"))
               (post-return (core func $i \"after\")))))"
    )
}

fn folder(parts: &Parts) -> Folder {
    Folder::beside_good()
        .file("jobs/evil.wat", plugin(parts))
        .file("jobs/evil.yaml", "id: evil\nfunction: evil:f\nargs: [x]\ntimeout: 300ms\n")
}

#[test]
fn where_nothing_is_endless_it_returns() {
    assert_eq!(folder(&QUIET).attacked(&["evil"]).build("evil")["retval"], 7);
}

#[test]
fn an_endless_start_function() {
    folder(&Parts { start: ENDLESS, ..QUIET }).attacked(&["evil"]).failed("evil", "timeout");
}

#[test]
fn an_endless_allocator() {
    let realloc = "(loop $again (br $again)) (unreachable)";
    folder(&Parts { realloc, ..QUIET }).attacked(&["evil"]).failed("evil", "timeout");
}

#[test]
fn an_endless_function() {
    folder(&Parts { call: ENDLESS, ..QUIET }).attacked(&["evil"]).failed("evil", "timeout");
}

#[test]
fn an_endless_end_of_the_call() {
    folder(&Parts { after: ENDLESS, ..QUIET }).attacked(&["evil"]).failed("evil", "timeout");
}

#[test]
fn a_trap_at_the_end_of_the_call() {
    let outcome = folder(&Parts { after: "unreachable", ..QUIET }).attacked(&["evil"]);
    outcome.failed("evil", "trap");
}
