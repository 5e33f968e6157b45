//! Where builds are kept, and the one real name of a store's file.

use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Links that are followed to a file that is not there yet; those to one that is are followed by the system.
const LINKS: usize = 40;

/// Where builds are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`
    Sqlite(StoreFile),
    /// `memory:`, forgotten at the end of the process.
    Memory,
}

impl StoreUrl {
    /// Reads a URL; a path that is not absolute begins at `base`.
    ///
    /// # Errors
    ///
    /// Any scheme but these two.
    pub fn parse(url: &str, base: &Path) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::sqlite(base.join(path.strip_prefix("//").unwrap_or(path))))
            }
            Some(("memory", "")) => Ok(Self::Memory),
            _ => Err(format!("`{url}` is no store: write `sqlite:PATH` or `memory:`")),
        }
    }

    /// The store in that file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(StoreFile::new(path.into()))
    }
}

/// The file of a store. Links are followed once, here: SQLite keeps its log beside the file that they lead to, and so
/// must everything that processes tell each other by files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFile {
    /// As the person wrote it, for messages.
    pub shown: PathBuf,
    /// Absolute and without links, whether the file is there yet or not.
    pub path: PathBuf,
}

impl StoreFile {
    fn new(shown: PathBuf) -> Self {
        let path = real(&shown).unwrap_or_else(|_| std::path::absolute(&shown).unwrap_or_else(|_| shown.clone()));
        Self { shown, path }
    }

    /// The name of something that lies beside the file: its own name and `ending`.
    pub fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// What lies beside the file, as the person would write it.
    pub fn show(&self, beside: &Path) -> PathBuf {
        match beside.file_name() {
            Some(name) if !self.shown.is_symlink() => self.shown.with_file_name(name),
            _ => beside.to_owned(),
        }
    }
}

/// A path without links, of which the last name may be missing; a link there leads to where the file will be.
fn real(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer,
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path = match (path.read_link(), path.file_name()) {
            (Ok(target), _) => parent.join(target),
            (Err(_), Some(name)) => return Ok(parent.canonicalize()?.join(name)),
            (Err(error), None) => return Err(error),
        };
    }
    Err(io::Error::other("too many links"))
}
