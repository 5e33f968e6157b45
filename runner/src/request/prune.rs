//! Deletes what is older than `retention:` allows, by hand or when a service finds that it is time.

use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_sandbox::PruneCache;
use jobcontrol_sandbox::Pruned as PrunedCache;

use crate::catalog::today::pinned_plugins;
use crate::catalog::workspace::Workspace;
use crate::record::pruner;
use crate::record::pruner::Delete;
use crate::record::pruner::Pruned;
use crate::request::delete::CleanUp;
use crate::request::delete::Deleted;
use crate::request::delete::clean_up_and_delete;

/// What was deleted, or would be.
#[derive(Debug)]
pub struct Swept {
    /// Deletions in the store.
    pub pruned: Pruned,
    /// Deletions in the cache of compiled plugins, or why nothing was deleted there.
    pub compiled: std::result::Result<PrunedCache, String>,
    /// Why all plugins are kept, if they are: a manifest that may pin one cannot be read.
    pub plugins_stay: Option<String>,
}

/// Deletes what the workspace's `retention` does not keep, with the compiled code of deleted
/// plugins. Without `clean_up`, it only reports what would be deleted. Blocks, and writes in small
/// steps.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written to.
pub fn prune(workspace: &Workspace, storage: &dyn Storage, clean_up: Option<&CleanUp<'_>>) -> Result<Swept> {
    let mut delete = clean_up.map(|clean_up| {
        move |id: u64| {
            Ok(match clean_up_and_delete(storage, id, false, clean_up)? {
                Deleted::Gone | Deleted::Forced(_) => None,
                Deleted::Stays(reason) => Some(format!("build {id} was not deleted: its cleanup_function {reason}")),
            })
        }
    });
    let delete = delete.as_mut().map(|delete| delete as &mut Delete<'_>);
    let pinned = pinned_plugins(workspace);
    let pruned = pruner::prune(storage, &workspace.retention, pinned.as_ref().ok(), delete)?;
    let compiled = uncache(workspace, &pruned.plugins, clean_up.is_none());
    Ok(Swept { pruned, compiled, plugins_stay: pinned.err() })
}

/// Removes the compiled code of plugins from the cache. If another store of the person has the same
/// plugins, they are compiled again.
fn uncache(workspace: &Workspace, plugins: &[String], dry_run: bool) -> std::result::Result<PrunedCache, String> {
    if plugins.is_empty() {
        return Ok(PrunedCache::default());
    }
    let gone = |digest: &str| plugins.iter().any(|plugin| plugin == digest);
    workspace.reader.prune(&PruneCache { unused: None, gone: &gone, dry_run }).map_err(|error| error.to_string())
}
