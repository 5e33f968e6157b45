//! Where builds are kept, and the one real name of a store's file.

use std::io;
use std::path::Path;
use std::path::PathBuf;

/// How many links are followed to a file that does not exist yet. If the file exists, the system
/// follows the links.
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
    /// Reads a URL. A relative path begins at `base`.
    ///
    /// # Errors
    ///
    /// Returns an error for any other scheme, and for file names with parts that only SQLite would
    /// interpret.
    pub fn parse(url: &str, base: &Path) -> Result<Self, String> {
        if let Some(right) = meant(url) {
            return Err(format!("`{url}` is not a store URL: write `{right}`"));
        }
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::sqlite(base.join(path.strip_prefix("//").unwrap_or(path))))
            }
            Some(("memory", "")) => Ok(Self::Memory),
            _ => Err(format!("`{url}` is not a store URL: write `sqlite:PATH` or `memory:`")),
        }
    }

    /// Returns the store in that file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(StoreFile::new(path.into()))
    }
}

/// Returns what was meant by a URL that is written for SQLite or another program. Returns `None` if
/// the URL is one of ours, or has no known meaning.
fn meant(url: &str) -> Option<String> {
    const OF_SQLITE: [&str; 6] = ["mode=", "cache=", "immutable=", "vfs=", "nolock=", "psow="];
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme @ ("sqlite" | "sqlite3" | "file"), rest)) => (scheme, rest),
        _ => ("", url),
    };
    let inner = rest.strip_prefix("file:").unwrap_or(rest);
    let (path, parameters) = inner.split_once('?').unwrap_or((inner, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    let in_memory = [":memory:", "memory:", ":memory", "memory"].contains(&path) && url != "memory:";
    if in_memory && url != "sqlite:memory" || parameters.contains("mode=memory") {
        return Some("memory:".to_owned());
    }
    let has_parameters = parameters.split('&').any(|one| OF_SQLITE.iter().any(|known| one.starts_with(known)));
    let is_name = scheme.is_empty() && !url.contains(':');
    let wrong = has_parameters || inner != rest || is_name || matches!(scheme, "sqlite3" | "file");
    (wrong && !path.is_empty()).then(|| format!("sqlite:{path}"))
}

/// The file of a store. Links are followed once, here: SQLite keeps its log beside the file that
/// they lead to. All files by which processes communicate must be there too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFile {
    /// The path as the user wrote it, for messages.
    pub shown: PathBuf,
    /// The path, absolute and without links, whether the file exists yet or not.
    pub path: PathBuf,
}

impl StoreFile {
    fn new(shown: PathBuf) -> Self {
        let path = real(&shown).unwrap_or_else(|_| std::path::absolute(&shown).unwrap_or_else(|_| shown.clone()));
        Self { shown, path }
    }

    /// Returns the path of something beside the file: the file's own name, and `ending`.
    pub fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// Returns the path of something beside the file, as the user would write it.
    pub fn show(&self, beside: &Path) -> PathBuf {
        match beside.file_name() {
            Some(name) if !self.shown.is_symlink() => self.shown.with_file_name(name),
            _ => beside.to_owned(),
        }
    }
}

/// Returns a path without links. Its last name may be missing; a link there leads to where the file
/// will be.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_would_take_is_refused_with_what_is_meant() {
        for (url, right) in [
            ("sqlite::memory:", "memory:"),
            ("sqlite://:memory:", "memory:"),
            ("sqlite:memory:", "memory:"),
            (":memory:", "memory:"),
            ("memory", "memory:"),
            ("sqlite:file::memory:?cache=shared", "memory:"),
            ("sqlite:file:x.db?mode=memory", "memory:"),
            ("sqlite:file:x.db?mode=ro", "sqlite:x.db"),
            ("sqlite:file:/tmp/x.db", "sqlite:/tmp/x.db"),
            ("sqlite:file:///tmp/x.db?mode=rwc&cache=private", "sqlite:/tmp/x.db"),
            ("sqlite:x.db?mode=ro", "sqlite:x.db"),
            ("sqlite:///tmp/x.db?immutable=1", "sqlite:/tmp/x.db"),
            ("file:x.db", "sqlite:x.db"),
            ("sqlite3:x.db", "sqlite:x.db"),
            ("jobcontrol.db", "sqlite:jobcontrol.db"),
        ] {
            let answer = StoreUrl::parse(url, Path::new("")).unwrap_err();
            assert_eq!(answer, format!("`{url}` is not a store URL: write `{right}`"));
        }
        let answer = StoreUrl::parse("postgres://x", Path::new("")).unwrap_err();
        assert_eq!(answer, "`postgres://x` is not a store URL: write `sqlite:PATH` or `memory:`");
    }

    #[test]
    fn a_path_is_a_path() {
        for (url, path) in [
            ("sqlite:x.db", "/base/x.db"),
            ("sqlite:/tmp/x.db", "/tmp/x.db"),
            ("sqlite:///tmp/x.db", "/tmp/x.db"),
            ("sqlite:what?.db", "/base/what?.db"),
            ("sqlite:a:b.db", "/base/a:b.db"),
        ] {
            let read = StoreUrl::parse(url, Path::new("/base"));
            let StoreUrl::Sqlite(file) = read.unwrap() else { panic!("{url}") };
            assert_eq!(file.shown, Path::new(path), "{url}");
        }
        assert_eq!(StoreUrl::parse("memory:", Path::new("")), Ok(StoreUrl::Memory));
    }
}
