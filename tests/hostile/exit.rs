//! Plugins that end themselves with exit code 0 where they are not expected to: a command has done
//! its work then, a function has returned nothing.

use crate::harness::Answer;
use crate::harness::Folder;

/// Runs the job `evil` of a plugin that is a core module with `proc_exit` as `$exit`.
fn built(module: &str, function: &str) -> Answer {
    let module = format!(
        "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
           (memory (export \"memory\") 1) {module})"
    );
    let manifest = format!("id: evil\nfunction: evil{function}\n");
    Folder::new().file("jobs/evil.wat", module).file("jobs/evil.yaml", manifest).run(&["run", "evil"])
}

const BEGIN: &str = "(func $begin (call $exit (i32.const CODE))) (start $begin)";

#[test]
fn a_command_that_exits_in_its_start_function_has_succeeded() {
    for guest in ["command_start.wat", "command_component_start.wat"] {
        let name = guest.trim_end_matches(".wat");
        let folder = Folder::new().guest(guest).file("jobs/evil.yaml", format!("id: evil\nfunction: {name}\n"));
        folder.run(&["run", "evil"]).code(0).stdout("").says("SUCCESSFUL");
    }
}

#[test]
fn a_command_that_fails_in_its_start_function_has_failed() {
    let begin = BEGIN.replace("CODE", "3");
    let answer = built(&format!("{begin} (func (export \"_start\"))"), "").code(1);
    answer.says("exit: the plugin exited with code 3");
}

#[test]
fn a_function_that_exits_has_returned_nothing() {
    let returns = "(func (export \"f\") (result i32) (i32.const 7))";
    for module in [
        "(func (export \"f\") (call $exit (i32.const 0)))".to_owned(),
        format!("(func (export \"_initialize\") (call $exit (i32.const 0))) {returns}"),
    ] {
        built(&module, ":f").code(1).stdout("").says("exit: the plugin exited with code 0");
    }
    let start = "(component
        (import \"wasi:cli/exit@0.2.0\" (instance $exit (export \"exit\" (func (param \"status\" (result))))))
        (core func $exit (canon lower (func $exit \"exit\")))
        (core module $m
          (import \"host\" \"exit\" (func $exit (param i32)))
          (func $begin (call $exit (i32.const 0)))
          (start $begin)
          (func (export \"f\") (result i32) (i32.const 7)))
        (core instance $m (instantiate $m (with \"host\" (instance (export \"exit\" (func $exit))))))
        (func (export \"f\") (result u32) (canon lift (core func $m \"f\"))))";
    let folder = Folder::new().file("jobs/evil.wat", start).file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n");
    folder.run(&["run", "evil"]).code(1).stdout("").says("exit: the plugin exited with code 0");
}
