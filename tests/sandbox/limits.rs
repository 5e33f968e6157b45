//! Limits: each one hit is a failure that names it, its value, and the key that raises it.

use serde_json::json;

use super::Built;
use super::built;
use crate::harness::Folder;

/// Builds a job of `guest` with one limit.
#[track_caller]
fn limited(guest: &str, call: &str, limit: &str) -> Built {
    built(&format!("{guest}.wat"), &format!("function: {guest}:{call}\nlimits: {{ {limit} }}\n"))
}

/// Asserts that a limit was hit, and the words for it, but for how much was asked for and where the
/// limit is set.
#[track_caller]
fn hits(built: &Built, message: &str) {
    assert_eq!(without_numbers(built.failed("limit")), message);
}

fn without_numbers(message: &str) -> String {
    let mut message = message.to_owned();
    if let (Some(from), Some(to)) = (message.rfind(" ("), message.find(" requested)")) {
        message.replace_range(from..to + " requested)".len(), "");
    }
    if let (Some(from), Some(to)) = (message.find(", set in jobs/j.yaml:"), message.find("; raise")) {
        message.replace_range(from..to, "");
    }
    message
}

#[test]
fn how_much_was_asked_for_and_the_line_that_says_how_much_there_is() {
    let built = limited("limit_memory", "grow\nargs: [14, 0, 0]", "memory: 1 MiB");
    let message = "the memory of the build is above 1 MiB (1088 KiB requested), set in jobs/j.yaml:3; raise it with \
        `limits: { memory: .. }`";
    assert_eq!(built.failed("limit"), message);
}

const MEMORY: &str = "the memory of the build is above 1 MiB; raise it with `limits: { memory: .. }`";

const TABLE: &str =
    "the number of table elements of the build is above 100; raise it with `limits: { table_elements: .. }`";

#[test]
fn memory_grows_up_to_the_limit() {
    let built = limited("limit_memory", "grow\nargs: [13, 0, 0]", "memory: 1 MiB");
    assert_eq!(built.retval(), 1);
}

#[test]
fn memory_does_not_grow_beyond_the_limit() {
    hits(&limited("limit_memory", "grow\nargs: [14, 0, 0]", "memory: 1 MiB"), MEMORY);
}

#[test]
fn memories_of_one_module_are_summed() {
    hits(&limited("limit_memory", "grow\nargs: [7, 7, 0]", "memory: 1 MiB"), MEMORY);
}

#[test]
fn memories_of_several_instances_are_summed() {
    hits(&limited("limit_memory", "grow\nargs: [7, 0, 7]", "memory: 1 MiB"), MEMORY);
}

#[test]
fn memory_that_is_above_the_limit_from_the_start() {
    hits(&limited("limit_memory_initial", "run", "memory: 1 MiB"), MEMORY);
    limited("limit_memory_initial", "run", "memory: 2 MiB").retval();
}

#[test]
fn no_number_of_pages_or_elements_is_so_large_that_it_counts_as_none() {
    for pages in ["0x7fffffffffff0000", "-1", "0x0000ffffffffffff", "0x0000fffffffffffe"] {
        let built = limited("limit_memory64", &format!("of-memory\nargs: [{pages}]"), "memory: 1 MiB");
        assert_eq!(without_numbers(built.failed("limit")), MEMORY, "{pages}");
    }
    for pages in ["-1", "65534", "65535"] {
        let built = limited("limit_memory64", &format!("of-narrow-memory\nargs: [{pages}]"), "memory: 1 MiB");
        assert_eq!(without_numbers(built.failed("limit")), MEMORY, "{pages}");
    }
    for elements in ["-1", "-2", "0x7fffffffffffffff"] {
        let built = limited("limit_memory64", &format!("of-table\nargs: [{elements}]"), "table_elements: 100");
        assert_eq!(without_numbers(built.failed("limit")), TABLE, "{elements}");
    }
}

#[test]
fn table_elements() {
    hits(&limited("limit_table", "grow\nargs: [91]", "table_elements: 100"), TABLE);
    assert_eq!(limited("limit_table", "grow\nargs: [90]", "table_elements: 100").retval(), 10);
}

#[test]
fn core_instances() {
    let message = "the number of core instances of the build is above 3; raise it with `limits: { instances: .. }`";
    hits(&limited("limit_instances", "run", "instances: 3"), message);
    limited("limit_instances", "run", "instances: 4").retval();
}

