//! A script as a plugin's bytes: the script, each neighbouring file that it imports, and which interpreter runs it. Equal
//! files are equal bytes, so that their digest stands for all that decides what a call does.

use std::collections::BTreeMap;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::limits::MIB;
use jobcontrol_core::limits::show_bytes;
use serde::Deserialize;
use serde::Serialize;

/// What an archive begins with; no other plugin does.
const MAGIC: &[u8] = b"jobcontrol script 1\n";

/// Files of a script with all that it imports, and their bytes.
const FILES: usize = 200;
const BYTES: u64 = 4 * MIB;

/// How the files of scripts end.
const ENDINGS: [&str; 3] = ["js", "mjs", "ts"];

/// A script with what it imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// SHA-256 of the interpreter's bytes.
    pub(crate) interpreter: String,
    /// Each file by its path from the script's folder, the script first.
    pub(crate) files: Vec<(String, String)>,
}

/// Whether a file is a script by its name.
pub fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ENDINGS.iter().any(|known| ext == *known))
}

impl Archive {
    /// Reads a script and the neighbours that it imports. Which these are is seen without parsing: what looks like an
    /// import and is none only adds a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is not text, or lies outside the script's folder; too many, or too large.
    pub(crate) fn read(path: &Path, interpreter: &str) -> Result<Self, String> {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let inside = |path: &Path| path.canonicalize().map_err(|e| e.to_string());
        let real = inside(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
        let main = path.file_name().and_then(|name| name.to_str()).ok_or("has a name that is not UTF-8")?;
        let mut known = BTreeMap::new();
        let (mut waiting, mut size) = (vec![main.to_owned()], 0);
        while let Some(name) = waiting.pop() {
            if known.contains_key(&name) {
                continue;
            }
            let file = folder.join(&name);
            if name != main {
                // The parser says better what an import misses.
                let Ok(found) = inside(&file) else { continue };
                if !found.starts_with(&real) {
                    return Err(format!("imports `{name}`, which leads out of its folder"));
                }
            }
            let bytes = std::fs::read(&file).map_err(|e| format!("cannot be read: `{}`: {e}", file.display()))?;
            size += bytes.len() as u64;
            if size > BYTES || known.len() == FILES {
                let most = show_bytes(BYTES);
                return Err(format!("has more than {most} or {FILES} files, with all that it imports"));
            }
            let text = String::from_utf8(bytes).map_err(|_| format!("has a file that is not UTF-8: `{name}`"))?;
            waiting.extend(imports(&text).filter_map(|to| joined(&name, to)).filter(|to| is_script(Path::new(to))));
            known.insert(name, text);
        }
        let first = known.remove_entry(main);
        Ok(Self { interpreter: interpreter.to_owned(), files: first.into_iter().chain(known).collect() })
    }

    /// As a plugin's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(rmp_serde::to_vec(self).unwrap_or_default());
        bytes
    }

    /// Out of a plugin's bytes; none if they are of another plugin.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes.strip_prefix(MAGIC)?).ok()
    }
}

/// The path of a file that another names, from the script's folder; none for one outside.
pub(crate) fn joined(from: &str, to: &str) -> Option<String> {
    if !to.starts_with("./") && !to.starts_with("../") {
        return None;
    }
    let mut path = PathBuf::from(from);
    path.pop();
    for part in Path::new(to).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    path.to_str().map(str::to_owned)
}

/// What stands in quotes behind `from` or `import`.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let after = |word: &'static str| text.split(word).skip(1);
    after("from").chain(after("import")).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest[1..].split(quote).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_with_what_it_imports_and_with_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a.js", "import { b } from './lib/b.js';\nimport\t\"./c.js\"; import x from 'jobcontrol'; './no.js'");
        write("lib/b.js", "export { c } from '../c.js'");
        write("c.js", "import '../outside.js'");
        write("no.js", "");
        let archive = Archive::read(&folder.path().join("a.js"), "0").unwrap();
        let names: Vec<&str> = archive.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.js", "c.js", "lib/b.js"]);
        assert_eq!(Archive::decode(&archive.encode()), Some(archive));
        assert_eq!(Archive::decode(b"\0asm"), None);
        write("d.js", "import './link.js'");
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.js")).unwrap();
        let error = Archive::read(&folder.path().join("d.js"), "0").unwrap_err();
        assert!(error.contains("leads out of its folder"), "{error}");
    }

    #[test]
    fn a_path_stays_below_the_folder() {
        assert_eq!(joined("lib/b.js", "../c.js").as_deref(), Some("c.js"));
        assert_eq!(joined("a.js", "../c.js"), None);
        assert_eq!(joined("a.js", "jobcontrol"), None);
    }
}
