//! Plugins that are none, that ask for too much, and their compiled code in the cache.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::Answer;
use crate::harness::Folder;

const QUICK: &str = "function: loop_endless:quick\n";

/// What `check` answers to a job whose plugin is this file.
#[track_caller]
fn refused(file: &str, content: impl AsRef<[u8]>, message: &str) {
    let folder = Folder::new();
    folder.write(&format!("jobs/{file}"), content);
    folder.write("jobs/j.yaml", format!("function: ./{file}:run\n"));
    says(&folder.run(&["check"]).code(3), message);
    folder.run(&["run", "j"]).code(3).says(message);
}

/// What `check` answers to a job whose plugin is this guest.
#[track_caller]
fn refused_guest(guest: &str, function: &str, message: &str) {
    let folder = Folder::new().guest(guest).file("jobs/j.yaml", format!("function: ./{guest}:{function}\n"));
    says(&folder.run(&["check"]).code(3), message);
    folder.run(&["run", "j"]).code(3).says(message);
}

#[track_caller]
fn says(answer: &Answer, message: &str) {
    assert!(answer.stdout.contains(message), "`{message}` is not in {answer:#?}");
}

#[test]
fn a_plugin_that_takes_more_to_read_than_it_may() {
    let folder =
        Folder::new().file("jobs/j.yaml", "function: p:run\n").file("jobcontrol.yaml", "read: { timeout: 1ms }\n");
    folder.write("jobs/p.wat", format!("(module {})", "(func (nop))".repeat(100_000)));
    let answer = folder.run(&["check", "--cache", "cache"]).code(3);
    let message = "error[JC0315]: reading `jobs/p.wat` took longer than 1ms; raise it with `read: { timeout: .. }` in \
                   jobcontrol.yaml";
    says(&answer, message);
}

