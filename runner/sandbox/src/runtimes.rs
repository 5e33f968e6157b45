//! The interpreters of scripts. The JavaScript interpreter is part of the program; others are
//! installed once into a folder. Each has its digest as its file name, because builds name the
//! interpreter that they were made with.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;

use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::plugin::PluginKind;
use jobcontrol_core::value::digest;
use tempfile::NamedTempFile;

use crate::archive::Language;

/// The interpreter of JavaScript, built by `runtimes/js/build.sh`.
const JAVASCRIPT: &[u8] = include_bytes!("../../runtimes/js.wasm");

/// The folder of the installed interpreters.
#[derive(Clone, Debug, Default)]
pub struct Runtimes {
    folder: Option<PathBuf>,
}

/// What is compiled for a plugin: its own bytes, or those of its interpreter.
pub struct Code<'a> {
    /// The name for messages.
    pub shown: Cow<'a, Path>,
    /// SHA-256 of its bytes.
    pub digest: Arc<str>,
    /// The number of its bytes.
    pub size: u64,
    pub(crate) kind: PluginKind,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    Held(&'a [u8]),
    /// A file that is read when it is compiled, which happens once.
    File(PathBuf),
}

impl Runtimes {
    /// Uses the interpreters in a folder. The folder need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    /// Returns the digest of the interpreter that scripts of a language use now, or `None` if there
    /// is none.
    pub fn current(&self, language: Language) -> Option<Arc<str>> {
        match language {
            Language::JavaScript => Some(javascript()),
            Language::Python => {
                let named = fs::read_to_string(self.folder.as_ref()?.join(pointer(language))).ok()?;
                let digest: Arc<str> = Arc::from(named.trim());
                self.knows(&digest).then_some(digest)
            }
        }
    }

    /// Returns whether an interpreter with this digest is available.
    pub(crate) fn knows(&self, digest: &str) -> bool {
        digest == &*javascript() || self.file(digest).is_some()
    }

    /// Installs an interpreter for scripts of a language and returns its digest. Interpreters of
    /// older builds stay.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be written to.
    pub fn install(&self, language: Language, bytes: &[u8]) -> io::Result<String> {
        let folder = self.folder.as_ref().ok_or_else(|| io::Error::other("there is no folder for it"))?;
        fs::create_dir_all(folder)?;
        let digest = digest(bytes);
        put(folder, &format!("{digest}.wasm"), bytes)?;
        put(folder, &pointer(language), digest.as_bytes())?;
        Ok(digest)
    }

    /// Returns what is compiled for a plugin, or `None` for a script whose interpreter is missing.
    pub fn code<'a>(&self, plugin: &'a Plugin) -> Option<Code<'a>> {
        let Some(script) = &plugin.script else {
            let bytes = Bytes::Held(&plugin.bytes);
            let (shown, digest) = (Cow::Borrowed(plugin.path.as_path()), Arc::clone(&plugin.digest));
            return Some(Code { shown, digest, size: plugin.bytes.len() as u64, kind: plugin.kind, bytes });
        };
        let of = |name: &str, digest, size, bytes| {
            let shown = Cow::Owned(PathBuf::from(format!("the {name} interpreter")));
            Code { shown, digest, size, kind: PluginKind::Component, bytes }
        };
        if *script.interpreter == *javascript() {
            return Some(of("JavaScript", javascript(), JAVASCRIPT.len() as u64, Bytes::Held(JAVASCRIPT)));
        }
        let file = self.file(&script.interpreter)?;
        let size = file.metadata().ok()?.len();
        let language = plugin.language.as_deref().unwrap_or("script’s");
        Some(of(language, Arc::from(&*script.interpreter), size, Bytes::File(file)))
    }

    fn file(&self, digest: &str) -> Option<PathBuf> {
        // The digest comes from an archive, which may contain anything.
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = self.folder.as_ref().filter(|_| is_digest)?.join(format!("{digest}.wasm"));
        file.is_file().then_some(file)
    }
}

impl Code<'_> {
    /// Returns the bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if an installed interpreter cannot be read or has changed.
    pub(crate) fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        match &self.bytes {
            Bytes::Held(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::File(path) => {
                let bytes = fs::read(path)?;
                if digest(&bytes) != *self.digest {
                    return Err(io::Error::other(format!("`{}` is damaged: install it again", path.display())));
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Returns the digest of the JavaScript interpreter.
fn javascript() -> Arc<str> {
    static DIGEST: OnceLock<Arc<str>> = OnceLock::new();
    Arc::clone(DIGEST.get_or_init(|| Arc::from(digest(JAVASCRIPT))))
}

/// Returns the name of the file that names the current interpreter of a language.
fn pointer(language: Language) -> String {
    language.name().to_ascii_lowercase()
}

/// Writes a file completely or not at all.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_found_by_its_digest_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::new(folder.path().join("runtimes"));
        assert_eq!(runtimes.current(Language::Python), None);
        let digest = runtimes.install(Language::Python, b"first").unwrap();
        let other = runtimes.install(Language::Python, b"second").unwrap();
        assert_eq!(runtimes.current(Language::Python).as_deref(), Some(&*other));
        assert!(runtimes.knows(&digest), "that of older builds stays");
        assert!(!runtimes.knows("../../etc/passwd") && !runtimes.knows(&"0".repeat(64)));
        assert!(Runtimes::default().knows(&javascript()) && !Runtimes::default().knows(&digest));
        let path = folder.path().join("runtimes").join(format!("{digest}.wasm"));
        let code = Code {
            shown: Cow::Borrowed(Path::new("")),
            digest: Arc::from(&*digest),
            size: 5,
            kind: PluginKind::Component,
            bytes: Bytes::File(path.clone()),
        };
        assert_eq!(&*code.bytes().unwrap(), b"first");
        std::fs::write(path, "third").unwrap();
        assert!(code.bytes().unwrap_err().to_string().contains("is damaged: install it again"));
    }
}
