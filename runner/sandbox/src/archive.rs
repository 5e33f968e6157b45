//! Packs a script into a plugin's bytes: the script, each neighbouring file that it imports, and
//! the digest of the interpreter that runs it. Equal files give equal bytes, so the digest covers
//! everything that decides what a call does.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::limits::MIB;
use jobcontrol_core::limits::show_bytes;
use serde::Deserialize;
use serde::Serialize;

/// The first bytes of every archive. No other kind of plugin begins with them.
const MAGIC: &[u8] = b"jobcontrol script 1\n";

/// How many imports of one file are followed, and how many bytes around each `import` are read.
const NAMED: usize = 2_000;
const BEFORE: usize = 300;
const AFTER: usize = 4_000;

/// The most files that a script may have, with all its imports, and the most bytes of these files.
const FILES: usize = 200;
const BYTES: u64 = 4 * MIB;

/// The languages of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JavaScript, and TypeScript without its types.
    JavaScript,
    /// Python.
    Python,
}

/// The file extensions of scripts.
const ENDINGS: [(&str, Language); 4] = [
    ("js", Language::JavaScript),
    ("mjs", Language::JavaScript),
    ("ts", Language::JavaScript),
    ("py", Language::Python),
];

impl Language {
    /// Returns the language of a file, judged by its name, or `None` if the file is not a script.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        ENDINGS.iter().find(|(known, _)| ending == *known).map(|(_, language)| *language)
    }

    /// Returns the name of the language for display.
    pub fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// A script with the files that it imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// SHA-256 of the interpreter's bytes.
    pub(crate) interpreter: String,
    /// Each file and its path relative to the script's folder; the script comes first.
    pub(crate) files: Vec<(String, String)>,
}

/// Returns whether a file is a script, judged by its name.
pub fn is_script(path: &Path) -> bool {
    Language::of(path).is_some()
}

impl Archive {
    /// Reads a script and the neighbouring files that it imports. Imports are found without
    /// parsing; text that only looks like an import adds a file and does no other harm.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read, is not text, or lies outside the script's folder.
    /// Also returns one if there are too many files or too many bytes.
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
                // The parser reports a missing import better.
                let Ok(found) = inside(&file) else { continue };
                if !found.starts_with(&real) {
                    return Err(format!("imports `{name}`, which leads out of its folder"));
                }
            }
            let bytes = std::fs::read(&file).map_err(|e| format!("cannot be read: `{}`: {e}", file.display()))?;
            size += bytes.len() as u64;
            if size > BYTES || known.len() == FILES {
                let most = show_bytes(BYTES);
                return Err(format!("has more than {most} or {FILES} files, including its imports"));
            }
            let mut text = String::from_utf8(bytes).map_err(|_| format!("has a file that is not UTF-8: `{name}`"))?;
            // Some editors write a byte order mark at the start. It is not part of the program.
            if text.starts_with('\u{feff}') {
                text.remove(0);
            }
            let of = Language::of(Path::new(&name));
            let files = named(&name, &text).into_iter().filter(|to| Language::of(Path::new(to)) == of);
            waiting.extend(files.collect::<BTreeSet<_>>().into_iter().take(NAMED));
            known.insert(name, text);
        }
        let first = known.remove_entry(main);
        Ok(Self { interpreter: interpreter.to_owned(), files: first.into_iter().chain(known).collect() })
    }

    /// Returns the language of the script.
    pub(crate) fn language(&self) -> Language {
        self.files.first().and_then(|(name, _)| Language::of(Path::new(name))).unwrap_or(Language::JavaScript)
    }

    /// Encodes the archive as a plugin's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(rmp_serde::to_vec(self).unwrap_or_default());
        bytes
    }

    /// Decodes an archive from a plugin's bytes. Returns `None` for the bytes of any other plugin.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes.strip_prefix(MAGIC)?).ok()
    }
}

/// Returns the path, relative to the script's folder, of a file that another file imports. Returns
/// `None` if the path leads outside the folder.
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

