//! Creates a folder to start from: a script or a crate, a manifest that runs it, a test, and what
//! they need.

mod python;
mod rust;

use std::fs;
use std::path::Path;

use jobcontrol_core::manifest::valid_id;

use crate::catalog::workspace::SETTINGS_FILE;
use crate::request::refusal::Refusal;

/// The languages of the templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    JavaScript,
    TypeScript,
    Python,
    Rust,
}

/// A file of a template: its path and its text. In both, `NAME` stands for the job's id. Files in
/// `vendor` are copied unchanged.
type File = (&'static str, &'static str);

const JAVASCRIPT: &[File] = &[
    ("jobs/NAME.LANG", include_str!("../../../../sdk/js/template/script.js")),
    ("jobs/NAME.yaml", MANIFEST),
    ("NAME.test.js", include_str!("../../../../sdk/js/template/test.js")),
    ("package.json", include_str!("../../../../sdk/js/template/package.json")),
    ("README.md", include_str!("../../../../sdk/js/template/README.md")),
    ("vendor/jobcontrol/package.json", include_str!("../../../../sdk/js/package.json")),
    ("vendor/jobcontrol/index.js", include_str!("../../../../sdk/js/index.js")),
    ("vendor/jobcontrol/index.d.ts", include_str!("../../../../sdk/js/index.d.ts")),
];

const PYTHON: &[File] = &[
    ("jobs/MODULE.LANG", include_str!("../../../../sdk/python/template/script.py")),
    ("jobs/NAME.yaml", MANIFEST),
    ("test_MODULE.py", include_str!("../../../../sdk/python/template/test.py")),
    ("README.md", include_str!("../../../../sdk/python/template/README.md")),
    ("vendor/jobcontrol.py", include_str!("../../../../sdk/python/jobcontrol.py")),
];

const RUST: &[File] = &[
    ("src/lib.rs", include_str!("../../../../sdk/rust/template/lib.rs")),
    ("jobs/NAME.yaml", MANIFEST),
    ("Cargo.toml", include_str!("../../../../sdk/rust/template/Cargo.toml")),
    ("README.md", include_str!("../../../../sdk/rust/template/README.md")),
    (".gitignore", include_str!("../../../../sdk/rust/template/gitignore")),
    rust::CONTRACT,
];

const TYPESCRIPT: &str = include_str!("../../../../sdk/js/template/script.ts");

const MANIFEST: &str = "jobs:
  - id: QUOTED
    title: Count words
    function: PLUGIN:words
    kwargs:
      texts: [to be or not to be]
      least: 2
";

/// Quotes an id if YAML would not read it as text.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = ["true", "false", "null"].contains(&name.to_ascii_lowercase().as_str());
    if is_plain && !is_word { name.to_owned() } else { format!("\"{name}\"") }
}

/// Makes the folder, and returns the paths of its files.
///
/// # Errors
///
/// Returns a refusal if the name cannot be a job id, or if the folder is not empty or cannot be
/// written to.
pub(crate) fn make(name: &str, form: Form) -> Result<Vec<String>, Refusal> {
    if !valid_id(name) {
        let what = format!("`{name}` is not a valid job id: use letters, digits, `_` and `-`, at most 128 of them");
        return Err(Refusal::usage(what));
    }
    if format!("{name}.yaml") == SETTINGS_FILE {
        return Err(Refusal::usage(format!(
            "`{name}` cannot be the id of this job: `{SETTINGS_FILE}` is the operator's file"
        )));
    }
    let folder = Path::new(name);
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(Refusal::failed(format!("`{name}` exists already")).hint("choose another name, or move it away"));
    }
    if form == Form::Rust && !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(Refusal::usage(format!("`{name}` cannot be the name of a crate: it must begin with a letter")));
    }
    let (files, library, ending): (_, &[File], _) = match form {
        Form::JavaScript => (JAVASCRIPT, &[], "js"),
        Form::TypeScript => (JAVASCRIPT, &[], "ts"),
        Form::Python => (PYTHON, &[], "py"),
        Form::Rust => (RUST, rust::LIBRARY, "rs"),
    };
    let filled = |text: &str| filled(text, name, form, ending);
    let mut made = Vec::new();
    for (path, text) in files.iter().chain(library) {
        let text = if form == Form::TypeScript && path.ends_with(".LANG") { TYPESCRIPT } else { text };
        let text = if path.starts_with("vendor/") { (*text).to_owned() } else { filled(text) };
        let path = folder.join(filled(path));
        let parent = path.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        written.map_err(|e| Refusal::failed(format!("`{}` cannot be written: {e}", path.display())))?;
        made.push(path.display().to_string());
    }
    Ok(made)
}

/// Fills in the placeholders of a text or path.
fn filled(text: &str, name: &str, form: Form, ending: &str) -> String {
    let module = if form == Form::Python { python::module_of(name) } else { name.to_owned() };
    let plugin = if form == Form::Rust { name.to_owned() } else { format!("{module}.{ending}") };
    let node = if form == Form::TypeScript { "Node 22.18 or newer" } else { "Node 20 or newer" };
    let text = text
        .replace("PLUGIN", &plugin)
        .replace("QUOTED", &quoted(name))
        .replace("NAME", name)
        .replace("MODULE", &module);
    text.replace("LANG", ending).replace("NODE", node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_text_and_modules_have_names_of_their_own() {
        assert_eq!(
            ["word-count", "true", "NULL", "42", "-"].map(quoted),
            ["word-count", "\"true\"", "\"NULL\"", "\"42\"", "\"-\""]
        );
        let modules = ["word-count", "json", "class", "1st", "_x"].map(python::module_of);
        assert_eq!(modules, ["word_count", "json_job", "class_job", "job_1st", "_x"]);
    }
}
