//! A crate to begin with, as a new user has it, and `make`.

use std::path::Path;
use std::process::Command;
use std::process::Output;

use crate::harness::Folder;
use crate::harness::root;
use crate::harness::watching::Watching;

/// The program in the folder of a crate, with a compiler that makes plugins.
fn program(crate_folder: &Path, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = folder.command(arguments);
    // Cargo and rustup find what is theirs by variables.
    let theirs = |name: &str| !name.starts_with("JOBCONTROL_");
    command.envs(std::env::vars().filter(|(name, _)| theirs(name)));
    command.current_dir(crate_folder).env("CARGO_TARGET_DIR", root().join("target/examples"));
    command.env("JOBCONTROL_RUST_TARGET_COMMAND", root().join("examples/rust-target.sh"));
    command
}

fn success(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
#[ignore = "compiles Rust to WebAssembly: see ci/suites.sh"]
fn a_crate_to_begin_with_is_made_tested_run_and_edited() {
    let folder = Folder::new();
    let said = folder.run(&["new", "word-count", "--lang", "rust"]).code(0).stdout;
    assert!(said.ends_with("cd word-count && jobcontrol make && jobcontrol run word-count\n"), "{said}");
    let at = folder.path("word-count");
    let run = |arguments: &[&str]| program(&at, &folder, arguments).output().expect("the program starts");
    let made = success(run(&["make"]));
    let wanted = "jobs/word-count.wasm\n  words: func(texts: list<string>, least: option<u32>) -> list<word>\n\
                  1 job in 1 manifest: all good\n";
    assert_eq!(made, wanted);
    assert!(success(run(&["make"])).starts_with("jobs/word-count.wasm is unchanged\n"));
    let words = success(run(&["run", "word-count"]));
    assert_eq!(words, "- word: be\n  count: 2\n- word: to\n  count: 2\n");
    let mut test = Command::new("cargo");
    test.arg("test").current_dir(&at).env("CARGO_TARGET_DIR", root().join("target/examples"));
    success(test.output().expect("cargo"));

    // Both stay, and saving the source is enough.
    let running = Watching::of(program(&at, &folder, &["run", "--watch", "word-count"]).spawn().expect("it starts"));
    running.until("count: 2");
    let making = Watching::of(program(&at, &folder, &["make", "--watch"]).spawn().expect("it starts"));
    making.until("is unchanged");
    let source = at.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).expect("the source");
    std::fs::write(&source, text.replace(".to_lowercase()", ".to_uppercase()")).expect("a file");
    making.until("jobs/word-count.wasm");
    running.until("word: BE");
    std::fs::write(&source, text.replace("pub fn words(", "pub fun words(")).expect("a file");
    making.until("cargo could not build `Cargo.toml`");
    std::fs::write(&source, text.replace("#[job]", "")).expect("a file");
    making.until("`word-count.wasm` does not export a function that a job can call");
    std::fs::write(&source, text).expect("a file");
    running.until("word: be");
    assert_eq!((making.interrupt(), running.interrupt()), (Some(130), Some(130)));
}

#[test]
fn what_cannot_be_made_is_told_with_a_way_out() {
    let folder = Folder::new().file("jobs/a.py", "def f() -> None: ...\n");
    folder.run(&["make"]).code(2).says("`.` has no Cargo.toml").says("a script is a plugin as it is");
    folder.run(&["make", "nowhere"]).code(2).says("there is no folder `nowhere`");
    folder.write("crate/Cargo.toml", "[package]\nname = \"a\"\n");
    let nothing = folder.command(&["make", "crate"]).env("PATH", folder.path("")).output().expect("it starts");
    let said = String::from_utf8(nothing.stderr).expect("text");
    assert!(said.contains("`cargo` is not installed") && said.contains("https://rustup.rs"), "{said}");
    folder.run(&["new", "1st", "--lang", "rust"]).code(2).says("it must begin with a letter");
}
