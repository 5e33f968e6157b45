//! Grants of folders. A folder is resolved only through links that no job can have made, compared
//! with the ceiling, and opened once. It is compared again after opening, so swapping a link in
//! between has no effect.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::limits::OperatorFile;
use rustix::fs::Access;
use rustix::fs::access;
use rustix::io::Errno;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::WasiCtxBuilder;

use super::links::Followed;
use super::links::follow;

/// A folder that is granted to a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedFolder {
    /// The folder, with all links resolved.
    pub host: PathBuf,
    /// Where the plugin sees it.
    pub guest: String,
    /// Whether the plugin may write there.
    pub write: bool,
    /// The most bytes that it may write there, or `None` for no bound.
    pub quota: Option<u64>,
}

/// Where the kernel exposes processes and devices, including this process's memory.
const KERNEL: &[&str] = &["/proc", "/sys", "/dev"];

/// The folders that no job may be granted, and the most that any job may be granted. All paths are
/// absolute, with links resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePolicy {
    /// Folders that are never granted for writing, each with a description: jobs, plugins, and the
    /// links that lead to the operator's files.
    pub no_write: Vec<(PathBuf, String)>,
    /// Folders that are never granted at all, each with a description: the store, the cache, the
    /// configuration.
    pub no_read: Vec<(PathBuf, String)>,
    /// The only folders that may be granted, each with whether it may be written; `None` means no
    /// such bound.
    pub ceiling: Option<Vec<(PathBuf, bool)>>,
    /// The targets of ceiling folders that do not count, each with the link that is the reason.
    pub refused: Vec<(PathBuf, PathBuf)>,
    /// The operator's file, which sets the ceiling.
    pub operator: OperatorFile,
}

impl FilePolicy {
    /// Resolves a folder and compares it with the policy.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder is missing, overlaps what is protected, or is above the
    /// ceiling.
    pub fn resolve(&self, host: &Path, guest: &str, write: bool) -> Result<GrantedFolder, String> {
        let shown = host.display();
        let Followed { path: resolved, links, error } = follow(host);
        if let Some(error) = error {
            return Err(format!("the folder `{shown}` cannot be granted: {error}"));
        }
        if !resolved.is_dir() {
            return Err(format!("`{shown}` is not a folder; a grant is for a whole folder"));
        }
        self.allows(&resolved, write).map_err(|why| format!("the folder `{shown}` cannot be granted{why}"))?;
        if let Some(link) = links.iter().find(|link| !self.is_operators(link)) {
            let (link, real) = (link.display(), resolved.display());
            return Err(format!(
                "the folder `{shown}` cannot be granted: `{link}` is a link, which a job may have made; \
                 name the folder itself, `{real}`"
            ));
        }
        Ok(GrantedFolder { host: resolved, guest: guest.to_owned(), write, quota: None })
    }

    /// Sets the most that may be granted. A folder does not count if the path to it has a link that
    /// a job may have made. The error of a grant that would need it says so.
    #[must_use]
    pub fn with_ceiling(mut self, folders: impl IntoIterator<Item = (PathBuf, bool)>) -> Self {
        let mut ceiling = Vec::new();
        for (folder, write) in folders {
            let Followed { path, links, .. } = follow(&folder);
            match links.into_iter().find(|link| !self.is_operators(link)) {
                Some(link) => self.refused.push((path, link)),
                None => ceiling.push((path, write)),
            }
        }
        self.ceiling = Some(ceiling);
        self
    }

    /// Returns whether a link is in a place where no job can create or move a link. Such a place is
    /// in a folder that is never granted for writing, or this process may not change any of its
    /// parent folders. It does not matter which jobs may write today, because a link outlives its
    /// job.
    fn is_operators(&self, link: &Path) -> bool {
        let unchangeable = |folder: &Path| access(folder, Access::WRITE_OK) == Err(Errno::ACCESS);
        self.no_write.iter().chain(&self.no_read).any(|(kept, _)| link.starts_with(kept))
            || link.ancestors().skip(1).all(unchangeable)
    }

