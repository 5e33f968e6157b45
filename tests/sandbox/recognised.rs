//! What `check` says of plugins that the engine would not run: it refuses them, with the reason and
//! the way out.

use serde_json::json;

use crate::harness::Folder;
use crate::harness::root;
use crate::sandbox::built_in;

fn folder(plugin: &str, function: &str) -> Folder {
    let plugin = wat::parse_str(plugin).expect("valid WAT");
    Folder::new().file("jobs/p.wasm", plugin).file("jobs/j.yaml", format!("id: j\nfunction: {function}\n"))
}

/// `check` and `run` say the same, and it has all of these words.
#[track_caller]
fn refused(plugin: &str, function: &str, words: &[&str]) {
    let folder = folder(plugin, function);
    let said = folder.run(&["check"]).code(3).stdout;
    for word in words {
        assert!(said.contains(word), "`{word}` is not in {said}");
    }
    assert!(!said.contains("cut short"), "{said}");
    let run = folder.run(&["run", "j"]).code(3);
    assert!(words.iter().all(|word| run.stdout.contains(word) || run.stderr.contains(word)), "{run:#?}");
}

#[test]
fn proposals_that_the_engine_does_not_run() {
    let module = |content: &str| format!(r#"(module {content} (func (export "g") (result i32) (i32.const 0)))"#);
    let component = |content: &str| {
        format!(
            "(component {content} (core module $m (func (export \"g\") (result i32) (i32.const 9)))
               (core instance $i (instantiate $m)) (func (export \"g\") (result u32) (canon lift (core func $i \"g\"))))"
        )
    };
    for (plugin, proposal, avoid) in [
        (module("(memory 1 1) (func (drop (i32.atomic.load (i32.const 0))))"), "threads", "-pthread"),
        (module("(memory 1 1 shared)"), "threads", "-pthread"),
        (module("(tag $t) (func (throw $t))"), "exception handling", "-fno-exceptions"),
        (module("(func try catch_all end)"), "exception handling", "-fno-exceptions"),
        (module("(type $s (struct)) (func (drop (struct.new $s)))"), "garbage collection", "linear memory"),
        (component("(core func (canon waitable-set.new))"), "component-model async", "--sync"),
        (component("(import \"a\" (func async))"), "component-model async", "--sync"),
        (component("(type (future u8))"), "component-model async", "wasm32-wasip2"),
    ] {
        let named = format!("error[JC0316]: `jobs/p.wasm` uses the WebAssembly proposal {proposal}");
        refused(&plugin, "p:g", &[&named, "is not supported", avoid]);
    }
}

#[test]
fn a_command_of_wasi_03() {
    let command = r#"(component
        (core module $m
          (import "" "ret" (func $ret (param i32)))
          (func (export "f") (result i32) (call $ret (i32.const 0)) i32.const 0)
          (func (export "cb") (param i32 i32 i32) (result i32) i32.const 0))
        (core func $ret (canon task.return (result (result))))
        (core instance $i (instantiate $m (with "" (instance (export "ret" (func $ret))))))
        (func $run async (result (result)) (canon lift (core func $i "f") async (callback (core func $i "cb"))))
        (instance (export "wasi:cli/run@0.3.0") (export "run" (func $run))))"#;
    refused(command, "p", &["component-model async (WASI 0.3)", "wasm32-wasip2"]);
    // One that is of that version and not async is a function, no command.
    let function = r#"(component
        (core module $m (func (export "f") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "f")))
        (instance (export "wasi:cli/run@0.3.0") (export "run" (func $run))))"#;
    refused(function, "p", &["is not a command"]);
    folder(function, "p:run").run(&["run", "j"]).code(0);
}

