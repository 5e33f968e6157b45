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
        failure_traps.wat:6, in fall\n    \
        failure_traps.wat:5, in middle\n    \
        failure_traps.wat:4, in innermost\n  \
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