#[test]
fn a_recursion_without_end() {
    let built = built("limit_stack.wat", "function: limit_stack:recurse\n");
    hits(&built, "the guest's stack is above 1 MiB, which is the same for every job");
    // Of the 100 calls that are known the innermost has only begun.
    assert_eq!(built.calls(), ["deeper limit_stack.wat:5"; 2]);
    let calls = &built.build["exception_tb"];
    assert_eq!(calls[0]["repeated"], json!({ "calls": 1, "times": 98, "at_least": true }));
    assert_eq!(calls[1]["repeated"], serde_json::Value::Null);
    let shown = built.folder.run(&["build", "show", "1"]).stdout;
    assert!(shown.contains("the previous call was repeated at least 98 more times"), "{shown}");
}

#[test]
fn a_recursion_without_end_in_a_core_module() {
    let built = built("limit_stack_core.wat", "function: limit_stack_core:run\n");
    hits(&built, "the guest's stack is above 1 MiB, which is the same for every job");
    // The last call may be of either.
    let calls = built.calls();
    let (even, odd) = ("even limit_stack_core.wat:3", "odd limit_stack_core.wat:5");
    assert!(calls.len() >= 2 && calls.iter().all(|call| call == even || call == odd), "{calls:#?}");
    let repeated = &built.build["exception_tb"][1]["repeated"];
    assert!(
        [48, 49].map(|times| json!({ "calls": 2, "times": times, "at_least": true })).contains(repeated),
        "{repeated}"
    );
}

#[test]
fn a_retval_that_is_too_large() {
    let message = "the encoded size of the return value is above 1 KiB; raise it with `limits: { retval: .. }`";
    // 3 bytes for the list, 5 for each number.
    let built = limited("limit_values", "give-numbers\nargs: [205]", "retval: 1 KiB");
    hits(&built, message);
    assert_eq!(built.build["retval"], serde_json::Value::Null);
    limited("limit_values", "give-numbers\nargs: [204]", "retval: 1 KiB").retval();
    // 3 bytes for the bytes.
    hits(&limited("limit_values", "give-bytes\nargs: [1022]", "retval: 1 KiB"), message);
    limited("limit_values", "give-bytes\nargs: [1021]", "retval: 1 KiB").retval();
}

#[test]
fn a_retval_that_takes_more_of_the_host_than_its_bytes_tell() {
    let message = "the memory that the return value takes in the host (32 bytes per byte of `retval`) is above 32 MiB; \
        raise it with `limits: { retval: .. }`";
    // 32 bytes for each value and 16 for the room of each but the last: 1,472 for each element.
    hits(&limited("limit_held", "nested\nargs: [22800]", "retval: 1 MiB"), message);
    limited("limit_held", "nested\nargs: [22700]", "retval: 1 MiB").retval();
}

#[test]
fn what_is_open_at_once() {
    let opening = |args: &str| {
        let grants = "grants: { files: [{ host: ../data, guest: /data, mode: read }] }";
        let job = format!("function: limit_handles\nargs: {args}\nlimits: {{ handles: 100 }}\n{grants}\n");
        super::built_in(Folder::new().guest("limit_handles.wat").file("data/it", "").file("jobs/j.yaml", &job))
    };
    opening("[a]").retval();
    let message = "the number of files, folders and streams that the build has open is above 100; raise it with \
        `limits: { handles: .. }`";
    hits(&opening("[a, b]"), message);
    opening("[a, b, c, d]").retval();
}

#[test]
fn an_error_of_the_function_that_is_too_large() {
    let message = "the encoded size of the function's error is above 1 KiB; raise it with `limits: { retval: .. }`";
    let built = limited("failure_result", "complain\nargs: [2000]", "retval: 1 KiB");
    hits(&built, message);
    let built = limited("failure_result", "complain\nargs: [1000]", "retval: 1 KiB");
    assert_eq!(built.failed("error").len(), 1000);
}

#[test]
fn arguments_that_are_too_large() {
    let call = "take\nargs: [!!binary aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8=]";
    let message = "the encoded size of the arguments is above 24 bytes; raise it with `limits: { retval: .. }`";
    hits(&limited("limit_values", call, "retval: 24 B"), message);
    limited("limit_values", call, "retval: 25 B").retval();
}