#[test]
fn an_import_of_the_contract_that_is_not_as_the_contract_has_it() {
    let importing = |function: &str| {
        format!(
            "(component (import \"jobcontrol:plugin/progress@0.1.0\" (instance {function}))
               (core module $m (func (export \"run\")))
               (core instance $i (instantiate $m))
               (func (export \"run\") (canon lift (core func $i \"run\"))))"
        )
    };
    let of = "`jobcontrol:plugin/progress@0.1.0`";
    let missing = format!("`jobs/p.wat` imports `shout` of {of}, which has no such function");
    refused("p.wat", importing("(export \"shout\" (func))"), &missing);
    let other = format!("`jobs/p.wat` imports `report` of {of} with a different type than the host offers");
    refused("p.wat", importing("(export \"report\" (func (param \"group\" string)))"), &other);
}

#[test]
fn an_empty_file() {
    refused("p.wasm", "", "`jobs/p.wasm` is empty");
}

#[test]
fn a_text() {
    refused("p.wasm", "not WebAssembly", "`jobs/p.wasm` is a text, not WebAssembly");
}

#[test]
fn what_is_no_plugin_is_refused_by_inspect_as_by_check() {
    let folder = Folder::new().file("jobs/p.wasm", "not WebAssembly");
    let answer = folder.run(&["inspect", "p"]).code(3).says("error[JC0305]: `jobs/p.wasm` is a text, not WebAssembly");
    answer.says("build it for WebAssembly");
    folder.run(&["inspect", "p.wasm"]).code(3);
    folder.run(&["inspect", "q"]).code(4);
}

#[test]
fn a_component_that_is_cut_short() {
    let whole = std::fs::read(crate::harness::root().join("jobs/sales.wasm")).expect("a plugin");
    for length in [5, 8, 100, whole.len() / 2, whole.len() - 1] {
        let folder = Folder::new().file("jobs/p.wasm", &whole[..length]);
        let folder = folder.file("jobs/j.yaml", "function: ./p.wasm:fetch-orders\n");
        let answer = folder.run(&["check"]).code(3);
        assert!(answer.stdout.starts_with("error[JC03"), "{length}: {answer:#?}");
    }
}

#[test]
fn wat_that_is_wrong() {
    refused("p.wat", "(component (core module $m) (nonsense))", "`jobs/p.wat` is not valid WAT");
}

#[test]
fn a_core_module_of_which_nothing_can_be_called() {
    refused_guest("core_module.wat", "run", "is a core module without WIT and exports no function of plain numbers");
}

#[test]
fn an_import_that_nobody_offers() {
    refused_guest("import_unknown.wat", "ask", "imports `acme:oracle/answers@1.0.0`, which the host does not offer");
}

#[test]
fn messages_of_http_alone_need_no_grant() {
    let folder = Folder::new().guest("import_http.wat").file("jobs/j.yaml", "{ id: j, function: import_http:run }");
    folder.run(&["check"]).code(0);
    folder.run(&["run", "j"]).code(0);
}

#[test]
fn a_function_with_a_resource() {
    let message = "`take-basket` cannot be a job's function: its signature has a resource";
    refused_guest("export_resource.wat", "take-basket", message);
}

/// What the engine's pool refuses when a plugin is loaded, with the count.
#[test]
fn more_than_the_engine_has_room_for() {
    let instances = |module: &str, count: usize| {
        let instances = "(core instance (instantiate $many))".repeat(count);
        format!(
            "(component (core module $many {module}) {instances} (core module $m (func (export \"run\"))) \
             (core instance $i (instantiate $m)) (func (export \"run\") (canon lift (core func $i \"run\"))))"
        )
    };
    let alone = |module: &str| format!("(module {module} (func (export \"run\")))");
    let command = |module: &str| format!("(module {module} (func (export \"_start\")))");
    let globals = |count: usize| "(global i32 (i32.const 0))".repeat(count);
    let (tables, memories) = ("(table 1 funcref)".repeat(21), "(memory 1)".repeat(21));
    for (plugin, function, reason) in [
        (instances("(memory 1)", 21), "p:run", "has 21 memories; a plugin may have at most 20"),
        (instances("(table 1 funcref)", 21), "p:run", "has 21 tables; a plugin may have at most 20"),
        (alone(&tables), "p:run", "has 21 tables; a plugin may have at most 20"),
        (alone(&memories), "p:run", "has 21 memories; a plugin may have at most 20"),
        (command(&tables), "p", "has 21 tables; a plugin may have at most 20"),
        (alone(&"(table 1 funcref)".repeat(101)), "p:run", "is larger than the engine takes: tables count exceeds"),
        (alone("(table 1_000_001 funcref)"), "p:run", "has a table of 1000001 elements at its start"),
        (alone("(memory i64 65_537)"), "p:run", "has a memory of 4295032832 bytes at its start; the limit is 4 GiB"),
        (alone(&globals(300_000)), "p:run", "for its globals, imports and functions that are referred to"),
        (command(&globals(300_000)), "p", "for its globals, imports and functions that are referred to"),
    ] {
        let binary = wat::parse_str(&plugin).expect("valid WAT");
        let folder = Folder::new().file("jobs/p.wasm", binary).file("jobs/j.yaml", format!("function: {function}\n"));
        let answer = folder.run(&["check"]).code(3);
        assert!(answer.stdout.starts_with("error[JC0317]: `jobs/p.wasm` "), "{answer:#?}");
        assert!(answer.stdout.contains(reason), "{answer:#?}");
    }
    // As much as there is room for.
    for (plugin, function) in [
        (instances("(memory 1) (table 1 funcref)", 20), "p:run"),
        (alone(&format!("{}{}", "(table 1 funcref)".repeat(20), globals(250_000))), "p:run"),
        (alone("(table 1_000_000 funcref)"), "p:run"),
        (command(&globals(250_000)), "p"),
    ] {
        let binary = wat::parse_str(&plugin).expect("valid WAT");
        let manifest = format!("id: j\nfunction: {function}\nlimits: {{ memory: 4 GiB, table_elements: 1000000 }}\n");
        let folder = Folder::new().file("jobs/p.wasm", binary).file("jobs/j.yaml", manifest);
        folder.run(&["run", "j"]).code(0);
    }
}

/// A folder with a cache of its own, and the entries in it.
fn cached() -> (Folder, Vec<PathBuf>) {
    let folder = Folder::new().guest("loop_endless.wat").file("jobs/j.yaml", QUICK);
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
    let entries = std::fs::read_dir(folder.path("cache")).expect("a cache");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    let entries = entries.filter(|path| path.extension().is_some_and(|ext| ext == "cwasm")).collect();
    (folder, entries)
}

#[test]
fn compiled_code_is_kept_in_a_folder_of_the_users_own() {
    let (folder, entries) = cached();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let mode = std::fs::metadata(folder.path("cache")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let made = std::fs::metadata(&entries[0]).and_then(|m| m.modified()).expect("a time");
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
    assert_eq!(std::fs::metadata(&entries[0]).and_then(|m| m.modified()).expect("a time"), made);
}

#[test]
fn an_entry_that_is_damaged_is_made_anew() {
    let (folder, entries) = cached();
    let good = std::fs::read(&entries[0]).expect("an entry");
    let mut tampered = good.clone();
    tampered[good.len() / 2] ^= 1;
    for damaged in [&b""[..], &b"garbage"[..], &good[..64], &good[..good.len() / 2], &tampered] {
        // Put there as a new file: the old one may still be mapped.
        let other = folder.path("cache/other");
        std::fs::write(&other, damaged).expect("a damaged entry");
        std::fs::rename(&other, &entries[0]).expect("in its place");
        folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
        assert_eq!(std::fs::read(&entries[0]).expect("an entry"), good);
    }
}

#[test]
fn several_processes_fill_one_cache_at_once() {
    let folder = Folder::new().guest("loop_endless.wat").file("jobs/j.yaml", QUICK);
    let start = |i: i32| {
        let store = format!("sqlite:{i}.db");
        folder.start(&["run", "j", "--cache", "cache", "--store", &store])
    };
    let running: Vec<_> = (0..4).map(start).collect();
    for child in running {
        let answer: Answer = child.wait_with_output().expect("its end").into();
        answer.code(0).stdout("7\n");
    }
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
    let left = std::fs::read_dir(folder.path("cache")).expect("a cache").count();
    assert_eq!(left, 3, "one entry with its seal, and what the plugin says of itself");
}

#[test]
fn a_cache_is_pruned() {
    let (folder, entries) = cached();
    folder.write("cache/0123-0123456789abcdef.cwasm", "of another version");
    let prune = |more: &[&str]| {
        let arguments: Vec<_> = ["cache", "prune", "--cache", "cache"].iter().chain(more).copied().collect();
        folder.run(&arguments).code(0)
    };
    prune(&["--dry-run"]).stdout("would remove 1 compiled plugin (18 bytes)\n");
    prune(&[]).stdout("removed 1 compiled plugin (18 bytes)\n");
    prune(&[]).stdout("nothing to remove\n");
    assert!(entries[0].exists());
    prune(&["--unused-for", "1d"]).stdout("nothing to remove\n");
    let all = prune(&["--all"]);
    assert!(all.stdout.starts_with("removed 1 compiled plugin ("), "{all:#?}");
    assert_eq!(std::fs::read_dir(folder.path("cache")).expect("a cache").count(), 0);
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
}

#[test]
fn a_cache_that_is_open_to_others_is_refused() {
    let folder = Folder::new().guest("loop_endless.wat").file("jobs/j.yaml", QUICK);
    std::fs::create_dir(folder.path("cache")).expect("a cache");
    for mode in [0o755, 0o770, 0o707] {
        std::fs::set_permissions(folder.path("cache"), PermissionsExt::from_mode(mode)).expect("a mode");
        let answer = folder.run(&["run", "j", "--cache", "cache"]).code(1);
        answer.says("the cache folder `cache` is open to other users: run `chmod 700 cache`");
    }
}

#[test]
fn a_text_whose_code_is_one_long_line() {
    let code = "nop ".repeat(500_000);
    let plugin = format!(r#"(module (func (export "run") (result i32) {code} i32.const 7))"#);
    let folder = Folder::new().file("jobs/p.wat", plugin).file("jobs/j.yaml", "function: p:run\n");
    folder.run(&["check"]).code(0);
    folder.run(&["run", "j"]).code(0).stdout("7\n");
}
