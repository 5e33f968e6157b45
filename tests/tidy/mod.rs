//! The rules of the house that Cargo and Clippy do not hold.
//!
//! - here: which room may name what, how long a file is, and how wide comments are
//! - `circles`: no files import each other
//! - `commands`: what a page, a message or the README tells people to type
//! - `security`: the tests that SECURITY.md names

mod circles;
mod commands;
mod security;

use std::path::Path;
use std::path::PathBuf;

use crate::harness::root;

/// Longest file, in lines.
const MAX_LINES: usize = 600;

/// Longest comment, and longest line of the pages that a stranger reads first, in columns.
const MAX_COLUMNS: usize = 100;

/// Longest README, in lines.
const MAX_README: usize = 150;

fn sources() -> Vec<(PathBuf, String)> {
    let root = root();
    let folders = ["runner", "tests", "sdk", "examples"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok));
    let rust = files.map(walkdir::DirEntry::into_path).filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
    let ours = rust.filter(|path| !path.components().any(|part| part.as_os_str() == "target"));
    ours.map(|path| {
        let text = std::fs::read_to_string(&path).expect("a source file");
        (path.strip_prefix(&root).expect("below the root").to_owned(), text)
    })
    .collect()
}

#[test]
fn no_file_is_long_and_each_says_what_it_is_for() {
    let sources = sources();
    assert!(sources.len() > 50, "the walk finds the sources");
    for (path, text) in sources {
        assert!(text.lines().count() <= MAX_LINES, "{} is longer than {MAX_LINES} lines", path.display());
        assert!(text.starts_with("//!"), "{} does not begin with `//!`", path.display());
    }
}

#[test]
fn comments_are_wrapped() {
    for (path, text) in sources() {
        let long = text
            .lines()
            .enumerate()
            .find(|(_, line)| line.trim_start().starts_with("//") && line.chars().count() > MAX_COLUMNS);
        assert!(long.is_none(), "{}: {long:?} is longer than {MAX_COLUMNS} columns", path.display());
    }
}

#[test]
fn the_readme_is_short() {
    let text = |page: &str| std::fs::read_to_string(root().join(page)).expect("a page");
    assert!(text("README.md").lines().count() <= MAX_README);
    for page in ["README.md", "CONTRIBUTING.md", "docs/tutorial.md"] {
        // A table has a line for each row, and a console what the program printed.
        let is_text = |line: &&str| !line.starts_with('|') && !line.starts_with("4  ");
        let long =
            text(page).lines().filter(is_text).find(|line| line.chars().count() > MAX_COLUMNS).map(str::to_owned);
        assert_eq!(long, None, "{page}");
    }
}

/// A folder, and what no file in it may name: imports go one way.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("runner/core/src", &["tokio", "wasmtime", "rusqlite", "clap", "std::env", "std::fs", "SystemTime::now"]),
    ("runner/sandbox/src", &["rusqlite", "clap::"]),
    (
        "runner/src/record",
        &[
            "crate::catalog",
            "crate::execute",
            "crate::app",
            "crate::cli",
            "crate::web",
            "jobcontrol_sandbox",
            "wasmtime",
        ],
    ),
    (
        "runner/src/catalog",
        &["crate::record", "crate::execute", "crate::app", "crate::cli", "crate::web", "rusqlite", "wasmtime::"],
    ),
    (
        "runner/src/show",
        &["crate::record", "crate::catalog", "crate::execute", "crate::app", "crate::cli", "crate::web", "rusqlite"],
    ),
    (
        "runner/src/execute",
        &["crate::show", "crate::app", "crate::cli", "crate::web", "rusqlite", "wasmtime::", "SELECT "],
    ),
    ("runner/src/request", &["crate::service", "crate::app", "crate::cli", "crate::web", "rusqlite", "wasmtime::"]),
    ("runner/src/service", &["crate::app", "crate::cli", "crate::web", "rusqlite", "wasmtime::"]),
    ("runner/src/app.rs", &["crate::cli", "crate::web", "rusqlite", "wasmtime"]),
    ("runner/src/cli", &["rusqlite", "wasmtime", "jobcontrol_core::memory"]),
    ("runner/src/web", &["crate::cli", "rusqlite", "wasmtime", "jobcontrol_core::memory"]),
];

/// The exceptions, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Time comes in through here and nowhere else.
    ("runner/core/src/clock.rs", "SystemTime::now"),
];

fn within(path: &Path, folder: &str) -> bool {
    path.starts_with(folder)
}

#[test]
fn imports_go_one_way() {
    for (path, text) in sources() {
        for (folder, forbidden) in DIRECTIONS.iter().filter(|(folder, _)| within(&path, folder)) {
            for word in *forbidden {
                let excused = EXCEPTIONS.iter().any(|(file, allowed)| within(&path, file) && allowed == word);
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let found = code.filter(|line| line.contains(word)).count();
                assert!(found == 0 || excused, "{} names `{word}`, which {folder} may not", path.display());
            }
        }
    }
}

/// Crates that look into a plugin's bytes, and functions of the engine that do.
const INTERPRETERS: &[&str] = &[
    "wasmparser::",
    "wasm_encoder::",
    "wit_component::",
    "wit_parser::",
    "wasi_preview1_component_adapter_provider::",
    "wast::",
    "wat::",
    "gimli::",
    "addr2line::",
    "cpp_demangle::",
    "rustc_demangle::",
    "precompile_component",
    "precompile_module",
    "Component::new(",
    "Module::new(",
    "::validate(",
];

/// Where that is, and who may ask for it: the process whose limits are what a plugin can cost.
const INTERPRETER: &str = "runner/sandbox/src/interpreter";

#[test]
fn only_a_process_of_its_own_looks_into_a_plugin() {
    let mut found = 0;
    for (path, text) in sources() {
        let ours = ["runner/src", "runner/core/src", "runner/sandbox/src"].iter().any(|folder| within(&path, folder));
        // What it reads in the runner is what it wrote there itself: the type that a build stores.
        let stored_types = within(&path, "runner/core/src/types/wit.rs");
        if !ours || stored_types {
            continue;
        }
        let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
        let words: Vec<_> = INTERPRETERS.iter().filter(|word| text[..tests].contains(**word)).collect();
        if within(&path, INTERPRETER) {
            found += words.len();
            continue;
        }
        assert!(words.is_empty(), "{} looks into plugins with {words:?}", path.display());
        let calls = ["interpreter::answer(", "interpreter::serve(", "sandbox::serve("];
        let may_call = within(&path, "runner/src/cli/program.rs");
        assert!(may_call || !calls.iter().any(|call| text.contains(call)), "{} interprets plugins", path.display());
    }
    assert!(found > 10, "the words are found where they belong");
}

#[test]
fn only_the_renderer_prints_and_only_sqlite_speaks_sql() {
    for (path, text) in sources() {
        let benches = within(&path, "runner/benches") || within(&path, "runner/sandbox/benches");
        if !within(&path, "runner") || within(&path, "runner/src/cli/render") || benches {
            continue;
        }
        // The process that interprets plugins has binary output and no person to talk to.
        let compiler = within(&path, "runner/sandbox/src/interpreter/serve.rs");
        for word in ["println!", "eprintln!", "io::stdout()", "io::stderr()"] {
            assert!(compiler || !text.contains(word), "{} prints", path.display());
        }
        if !within(&path, "runner/src/record/sqlite") {
            for word in ["SELECT ", "INSERT INTO", "PRAGMA "] {
                assert!(!text.contains(word), "{} speaks SQL", path.display());
            }
        }
    }
}
