//! A folder with plugins, the program that is run in it, and the validator of the schema that it
//! prints there.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;
use tempfile::TempDir;

use crate::editor;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with plugins in its jobs folder.
pub struct Folder(TempDir);

impl Folder {
    pub fn with(plugins: &[PathBuf]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let jobs = folder.path().join("jobs");
        fs::create_dir(&jobs).expect("a jobs folder");
        for plugin in plugins {
            fs::copy(plugin, jobs.join(plugin.file_name().expect("a file"))).expect("a plugin");
        }
        Self(folder)
    }

    /// The two guests that the invalid manifests use.
    pub fn usual() -> Self {
        Self::with_guests(&["sales.wat", "types.wat"])
    }

    pub fn with_guests(guests: &[&str]) -> Self {
        let guests: Vec<_> = guests.iter().map(|guest| root().join("tests/guests").join(guest)).collect();
        Self::with(&guests)
    }

    pub fn write(&self, inside: &str, text: &str) {
        fs::write(self.0.path().join(inside), text).expect("a file");
    }

    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let program = std::env::var_os("JOBCONTROL_TEST_PROGRAM").expect("JOBCONTROL_TEST_PROGRAM names the program");
        let mut command = Command::new(program);
        let output = command.args(arguments).current_dir(self.0.path()).output().expect("the program runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (output.status.code().expect("a code"), text)
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let (_, text) = self.run(arguments);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    pub fn validator(&self) -> Validator {
        let schema = self.json(&["schema"]);
        jsonschema::draft7::meta::validate(&schema).expect("a schema of draft-07");
        jsonschema::draft7::new(&schema).expect("a schema")
    }
}

#[track_caller]
pub fn takes(validator: &Validator, manifest: &str) {
    let manifest = editor::read(manifest).expect("YAML");
    let errors: Vec<_> = validator.iter_errors(&manifest).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {manifest:#}");
}
