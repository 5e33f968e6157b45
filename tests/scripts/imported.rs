//! Scripts that later calls need not import again. The interpreter is a guest in WAT, so that this
//! needs no toolchain; `python` has the same with the real one.

use serde_json::json;

use super::build;
use crate::harness::Folder;
use crate::harness::root;

/// A chain of jobs of one script, so that one process calls it several times.
fn chain(script: &str) -> String {
    let job = |at: u32| format!("  - {{ id: j{at}, function: {script}:f, dependencies: [j{}] }}\n", at - 1);
    format!("jobs:\n  - {{ id: j1, function: {script}:f }}\n{}", (2..=4).map(job).collect::<String>())
}

/// Returns what the jobs of a script returned: how often the interpreter had loaded the program
/// before the call, and how often it was called.
fn returned(script: &str, text: &str) -> Vec<serde_json::Value> {
    let guest = std::fs::read_to_string(root().join("tests/guests/script_loads.wat")).expect("a guest");
    let folder = Folder::new()
        .file("interpreter.wasm", wat::parse_str(guest).expect("valid WAT"))
        .file(&format!("jobs/{script}"), text)
        .file("jobs/chain.yaml", chain(script));
    let installed = folder.path("runtimes");
    let run = |arguments: &[&str]| {
        folder.command(arguments).env("JOBCONTROL_RUNTIMES", &installed).output().expect("the program starts")
    };
    let done = run(&["runtime", "install", "python", "--from", "interpreter.wasm"]);
    assert!(done.status.success(), "{done:?}");
    let done = run(&["run", "--deps", "j4"]);
    assert!(done.status.success(), "{done:?}");
    (1..=4).map(|at| build(&folder, &format!("j{at}"))["retval"].clone()).collect()
}

const TYPES: &str = "from dataclasses import dataclass\n\n@dataclass\nclass C:\n    loads: int\n    calls: int\n\n";

#[test]
fn from_the_third_call_on_a_script_is_not_imported_again() {
    let text = format!("{TYPES}def f() -> C: ...\n");
    let (fresh, ready) = (json!({ "loads": 0, "calls": 1 }), json!({ "loads": 1, "calls": 1 }));
    assert_eq!(returned("short.py", &text), [fresh, ready.clone(), ready.clone(), ready]);
}

#[test]
fn a_script_that_draws_a_number_while_it_is_imported_is_imported_by_each_call() {
    let text = format!("{TYPES}def f() -> C: ...\n# {}\n", "long ".repeat(100));
    let fresh = json!({ "loads": 0, "calls": 1 });
    assert_eq!(returned("random.py", &text), [fresh.clone(), fresh.clone(), fresh.clone(), fresh]);
}