/// Returns the files that a file may import, by their paths from the script's folder.
fn named(from: &str, text: &str) -> Vec<String> {
    match Language::of(Path::new(from)) {
        Some(Language::JavaScript) => imports(text).filter_map(|to| joined(from, to)).collect(),
        Some(Language::Python) => python_imports(from, text),
        None => Vec::new(),
    }
}

/// Returns the files that a Python module may import. Each imported name may be a file or a folder,
/// and so may each name imported from it.
fn python_imports(from: &str, text: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut add = |base: &[&str], name: &str| {
        let parts: Vec<&str> = base.iter().copied().chain(name.split('.').filter(|part| !part.is_empty())).collect();
        if parts.iter().all(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_')) {
            for end in base.len() + usize::from(parts.len() > base.len())..=parts.len() {
                let path = parts[..end].join("/");
                files.extend([format!("{path}.py"), format!("{path}/__init__.py")]);
            }
        }
    };
    let folder: Vec<&str> = from.split('/').collect();
    let folder = &folder[..folder.len() - 1];
    for (at, _) in text.match_indices("import") {
        let line = ending(&text[..at], BEFORE).rsplit('\n').next().unwrap_or_default().trim();
        let rest = beginning(&text[at + "import".len()..], AFTER);
        let rest = match rest.trim_start().strip_prefix('(') {
            Some(rest) => rest.split(')').next().unwrap_or_default(),
            None => rest.lines().next().unwrap_or_default(),
        };
        let names = rest.split([',', ';', '\n']).filter_map(|name| name.split_whitespace().next());
        match line.strip_prefix("from ").map(str::trim) {
            Some(module) => {
                let own = module.trim_start_matches('.');
                let up = module.len() - own.len();
                let base =
                    if up == 0 { &[][..] } else { &folder[..(folder.len() + 1).saturating_sub(up).min(folder.len())] };
                add(base, own);
                names.for_each(|name| add(base, &format!("{own}.{name}")));
            }
            None if line.is_empty() => names.for_each(|name| add(&[], name)),
            None => {}
        }
    }
    files
}

/// Returns at most the last `most` bytes of a text, cut between characters.
fn ending(text: &str, most: usize) -> &str {
    let from = (text.len().saturating_sub(most)..=text.len()).find(|at| text.is_char_boundary(*at));
    &text[from.unwrap_or(text.len())..]
}

/// Returns at most the first `most` bytes of a text, cut between characters.
fn beginning(text: &str, most: usize) -> &str {
    let to = (0..=text.len().min(most)).rev().find(|at| text.is_char_boundary(*at));
    &text[..to.unwrap_or(0)]
}

/// Returns the quoted strings that follow `from` or `import`.
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
    fn a_line_of_imports_without_end_is_looked_at_in_parts() {
        // It would take minutes to read the whole line again for each import.
        let found = python_imports("a.py", &"import a, ".repeat(100_000));
        assert!(found.contains(&"a.py".to_owned()));
        assert_eq!((ending("aéb", 2), beginning("aéb", 2)), ("b", "a"));
    }

    #[test]
    fn modules_are_files_or_folders() {
        let of = |from: &str, text: &str| python_imports(from, text);
        assert_eq!(of("a.py", "import os\nx = 1"), ["os.py", "os/__init__.py"]);
        let price = of("a.py", "from lib.price import (\n    total,\n)\n");
        for file in ["lib.py", "lib/__init__.py", "lib/price.py", "lib/price/total.py"] {
            assert!(price.contains(&file.to_owned()), "{file} in {price:?}");
        }
        assert!(of("lib/a.py", "from . import b").contains(&"lib/b.py".to_owned()));
        assert!(of("lib/a.py", "from ..c import d").contains(&"c.py".to_owned()));
        assert!(of("lib/a.py", "from .....c import d").contains(&"c.py".to_owned()), "no higher than the folder");
        assert_eq!(of("a.py", "x = 'an import of ../b'"), Vec::<String>::new());
    }

    #[test]
    fn a_path_stays_below_the_folder() {
        assert_eq!(joined("lib/b.js", "../c.js").as_deref(), Some("c.js"));
        assert_eq!(joined("a.js", "../c.js"), None);
        assert_eq!(joined("a.js", "jobcontrol"), None);
    }
}
