//! Jobs whose code is a script in the jobs folder.
//!
//! - `imported`: scripts that are not imported again
//! - `javascript`: JavaScript and TypeScript
//! - `python`: Python, whose interpreter is installed first

mod imported;
mod javascript;
mod python;

use serde_json::Value;

use crate::harness::Folder;

/// What the store has of a build, or of a job's newest.
pub fn build(folder: &Folder, id: &str) -> Value {
    folder.json(&["build", "show", id])
}
