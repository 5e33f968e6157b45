//! Where jobs and plugins are, and what jobs may be given.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::manifest::Context;
use jobcontrol_core::manifest::Notify;
use jobcontrol_core::retention::PruneTime;
use jobcontrol_core::retention::Retention;
use jobcontrol_sandbox::FilePolicy;
use jobcontrol_sandbox::Plugins;

/// The operator's file, which may not be in the jobs folder.
pub const SETTINGS_FILE: &str = "jobcontrol.yaml";

/// Where jobs and plugins are, and what jobs may be given.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The jobs folder as the person named it.
    pub jobs: PathBuf,
    /// Folders where plugins are looked up after the folder of the manifest.
    pub plugins: Vec<PathBuf>,
    /// What manifests are read with.
    pub context: Context,
    /// Which folders may be granted.
    pub files: FilePolicy,
    /// Whether a service builds jobs that name no trigger whenever what decides their result
    /// changes.
    pub on_change: bool,
    /// Who is notified of scheduled runs that failed.
    pub notify: Vec<Notify>,
    /// How long the store keeps builds and other records.
    pub retention: Retention,
    /// When a service prunes the store by itself.
    pub prune_at: PruneTime,
    /// The reader of plugins.
    pub reader: Plugins,
    /// Plugins that the store keeps.
    pub stored_plugins: StoredPlugins,
}

impl Workspace {
    /// Returns whether both find and allow the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.has_rules_of(other) && self.files == other.files
    }

    /// Returns whether the operator's rules are the same, wherever the paths in them lead now.
    pub(super) fn has_rules_of(&self, other: &Self) -> bool {
        let said =
            |workspace: &Self| (workspace.jobs.clone(), workspace.plugins.clone(), workspace.files.ceiling.clone());
        said(self) == said(other)
            && self.context == other.context
            && self.on_change == other.on_change
            && self.notify == other.notify
            && (&self.retention, &self.prune_at) == (&other.retention, &other.prune_at)
    }
}

/// Returns the bytes of the plugin with a digest, or why they cannot be read.
type Bytes = dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync;

/// Plugins by digest that are kept outside the folder.
#[derive(Clone)]
pub struct StoredPlugins(Arc<Bytes>);

impl StoredPlugins {
    /// Creates a lookup that calls `bytes` with the digest.
    pub fn new(bytes: impl Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }

    /// Returns the bytes of the plugin with this digest, if they are kept.
    pub(super) fn bytes(&self, digest: &str) -> Result<Option<Vec<u8>>, String> {
        (self.0)(digest)
    }
}

impl Default for StoredPlugins {
    fn default() -> Self {
        Self::new(|_| Ok(None))
    }
}

impl fmt::Debug for StoredPlugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPlugins")
    }
}