    fn allows(&self, folder: &Path, write: bool) -> Result<(), String> {
        let overlaps = |other: &Path| folder.starts_with(other) || other.starts_with(folder);
        if let Some((_, what)) = self.no_read.iter().find(|(kept, _)| overlaps(kept)) {
            return Err(format!(": it overlaps {what}"));
        }
        if KERNEL.iter().any(|kept| folder.starts_with(kept)) {
            return Err(": it shows processes and devices, not files".to_owned());
        }
        if write && let Some((_, what)) = self.no_write.iter().find(|(kept, _)| overlaps(kept)) {
            return Err(format!(" for writing: it overlaps {what}"));
        }
        let Some(ceiling) = &self.ceiling else {
            return Ok(());
        };
        if ceiling.iter().any(|(top, writable)| folder.starts_with(top) && (*writable || !write)) {
            return Ok(());
        }
        let mode = if write { "writing" } else { "reading" };
        let why = match self.refused.iter().find(|(top, _)| folder.starts_with(top)) {
            Some((top, link)) => format!(
                ", where `{}` does not count: it is a link, which a job may have made; name the folder itself, `{}`",
                link.display(),
                top.display()
            ),
            None => String::new(),
        };
        Err(format!(" for {mode}: it is above the ceiling that {} sets{why}", self.operator))
    }
}

pub(super) fn open(builder: &mut WasiCtxBuilder, folders: &[GrantedFolder]) -> Result<(), String> {
    for folder in folders {
        let shown = folder.host.display();
        let failed = |e: &dyn std::fmt::Display| format!("the granted folder `{shown}` cannot be opened: {e}");
        let opened = File::open(&folder.host).map_err(|e| failed(&e))?;
        let handle = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        // Without /proc, the path itself has to do.
        let through = if handle.exists() {
            let real = std::fs::read_link(&handle).map_err(|e| failed(&e))?;
            if real != folder.host {
                return Err(failed(&"it was replaced with a link to elsewhere"));
            }
            handle
        } else {
            folder.host.clone()
        };
        let perms = if folder.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(&through, &folder.guest, perms).map_err(|e| failed(&e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_is_refused_through_links_too() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["jobs", "data", "cache/inner"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("cache"), root.join("data/link")).unwrap();
        let policy = FilePolicy {
            no_write: vec![(root.join("jobs"), "the folders of jobs and plugins".to_owned())],
            no_read: vec![(root.join("cache"), "the cache".to_owned())],
            ..FilePolicy::default()
        };
        let try_it = |path: &str, write| policy.resolve(&root.join(path), "/x", write);
        assert!(try_it("jobs", false).is_ok());
        assert!(try_it("data", true).is_ok());
        assert!(try_it("jobs", true).unwrap_err().contains("folders of jobs and plugins"));
        for path in ["cache", "cache/inner", "data/link", "data/link/inner", "."] {
            assert!(try_it(path, false).unwrap_err().contains("overlaps the cache"), "{path}");
        }
        let kernel = policy.resolve(Path::new("/proc/self"), "/x", false).unwrap_err();
        assert!(kernel.contains("processes and devices"), "{kernel}");
        assert!(try_it("nowhere", false).unwrap_err().contains("No such file"));
    }

    #[test]
    fn a_link_is_followed_only_where_no_job_can_have_made_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["jobs", "work", "secret/inner"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        for link in ["jobs/link", "work/link"] {
            std::os::unix::fs::symlink("../secret", root.join(link)).unwrap();
        }
        std::os::unix::fs::symlink("../work/link", root.join("jobs/chain")).unwrap();
        let policy = FilePolicy { no_write: vec![(root.join("jobs"), "the jobs".to_owned())], ..FilePolicy::default() };
        let bounded = policy.clone().with_ceiling([(root.join("work"), true), (root.join("work/link"), false)]);
        for write in [false, true] {
            for path in ["work/link", "work/link/inner", "work/link/../secret", "jobs/chain"] {
                let told = policy.resolve(&root.join(path), "/x", write).unwrap_err();
                assert!(told.contains("work/link` is a link"), "{path}: {told}");
            }
            let granted = policy.resolve(&root.join("jobs/link/inner"), "/x", write).unwrap();
            assert_eq!(granted.host, root.join("secret/inner"));
            let told = bounded.resolve(&root.join("secret"), "/x", write).unwrap_err();
            assert!(told.contains("ceiling") && told.contains("work/link` does not count"), "{told}");
        }
    }

    #[test]
    fn nothing_above_the_ceiling_is_granted() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("in/deep")).unwrap();
        let policy = FilePolicy { ceiling: Some(vec![(root.join("in"), false)]), ..FilePolicy::default() };
        assert!(policy.resolve(&root.join("in/deep"), "/x", false).is_ok());
        assert!(policy.resolve(&root.join("in/deep"), "/x", true).is_err());
        assert!(policy.resolve(&root, "/x", false).is_err());
    }
}
