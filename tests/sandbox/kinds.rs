//! Every kind of plugin: core modules with WIT, with plain numbers, and WASI commands of both
//! versions.

use serde_json::Value;
use serde_json::json;
use wit_component::StringEncoding;
use wit_component::embed_component_metadata;
use wit_parser::Resolve;

use crate::harness::Folder;
use crate::sandbox::Built;
use crate::sandbox::built;
use crate::sandbox::built_in;

/// A core module with WIT, as bindings generators leave it.
fn with_wit(module: &str, wit: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("valid WAT");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("world.wit", wit).expect("valid WIT");
    let world = resolve.select_world(&[package], None).expect("one world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("a module that fits");
    module
}

#[track_caller]
fn numeric(function: &str, args: &str) -> Built {
    built("numeric.wat", &format!("id: j\nfunction: numeric:{function}\n{args}\n"))
}

#[track_caller]
fn command(guest: &str, args: &[&str]) -> Built {
    let name = guest.strip_suffix(".wat").expect("a text");
    built(guest, &format!("id: j\nfunction: {name}\nargs: {args:?}\ntimeout: 10s\n"))
}

#[test]
fn numbers_of_a_core_module() {
    for (function, args, retval) in [
        ("add-two", "kwargs: { left: 9223372036854775800, right: 7 }", json!("9223372036854775807")),
        ("add_two", "args: [-1, -2]", json!(-3)),
        ("half-of", "kwargs: { p0: 3.0 }", json!(1.5)),
        ("third", "args: [1.0]", json!(0.333_333_34)),
        ("third", "args: [3e38]", json!(1e38)),
        ("nothing", "", Value::Null),
        ("type", "kwargs: { list: -2147483648 }", json!(-2147483648_i64)),
    ] {
        assert_eq!(numeric(function, args).retval(), &retval, "{function}");
    }
}

#[test]
fn a_core_module_is_initialized_before_the_call() {
    assert_eq!(numeric("ready", "").retval(), &json!(1));
}

#[test]
fn a_trap_of_a_core_module_has_its_line() {
    let built = numeric("boom", "");
    assert!(built.failed("trap").contains("unreachable"));
    assert!(built.calls()[0].contains("numeric.wat:13"), "{:?}", built.calls());
}

#[test]
fn an_export_that_is_no_plain_number_is_explained() {
    let folder = Folder::new().guest("numeric.wat").file("jobs/j.yaml", "function: numeric:pair\n");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("`pair` cannot be a job's function: returns 2 values"), "{answer:#?}");
}

#[test]
fn a_core_module_with_wit_needs_no_other_tool() {
    let module = r#"(module
        (import "jobcontrol:plugin/progress@0.1.0" "report"
          (func $report (param i32 i32 i64 i64 i32 i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 8)
        (global $top (mut i32) (i32.const 65536))
        (data (i32.const 64) "halfway")
        (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
          (global.get $top)
          (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get $size)) (i32.const 7)) (i32.const -8))))
        (func (export "length") (param i32 i32) (result i32)
          (call $report (i32.const 0) (i32.const 0) (i64.const 1) (i64.const 2) (i32.const 64) (i32.const 7))
          (drop (call $random (i32.const 0) (i32.const 8)))
          (local.get 1)))"#;
    let wit =
        "package a:b; world w { import jobcontrol:plugin/progress@0.1.0; export length: func(text: string) -> u32; }
        package jobcontrol:plugin@0.1.0 { interface progress {
          report: func(group: list<string>, current: u64, total: u64, status-line: string); } }";
    let folder = Folder::new().file("jobs/p.wasm", with_wit(module, wit));
    let built = built_in(folder.file("jobs/j.yaml", "function: p:length\nargs: [four]\n"));
    assert_eq!(built.retval(), &json!(4));
    let inspected = built.folder.json(&["inspect", "p"]);
    let imports: Vec<_> = inspected["imports"].as_array().expect("a list").iter().map(Value::to_string).collect();
    assert!(imports.iter().any(|name| name.contains("jobcontrol:plugin/progress")), "{imports:?}");
    assert!(imports.iter().any(|name| name.contains("wasi:random/random")), "{imports:?}");
}

#[test]
fn a_core_module_that_is_not_what_its_wit_says() {
    let mut module = with_wit(
        r#"(module (func (export "f") (param i32) (result i32) (local.get 0)))"#,
        "package a:b; world w { export f: func(x: u32) -> u32; }",
    );
    let at = module.windows(3).position(|w| w == [1, b'f', 0]).expect("the export");
    module[at + 1] = b'g';
    let folder = Folder::new().file("jobs/p.wasm", module).file("jobs/j.yaml", "function: p:f\nargs: [1]\n");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("is a core module that cannot be made a component"), "{answer:#?}");
}

