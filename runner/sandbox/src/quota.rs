//! How much a build has written to each granted folder, compared with the grant's quota.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use jobcontrol_core::limits::show_bytes;

use crate::grant::GrantedFolder;
use crate::signal::Signal;

/// How much a build has written to each folder that has a quota.
#[derive(Clone, Default)]
pub(crate) struct Quotas(Arc<[Quota]>);

struct Quota {
    host: PathBuf,
    guest: String,
    most: u64,
    used: AtomicU64,
}

impl Quotas {
    pub(crate) fn new(folders: &[GrantedFolder]) -> Self {
        let quota = |folder: &GrantedFolder| {
            let most = folder.quota?;
            Some(Quota { host: folder.host.clone(), guest: folder.guest.clone(), most, used: AtomicU64::new(0) })
        };
        Self(folders.iter().filter_map(quota).collect())
    }

    /// Returns whether nothing is counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the quotas that apply to writes to a file: those of every folder that contains it,
    /// even if the file was renamed.
    pub(crate) fn of(&self, file: &File) -> Counted {
        if self.is_empty() {
            return Counted::default();
        }
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
        Counted { quotas: self.clone(), at: self.containing(&path) }
    }

    /// Returns the indices of the folders that contain a path. A path outside of all folders counts
    /// against every quota.
    fn containing(&self, path: &Path) -> Vec<usize> {
        let at: Vec<_> = (0..self.0.len()).filter(|at| path.starts_with(&self.0[*at].host)).collect();
        if at.is_empty() && !path.starts_with("/") { (0..self.0.len()).collect() } else { at }
    }
}

/// The quotas of one file.
#[derive(Default)]
pub(crate) struct Counted {
    quotas: Quotas,
    at: Vec<usize>,
}

impl Counted {
    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    ///
    /// Returns an error if fewer bytes are left. Nothing is written then, and the build ends.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), Signal> {
        for quota in self.at.iter().map(|at| &self.quotas.0[*at]) {
            let used = quota.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
            if used > quota.most {
                let (guest, most) = (&quota.guest, show_bytes(quota.most));
                return Err(Signal::Limit(format!(
                    "what the build writes to `{guest}` is above {most}; raise it with `quota` of its grant"
                )));
            }
        }
        Ok(())
    }
}
