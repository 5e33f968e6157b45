//! What preview1 modules do runs here as in the engine alone, whether they stay core modules or are
//! made components.

use super::Built;
use super::built_in;
use crate::harness::Folder;
use crate::harness::root;

const GUEST: &str = "preview1_library.wat";

/// What the guest exports, for the form of it that carries WIT.
const WIT: &str = "package t:t; world w {
  export hello: func(); export leave: func(code: s32); export last-variable: func() -> s32; export entries: func() -> s32;
}";

/// The guest as it is, and as a toolchain leaves it that puts WIT into the module.
fn forms() -> [Folder; 2] {
    let text = std::fs::read(root().join("tests/guests").join(GUEST)).expect("the guest");
    let mut module = wat::parse_bytes(&text).expect("a module").into_owned();
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("t.wit", WIT).expect("WIT");
    let world = resolve.select_world(&[package], None).expect("a world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
        .expect("a section");
    [Folder::new().file("jobs/p.wat", text), Folder::new().file("jobs/p.wasm", module)]
}

/// What both forms of the guest do.
#[track_caller]
fn both(manifest: &str) -> [Built; 2] {
    forms().map(|folder| built_in(folder.file("jobs/j.yaml", format!("id: j\nfunction: p:{manifest}"))))
}

#[test]
fn a_memory_of_fixed_size_and_functions_that_begin_before() {
    for built in both("hello\n") {
        built.retval();
        assert_eq!(built.messages(), ["from start", "from _initialize", "from hello"]);
    }
}

#[test]
fn an_exit_code_of_a_function_is_kept() {
    for built in both("leave\nargs: [3]\n") {
        assert_eq!(built.failed("exit"), "the plugin exited with code 3");
        assert_eq!(built.build["exception"]["value"], 3);
    }
}

#[test]
fn variables_of_128_kib_together_reach_the_guest() {
    for length in [1, 7, 8, 9, 130_000] {
        let value = "x".repeat(length);
        for built in both(&format!("last-variable\ngrants: {{ env: {{ BIG: {value} }} }}\n")) {
            assert_eq!(built.retval().as_u64(), Some(4 + length as u64));
        }
    }
}

#[test]
fn larger_variables_are_refused_where_they_are_granted() {
    for folder in forms() {
        let value = "x".repeat(131_072);
        let job = format!("id: j\nfunction: p:last-variable\ngrants: {{ env: {{ BIG: {value} }} }}\n");
        let folder = folder.file("jobs/j.yaml", job);
        let answer = folder.run(&["check"]).code(3);
        assert!(answer.stdout.starts_with("error[JC0326]: the granted variables take 13"), "{answer:#?}");
        folder.run(&["run", "j"]).code(3).says("a plugin can have at most 128 KiB");
    }
}

#[test]
fn a_large_folder_is_read_to_its_end() {
    for folder in forms() {
        for file in 0..1_000 {
            folder.write(&format!("data/file-{file}"), "");
        }
        let grants = "grants: { files: [{ host: ../data, guest: /data }] }";
        let built = built_in(folder.file("jobs/j.yaml", format!("id: j\nfunction: p:entries\n{grants}\n")));
        assert_eq!(built.retval(), 1_002);
    }
}