#[test]
fn what_a_core_module_may_import() {
    for (import, reason) in [
        (
            r#"(import "env" "abort" (func))"#,
            "imports `env.abort`; without WIT it may import only `wasi_snapshot_preview1`",
        ),
        (
            r#"(import "wasi_unstable" "fd_write" (func))"#,
            "build it for `wasi_snapshot_preview1` (`wasm32-wasip1`), which came after",
        ),
        (r#"(import "wbg" "__wbindgen_throw" (func))"#, "use wit-bindgen instead of wasm-bindgen"),
        (r#"(import "env" "memory" (memory 1)) (import "env" "table" (table 1 funcref))"#, "`env.memory` and 1 more"),
    ] {
        let module = wat::parse_str(format!("(module {import} (func (export \"f\")))")).expect("valid WAT");
        let folder = Folder::new().file("jobs/p.wasm", module).file("jobs/j.yaml", "function: p:f\n");
        let answer = folder.run(&["check"]).code(3);
        assert!(answer.stdout.contains(reason), "{answer:#?}");
    }
}

#[test]
fn a_command_gets_its_argv_and_what_was_granted_of_the_environment() {
    let manifest = "function: command\nargs: [a b, '', é😀]\ngrants: { env: { HELLO: world } }\n";
    let built = built("command.wat", &format!("id: j\n{manifest}"));
    assert_eq!(built.retval(), &Value::Null);
    assert_eq!(built.messages(), ["NO_COLOR=1", "TERM=dumb", "HELLO=world", "command", "a b", "", "é😀"]);
}

#[test]
fn a_command_takes_what_another_job_returned() {
    let folder = Folder::new().guest("command.wat").guest("values_echo.wat").file(
        "jobs/j.yaml",
        "jobs:\n  - { id: word, function: 'values_echo:a-string', args: [seven] }\n  - { id: j, function: command, args: [--word, \
         !retval word] }\n",
    );
    folder.run(&["run", "word"]).code(0);
    let built = built_in(folder);
    built.retval();
    assert_eq!(built.messages(), ["NO_COLOR=1", "TERM=dumb", "command", "--word", "seven"]);
}

#[test]
fn an_exit_code_is_kept() {
    for (code, said) in [("1", 1), ("3", 3), ("126", 126), ("255", 255)] {
        let built = command("command.wat", &[code]);
        let message = built.failed("exit").to_owned();
        assert_eq!(message, format!("the plugin exited with code {said}"));
        assert_eq!(built.build["exception"]["value"], json!(said));
    }
    assert_eq!(command("command.wat", &["0"]).retval(), &Value::Null);
}

#[test]
fn a_command_that_traps_keeps_what_it_said_before() {
    let built = command("command.wat", &["t"]);
    assert!(built.failed("trap").contains("unreachable"));
    assert_eq!(built.messages(), ["NO_COLOR=1", "TERM=dumb", "command", "t"]);
    assert!(built.calls().iter().any(|call| call.starts_with("main command.wat:")), "{:?}", built.calls());
}

#[test]
fn an_endless_command_is_stopped() {
    let folder = Folder::new().guest("command.wat");
    let built = built_in(folder.file("jobs/j.yaml", "function: command\nargs: [l]\ntimeout: 200ms\n"));
    assert!(built.failed("timeout").contains("longer than 200ms"));
}

#[test]
fn a_component_may_be_a_command() {
    assert_eq!(command("command_component.wat", &[]).retval(), &Value::Null);
    assert_eq!(command("command_component.wat", &["ends itself with success"]).retval(), &Value::Null);
    let failed = command("command_component.wat", &["x", "y"]);
    assert_eq!(failed.failed("exit"), "the plugin exited with code 1");
}

#[test]
fn mistakes_with_commands_are_explained() {
    for (manifest, reason) in [
        ("function: command:main\n", "`jobs/command.wat` is a command, which exports no functions"),
        ("function: numeric\n", "`jobs/numeric.wat` is not a command, so one of its functions must be named"),
        ("function: command\nkwargs: { x: 1 }\n", "`command` is a command, which has no named parameters"),
        ("function: command\nargs: [a, 3]\n", "args[1]: expected string, found the number 3"),
    ] {
        let folder = Folder::new().guest("command.wat").guest("numeric.wat").file("jobs/j.yaml", manifest);
        let answer = folder.run(&["check"]).code(3);
        assert!(answer.stdout.contains(reason), "{answer:#?}");
    }
}

#[test]
fn the_argv_of_a_command_can_be_overridden() {
    let folder = Folder::new().guest("command.wat").file("jobs/j.yaml", "function: command\nargs: [a, b, c]\n");
    folder.run(&["run", "j", "--arg", "args=[x, y]"]).code(0);
    let log = folder.json(&["logs", "1"]);
    let messages: Vec<_> = log.as_array().expect("records").iter().map(|record| &record["message"]).collect();
    assert_eq!(messages, ["NO_COLOR=1", "TERM=dumb", "command", "x", "y"]);
}

#[test]
fn a_core_module_of_too_many_names_is_refused() {
    let exports: String = (0..100_001).map(|i| format!("(export \"e{i}\" (func 0))")).collect();
    let module = wat::parse_str(format!("(module (func) {exports})")).expect("valid WAT");
    let folder = Folder::new().file("jobs/p.wasm", module).file("jobs/j.yaml", "function: p:e1\n");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("has more than 100000 imports or exports"), "{answer:#?}");
}
