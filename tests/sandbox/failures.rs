//! How builds fail by themselves: errors of the function, and traps.

use serde_json::Value;
use serde_json::json;

use super::built;

#[test]
fn an_error_of_the_function_is_the_failures_value() {
    let built = built("failure_result.wat", "function: failure_result:judge\nargs: [3]\n");
    assert_eq!(built.failed("error"), "too-small: 3");
    assert_eq!(built.build["exception"]["value"], json!({"too-small": 3}));
    assert_eq!(built.build["retval"], Value::Null);
}

#[test]
fn an_error_with_nothing_in_it() {
    let built = built("failure_result.wat", "function: failure_result:bare\nargs: [true]\n");
    assert_eq!(built.failed("error"), "the function returned an error");
    assert_eq!(built.build["exception"]["value"], Value::Null);
}

#[test]
fn ok_is_the_retval_itself() {
    assert_eq!(built("failure_result.wat", "function: failure_result:judge\nargs: [30]\n").retval(), 30);
    assert_eq!(built("failure_result.wat", "function: failure_result:bare\nargs: [false]\n").retval(), &Value::Null);
}

#[test]
fn a_trap_has_the_calls_that_led_to_it() {
    let built = built("failure_traps.wat", "function: failure_traps:fall\n");
    assert_eq!(built.failed("trap"), "wasm `unreachable` instruction executed");
    assert_eq!(
        built.calls(),
        ["fall failure_traps.wat:6", "middle failure_traps.wat:5", "innermost failure_traps.wat:4"]
    );
}

#[test]
fn build_show_prints_the_traceback() {
    let built = built("failure_traps.wat", "function: failure_traps:fall\n");
    let shown = built.folder.run(&["build", "show", "1"]).code(0).stdout;
    let expected = "\nfailure\n  \
        Traceback (most recent call last):\n    \
        failure_traps.wat:6:34, in fall\n    \
        failure_traps.wat:5:20, in middle\n    \
        failure_traps.wat:4:22, in innermost\n  \
        trap: wasm `unreachable` instruction executed\n\n\
        again:    jobcontrol build rerun 1\n\
        full log: jobcontrol logs 1\n";
    assert!(shown.ends_with(expected), "{shown}");
}

#[test]
fn a_division_by_zero_says_so() {
    let built = built("failure_traps.wat", "function: failure_traps:divide\nargs: [1, 0]\n");
    assert_eq!(built.failed("trap"), "integer divide by zero");
    assert_eq!(built.calls(), ["divide failure_traps.wat:10", "quotient failure_traps.wat:8"]);
}

#[test]
fn functions_are_called_what_their_plugin_calls_them() {
    let built = built("failure_names.wat", "function: failure_names:share\nargs: [0]\n");
    assert_eq!(built.failed("trap"), "integer divide by zero");
    let names = built.calls();
    let names: Vec<_> = names.iter().filter_map(|call| call.split(' ').next()).collect();
    assert_eq!(names, ["share", "v", "i", "f"]);
}

#[test]
fn the_reason_of_an_abort_is_read_from_standard_error() {
    let built = built(
        "stderr_reason.wat",
        "function: stderr_reason:fail\nargs: [1000]\nretry: { on: [panic], attempts: 2, initial: 1ms }\n",
    );
    assert_eq!(built.failed("KeyError"), "'urgent'");
    assert_eq!(built.build["attempt"], 2, "`retry` takes it for a panic");
    let trapped = "function: stderr_reason:fail\nargs: [1000]\nretry: { on: [trap], attempts: 2, initial: 1ms }\n";
    assert_eq!(super::built("stderr_reason.wat", trapped).build["attempt"], 2, "and for the trap that it was too");
    assert_eq!(built.build["exception"]["read_from"], "stderr");
    assert_eq!(built.calls(), ["dearest /shop.py:24", "rate_of /shop.py:12"]);
    let cause = &built.build["exception"]["causes"][0];
    assert_eq!(cause["kind"], "trap");
    assert_eq!(cause["message"], "wasm `unreachable` instruction executed");
    let functions = cause["frames"].as_array().expect("frames").iter().map(|frame| &frame["function"]);
    assert_eq!(functions.collect::<Vec<_>>(), ["function 3", "abort"], "as the engine calls them");
    let line = (30, "stderr".to_owned(), "Traceback (most recent call last):".to_owned());
    assert_eq!(built.lines()[0], line, "without colours");
    let shown = built.folder.run(&["build", "show", "1"]).code(0).stdout;
    let expected = "  Traceback (most recent call last):\n    /shop.py:24, in dearest\n    /shop.py:12, in rate_of\n  \
        KeyError: 'urgent'\n  read from standard error, before trap: wasm `unreachable` instruction executed\n";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_reason_without_calls_has_those_of_the_engine() {
    let built = built("stderr_reason.wat", "function: stderr_reason:fail\nargs: [2000]\n");
    assert_eq!(built.failed("out_of_range"), "vector");
    let functions: Vec<_> = built.calls().iter().filter_map(|call| call.split(' ').next().map(str::to_owned)).collect();
    assert_eq!(functions, ["fail", "abort"]);
}

#[test]
fn what_was_said_before_something_else_is_no_reason() {
    let built = built("stderr_reason.wat", "function: stderr_reason:fail\nargs: [4000]\n");
    assert_eq!(built.failed("trap"), "wasm `unreachable` instruction executed");
}

#[test]
fn a_file_that_is_not_granted_is_named_with_its_grant() {
    let job = "function: stderr_reason:fail\nargs: [3000]\n";
    let missing = "[Errno 44] No such file or directory: '/data/orders.csv'";
    let grant = "grants: { files: [{ host: FOLDER, guest: /data, mode: read }] }";
    let told = format!("{missing}\n`/data/orders.csv` is not in a folder that the job grants; write `{grant}`");
    assert_eq!(built("stderr_reason.wat", job).failed("FileNotFoundError"), told);
    let granted = format!("{job}grants: {{ files: [{{ host: ., guest: /data }}] }}\n");
    assert_eq!(built("stderr_reason.wat", &granted).failed("FileNotFoundError"), missing);
}

#[test]
fn an_address_that_is_not_in_memory_is_told() {
    let fault = r#"(module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))"#;
    let folder = crate::harness::Folder::new().file("jobs/p.wat", fault);
    let built = super::built_in(folder.file("jobs/j.yaml", "function: p:f\nargs: [-16]\n"));
    let message =
        "out of bounds memory access: memory fault at wasm address 0xfffffff0 in linear memory of size 0x10000";
    assert_eq!(built.failed("trap"), message);
}