#[test]
fn log_bytes() {
    let built = limited("log_raw", "write\nargs: [1, 0, 1000, 0, 0, 11]", "log: 10 KiB");
    hits(&built, "the log of the build is above 10 KiB; raise it with `limits: { log: .. }`");
    assert_eq!(built.log().len(), 10);
}

#[test]
fn log_bytes_count_what_was_caught_too() {
    let built = limited("log_raw", "caught\nargs: [2000]", "log: 1 KiB");
    hits(&built, "the log of the build is above 1 KiB; raise it with `limits: { log: .. }`");
}

#[test]
fn log_bytes_count_fields_with_nothing_in_them() {
    let built = limited("log_raw", "write\nargs: [1, 0, 1, 131076, 3000, 1]", "log: 10 KiB");
    hits(&built, "the log of the build is above 10 KiB; raise it with `limits: { log: .. }`");
}

#[test]
fn log_records() {
    let built = limited("log_raw", "write\nargs: [1, 0, 1, 0, 0, 5]", "log_records: 4");
    hits(&built, "the log of the build is above 4 records; raise it with `limits: { log_records: .. }`");
    assert_eq!(built.log().len(), 4);
}

#[test]
fn progress_groups() {
    let message = "the progress of the build is above 4 groups; raise it with `limits: { progress_groups: .. }`";
    hits(&limited("progress_raw", "groups\nargs: [5]", "progress_groups: 4"), message);
    limited("progress_raw", "groups\nargs: [4]", "progress_groups: 4").retval();
}

#[test]
fn a_loop_without_end_is_stopped_where_it_is() {
    let built = built("loop_endless.wat", "function: loop_endless:spin\ntimeout: 200ms\n");
    assert_eq!(
        built.failed("timeout"),
        "the attempt took longer than 200ms, set in jobs/j.yaml:2; raise it with `timeout`"
    );
    assert_eq!(built.calls(), ["spin loop_endless.wat:5", "round-and-round loop_endless.wat:4"]);
}

#[test]
fn growth_that_the_plugin_s_own_bound_refuses_takes_nothing() {
    let guest = r#"(component
      (core module $m
        (memory 1 2)
        (func (export "f") (result i32)
          (local $i i32)
          (loop $again
            (drop (memory.grow (i32.const 1000)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 100))))
          (memory.grow (i32.const 1))))
      (core instance $i (instantiate $m))
      (func (export "pages") (result u32) (canon lift (core func $i "f"))))"#;
    let folder = Folder::new().file("jobs/p.wat", guest).file("jobs/j.yaml", "function: p:pages\n");
    folder.run(&["run", "j"]).code(0).stdout("1\n");
}

#[test]
fn a_limit_that_is_the_operator_s_ceiling_says_so() {
    let ceiling = |guest: &str| {
        let memory = if guest == "limit_memory" { "memory: 1 MiB, " } else { "" };
        format!("ceiling: {{ limits: {{ {memory}retval: 1 KiB }}, timeout: 200ms }}\n")
    };
    let memory = ("the memory of the build is above 1 MiB", "limits: { memory: .. }");
    let retval = ("the encoded size of the return value is above 1 KiB", "limits: { retval: .. }");
    let time = ("the attempt took longer than 200ms", "timeout: ..");
    for (guest, job, kind, (message, key)) in [
        ("limit_memory", "grow\nargs: [14, 0, 0]", "limit", memory),
        ("limit_memory", "grow\nargs: [14, 0, 0]\nlimits: { memory: 1 MiB }", "limit", memory),
        ("limit_values", "give-bytes\nargs: [1022]", "limit", retval),
        ("loop_endless", "spin", "timeout", time),
    ] {
        let folder = Folder::new().guest(&format!("{guest}.wat")).file("jobcontrol.yaml", ceiling(guest));
        let built = super::built_in(folder.file("jobs/j.yaml", format!("function: {guest}:{job}\n")));
        let most = format!("{message}, the most that `ceiling: {{ {key} }}` in jobcontrol.yaml allows");
        assert_eq!(without_numbers(built.failed(kind)), most);
    }
    // Below the ceiling, the job's own key raises it.
    let folder =
        Folder::new().guest("limit_memory.wat").file("jobcontrol.yaml", "ceiling: { limits: { memory: 2 MiB } }\n");
    let job = "function: limit_memory:grow\nargs: [14, 0, 0]\nlimits: { memory: 1 MiB }\n";
    hits(&super::built_in(folder.file("jobs/j.yaml", job)), MEMORY);
}
