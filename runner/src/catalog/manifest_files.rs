//! Which files are manifests by their names, and which look like manifests but are not read.

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::limits;

/// The endings of manifests, in upper or lower case.
const ENDINGS: &[&str] = &["yaml", "yml"];

/// Returns whether a file is a manifest by its name.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(is_ending)
}

fn is_ending(ext: &OsStr) -> bool {
    ENDINGS.iter().any(|known| ext.eq_ignore_ascii_case(known))
}

/// Returns whether a name is hidden. Hidden files and folders below the jobs folder are not read.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Returns the hidden files of a folder that would be manifests, sorted.
pub(super) fn hidden_manifests(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut hidden: Vec<_> =
        files.filter(|path| is_manifest(path) && path.file_name().is_some_and(is_hidden)).collect();
    hidden.sort();
    hidden
}

/// Returns a warning for a file that contains jobs and is not read because of its name.
pub(super) fn not_read(path: &Path) -> Option<Diagnostic> {
    let name = path.file_name()?.to_str()?;
    if is_hidden(name.as_ref()) && !is_manifest(path) {
        return None;
    }
    let (reason, better) = if is_hidden(name.as_ref()) {
        ("it is hidden", name.trim_start_matches('.').to_owned())
    } else {
        ("its name does not end in `.yaml` or `.yml`", manifest_name(name)?)
    };
    if !has_jobs(path, path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("json"))) {
        return None;
    }
    let message = format!("`{}` contains jobs and is not read: {reason}", path.display());
    let help = if path.with_file_name(&better).exists() {
        "move it out of the jobs folder".to_owned()
    } else {
        format!("rename it to `{better}`, or move it out of the jobs folder")
    };
    Some(Diagnostic::of(Code::NotRead, message).file(path.display().to_string()).help(help))
}

/// Returns the name that a file should have, if it looks like a manifest but its name is not that
/// of one.
fn manifest_name(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    // Editors, people and programs add all sorts of suffixes to the name of a manifest.
    for ending in ENDINGS {
        let ending = format!(".{ending}");
        let ends = |at: &usize| !lower[at + ending.len()..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if let Some((at, _)) = lower.match_indices(&ending).find(|(at, _)| *at > 0 && ends(at)) {
            return Some(name[..at + ending.len()].to_owned());
        }
    }
    let path = Path::new(&lower);
    let ext = path.extension()?.to_str()?;
    let looks_like_one = ["json", "txt"].contains(&ext) || nearest(ext, ENDINGS.iter().copied()).is_some();
    looks_like_one.then(|| format!("{}.yaml", &name[..name.len() - ext.len() - 1]))
}

/// Returns whether the text of a file defines jobs.
fn has_jobs(path: &Path, is_json: bool) -> bool {
    let small = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= limits::MANIFEST);
    let Some(text) = small.then(|| std::fs::read_to_string(path).ok()).flatten() else {
        return false;
    };
    if is_json {
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        return json["jobs"].is_array() || json["function"].is_string();
    }
    text.lines().any(|line| line.starts_with("jobs:") || line.starts_with("function:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_a_manifest_may_be_in_capitals() {
        for name in ["a.yaml", "a.YAML", "a.Yml", "a.b.YML"] {
            assert!(is_manifest(Path::new(name)), "{name}");
        }
        for name in ["yaml", ".yaml", "a.yaml.txt", "a.json", "a.wasm"] {
            assert!(!is_manifest(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_manifest_says_which() {
        let cases = [
            ("y.yaml.example", "y.yaml"),
            ("q.yml.disabled", "q.yml"),
            ("q.yaml.j2", "q.yaml"),
            ("a.YAML~", "a.YAML"),
            ("q (copy).yaml.1", "q (copy).yaml"),
            ("a.yaml copy", "a.yaml"),
            ("jobs.txt", "jobs.yaml"),
            ("a.json", "a.yaml"),
            ("a.ymal", "a.yaml"),
            ("a.yml_old", "a.yml"),
            ("a.yamlx", "a.yaml"),
        ];
        for (name, better) in cases {
            assert_eq!(manifest_name(name).as_deref(), Some(better), "{name}");
        }
        for name in ["a.wasm", "yaml", "README.md", "notes"] {
            assert_eq!(manifest_name(name), None, "{name}");
        }
    }
}
