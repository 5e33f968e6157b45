//! Which files are manifests by their names, and which look like manifests and are not read.

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::limits;

/// How the names of manifests end, in capitals or not.
const ENDINGS: &[&str] = &["yaml", "yml"];

/// What editors, people and file managers put behind the name of a manifest.
const BEHIND: &[&str] = &["txt", "bak", "backup", "old", "orig", "save", "copy"];

/// Whether a file is a manifest by its name.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(is_ending)
}

fn is_ending(ext: &OsStr) -> bool {
    ENDINGS.iter().any(|known| ext.eq_ignore_ascii_case(known))
}

/// Whether a name is hidden, so that nothing below the jobs folder reads it.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The hidden files of a folder that would be manifests, in order.
pub(super) fn hidden_manifests(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut hidden: Vec<_> =
        files.filter(|path| is_manifest(path) && path.file_name().is_some_and(is_hidden)).collect();
    hidden.sort();
    hidden
}

/// A warning of a file that has jobs in it and is not read, because of its name.
pub(super) fn not_read(path: &Path) -> Option<Diagnostic> {
    let name = path.file_name()?.to_str()?;
    let (stem, ext) = (path.file_stem()?.to_str()?, path.extension()?.to_str()?.to_ascii_lowercase());
    let is_json = ext == "json";
    let (reason, better) = if is_hidden(name.as_ref()) {
        if !is_manifest(path) {
            return None;
        }
        ("it is hidden", name.trim_start_matches('.').to_owned())
    } else {
        let behind = BEHIND.contains(&ext.as_str()) && is_manifest(Path::new(stem));
        let misspelt = !behind && !is_json && nearest(&ext, ENDINGS.iter().copied()).is_some();
        let better = if behind { stem.to_owned() } else { format!("{stem}.yaml") };
        if !behind && !misspelt && !is_json {
            return None;
        }
        ("its name does not end in `.yaml` or `.yml`", better)
    };
    if !has_jobs(path, is_json) {
        return None;
    }
    let message = format!("`{}` has jobs in it and is not read: {reason}", path.display());
    let help = format!("rename it to `{better}`, or move it out of the jobs folder");
    Some(Diagnostic::of(Code::NotRead, message).file(path.display().to_string()).help(help))
}

/// Whether the text of a file begins jobs.
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
}
