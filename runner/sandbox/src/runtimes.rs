//! The interpreters of scripts. JavaScript's comes with the program; others are installed once,
//! into a folder of their own, where each has its digest for a name: builds name the one that they
//! were made with.

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

/// The folder of the interpreters that were installed.
#[derive(Clone, Debug, Default)]
pub struct Runtimes {
    folder: Option<PathBuf>,
}

/// What is compiled for a plugin: its own bytes, or those of its interpreter.
pub struct Code<'a> {
    /// What people are told that it is.
    pub shown: Cow<'a, Path>,
    /// SHA-256 of its bytes.
    pub digest: Arc<str>,
    /// Bytes of it.
    pub size: u64,
    pub(crate) kind: PluginKind,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    Held(&'a [u8]),
    /// Read when it is compiled, which is once.
    File(PathBuf),
}

impl Runtimes {
    /// Those in a folder, which need not be there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    /// The digest of the interpreter that scripts of a language get now; none where there is none.
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

    /// Whether there is an interpreter of that digest.
    pub(crate) fn knows(&self, digest: &str) -> bool {
        digest == &*javascript() || self.file(digest).is_some()
    }

    /// Puts an interpreter where scripts of its language find it; returns its digest. Those of
    /// older builds stay.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written to.
    pub fn install(&self, language: Language, bytes: &[u8]) -> io::Result<String> {
        let folder = self.folder.as_ref().ok_or_else(|| io::Error::other("there is no folder for it"))?;
        fs::create_dir_all(folder)?;
        let digest = digest(bytes);
        put(folder, &format!("{digest}.wasm"), bytes)?;
        put(folder, &pointer(language), digest.as_bytes())?;
        Ok(digest)
    }

    /// What is compiled for a plugin; none for a script whose interpreter is not there.
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
        // A digest comes out of an archive, which may say anything.
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = self.folder.as_ref().filter(|_| is_digest)?.join(format!("{digest}.wasm"));
        file.is_file().then_some(file)
    }
}

impl Code<'_> {
    /// The bytes.
    ///
    /// # Errors
    ///
    /// An installed interpreter that cannot be read, or is not what it was.
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

/// The digest of JavaScript's interpreter.
fn javascript() -> Arc<str> {
    static DIGEST: OnceLock<Arc<str>> = OnceLock::new();
    Arc::clone(DIGEST.get_or_init(|| Arc::from(digest(JAVASCRIPT))))
}

/// The file that names the interpreter of a language.
fn pointer(language: Language) -> String {
    language.name().to_ascii_lowercase()
}

/// Writes a file whole, or not at all.
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