/// A component that imports this, and exports `f`.
fn importing(imports: &str) -> String {
    format!(
        "(component {imports} (core module $m (func (export \"f\") (result i32) (i32.const 8)))
           (core instance $i (instantiate $m)) (func (export \"f\") (result u32) (canon lift (core func $i \"f\"))))"
    )
}

#[test]
fn imports_of_components_that_the_linker_lacks() {
    let random = |version: &str, export: &str| {
        importing(&format!("(import \"wasi:random/random@{version}\" (instance {export}))"))
    };
    let good = r#"(export "get-random-u64" (func (result u64)))"#;
    for version in ["0.2.0-rc-2023-11-10", "0.3.0", "0.2.0-draft"] {
        let named = format!("imports `wasi:random/random@{version}`, which the host does not offer");
        refused(&random(version, good), "p:f", &["error[JC0309]", &named, "wasi:random@0.2.x", "without prereleases"]);
    }
    for version in ["0.2.0", "0.2.6", "0.2.99", "0.2.1+build"] {
        folder(&random(version, good), "p:f").run(&["run", "j"]).code(0).stdout("8\n");
    }
    let nonsense = r#"(export "get-random-nonsense" (func (result u64)))"#;
    let missing = "imports `get-random-nonsense` of `wasi:random/random@0.2.0`, which has no such function";
    refused(&random("0.2.0", nonsense), "p:f", &["error[JC0309]", missing]);
    let other = "imports `get-random-u64` of `wasi:random/random@0.2.0` with a different type than the host offers";
    refused(&random("0.2.0", r#"(export "get-random-u64" (func (result u32)))"#), "p:f", &[other]);
    let resource = "imports the resource `thing` of `wasi:random/random@0.2.0`, which has no such resource";
    refused(&random("0.2.0", r#"(export "thing" (type (sub resource)))"#), "p:f", &[resource]);
    let component = importing(r#"(import "unlocked-dep=<a:b@{>=1.0.0}>" (component))"#);
    refused(&component, "p:f", &["imports the component `unlocked-dep=<a:b@{>=1.0.0}>`", "wac plug"]);
    refused(&importing(r#"(import "m" (core module))"#), "p:f", &["imports the core module `m`", "wac plug"]);
    refused(&importing(r#"(import "f" (func))"#), "p:f", &["imports `f`, which the host does not offer"]);
}

#[test]
fn imports_of_core_modules_that_the_linker_lacks() {
    let module = |import: &str, export: &str| {
        format!(
            "(module (import \"wasi_snapshot_preview1\" {import}) (memory (export \"memory\") 1) (func (export \"{export}\")))"
        )
    };
    let sockets = r#""sock_open" (func (param i32 i32 i32) (result i32))"#;
    let other = r#""fd_write" (func (param i32) (result i32))"#;
    let global = r#""fd_write" (global i32)"#;
    for (function, export) in [("p", "_start"), ("p:f", "f")] {
        let missing = "imports `wasi_snapshot_preview1.sock_open`, which the host does not offer";
        refused(&module(sockets, export), function, &["error[JC0309]", missing, "without extensions of other engines"]);
        let typed = "imports `wasi_snapshot_preview1.fd_write` with a different type than the host offers";
        refused(&module(other, export), function, &["error[JC0309]", typed]);
        refused(&module(global, export), function, &["error[JC0309]", typed]);
        let good = r#""fd_write" (func (param i32 i32 i32 i32) (result i32))"#;
        folder(&module(good, export), function).run(&["run", "j"]).code(0);
    }
}

#[test]
fn a_module_without_the_memory_that_wasi_works_on() {
    let module = |export: &str| {
        format!(
            "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))
               (memory 1) (func (export \"{export}\")))"
        )
    };
    for (function, export) in [("p", "_start"), ("p:f", "f")] {
        let said =
            "imports `wasi_snapshot_preview1.fd_write`, which works on the module's memory, but exports no memory";
        refused(&module(export), function, &["error[JC0308]", said, "(memory (export \"memory\") 1)"]);
    }
    // What touches no memory needs none.
    let exits = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                     (func (export "_start") (call $exit (i32.const 0))))"#;
    folder(exits, "p").run(&["run", "j"]).code(0);
}

#[test]
fn functions_beside_a_start() {
    let module = r#"(module (memory (export "memory") 1) (func (export "_start"))
        (func (export "add_two") (param $a i32) (param $b i32) (result i32) (i32.add (local.get $a) (local.get $b))))"#;
    let reason = "`add_two` cannot be a job's function: it belongs to a command, which runs as a whole from `_start`";
    refused(module, "p:add-two", &["error[JC0312]", reason, "-mexec-model=reactor", "cdylib"]);
    folder(module, "p").run(&["run", "j"]).code(0);
    let inspected = folder(module, "p").json(&["inspect", "p"]);
    assert_eq!(inspected["refused"][0]["name"], "add_two");
}

#[test]
fn a_component_that_exports_more_than_functions() {
    let component = r#"(component
        (core module $m (func (export "g") (result i32) i32.const 9))
        (core instance $i (instantiate $m))
        (func $g (result u32) (canon lift (core func $i "g")))
        (export "g" (func $g))
        (component $inner (core module $m (func (export "g") (result i32) i32.const 8))
          (core instance $i (instantiate $m)) (func (export "g") (result u32) (canon lift (core func $i "g"))))
        (export "inner" (component $inner))
        (export "mod" (core module $m))
        (export "also" (func $g)))"#;
    for function in ["p:g", "p:also"] {
        assert_eq!(built_in(folder(component, function)).retval(), &json!(9));
    }
    refused(component, "p:inner", &["`inner` cannot be a job's function: it is a component, not a function"]);
    refused(component, "p:mod", &["`mod` cannot be a job's function: it is a core module, not a function"]);
}

#[test]
fn modules_for_other_hosts() {
    for (content, what, help) in [
        (r#"(import "extism:host/env" "input_length" (func (result i64)))"#, "an Extism plugin", "Extism PDK"),
        (r#"(import "gojs" "runtime.wasmExit" (func (param i32)))"#, "built by Go for JavaScript", "GOOS=wasip1"),
        (r#"(import "./app_bg.js" "__wbg_log_12" (func))"#, "built by wasm-bindgen", "wasm32-wasip2"),
        (r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))"#, "a proxy-wasm filter", "plugin.wit"),
        (r#"(import "env" "mono_wasm_trace_logger" (func))"#, "a part of .NET", "componentize-dotnet"),
        (
            r#"(import "env" "emscripten_resize_heap" (func (param i32) (result i32)))"#,
            "built by Emscripten",
            "-sSTANDALONE_WASM",
        ),
        (r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#, "built by AssemblyScript", "--use abort="),
    ] {
        let module = format!("(module {content} (func (export \"f\") (result i32) (i32.const 0)))");
        refused(&module, "p:f", &["error[JC0309]", what, help, "it is a core module that imports"]);
        let command = format!("(module {content} (func (export \"_start\")))");
        refused(&command, "p", &["error[JC0309]", what, help]);
    }
    let others = r#"(module (import "env" "of_nobody" (func)) (func (export "f")))"#;
    refused(others, "p:f", &["`jobs/p.wasm` is a core module that imports `env.of_nobody`"]);
}

#[test]
fn a_module_whose_wit_was_stripped() {
    for (content, mark) in [
        (
            r#"(import "jobcontrol:plugin/progress@0.1.0" "report" (func (param i32)))"#,
            "jobcontrol:plugin/progress@0.1.0",
        ),
        (r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#, "cabi_realloc"),
        (r#"(func (export "cabi_post_f") (param i32))"#, "cabi_post_f"),
        (r#"(func (export "a:b/c@1.0.0#g") (param i32))"#, "a:b/c@1.0.0#g"),
    ] {
        let module = format!(
            "(module {content} (memory (export \"memory\") 1) (func (export \"f\") (result i32) (i32.const 0)))"
        );
        let named = format!("{mark}`), but its WIT is gone");
        refused(&module, "p:f", &["error[JC0308]", &named, "component-type"]);
    }
}

#[test]
fn only_what_was_cut_short_is_called_so() {
    let whole = std::fs::read(root().join("tests/guests/sdk.wasm")).expect("a guest");
    let check = |bytes: &[u8]| {
        Folder::new().file("jobs/p.wasm", bytes).file("jobs/j.yaml", "function: p:f\n").run(&["check"]).code(3).stdout
    };
    for length in [9, 100, whole.len() / 2, whole.len() - 1] {
        let said = check(&whole[..length]);
        assert!(said.contains("it was cut short: copy or download it again"), "{length}: {said}");
    }
    // A function that returns nothing where its type says a number.
    let wrong = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x07\x05\x01\x01f\0\0\x0a\x04\x01\x02\0\x0b";
    let said = check(wrong);
    assert!(said.contains("error[JC0307]: `jobs/p.wasm` cannot be decoded: type mismatch"), "{said}");
    assert!(said.contains("the file is whole, but not valid") && !said.contains("cut short"), "{said}");
}
