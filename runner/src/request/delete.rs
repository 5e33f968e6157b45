//! Deletes builds, after each is cleaned up.

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::storage;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;

use crate::execute::canceller::is_owned;
use crate::request::refusal::Refusal;

/// Calls the `cleanup_function` of a build.
pub type CleanUp<'a> = dyn Fn(&jobcontrol_core::build::Build) -> Result<Option<Value>, String> + 'a;

/// Checks that builds can be deleted. Refuses builds that a live process runs, and builds that a
/// remaining unfinished build uses. All are checked before anything is deleted, so that a mistyped
/// number deletes nothing.
///
/// # Errors
///
/// Returns a refusal if a build does not exist or cannot be deleted now, or if the store cannot be
/// read.
pub fn deletable(storage: &dyn Storage, builds: &[u64]) -> Result<(), Refusal> {
    for id in builds {
        let build = storage.get_build(*id)?;
        if build.status() == BuildStatus::Running && is_owned(storage, &build)? {
            return Err(Refusal::usage(format!("build {id} is running")).hint("nothing was deleted"));
        }
        let users = storage.get_unfinished_users(*id)?;
        if let Some(user) = users.into_iter().find(|user| !builds.contains(user)) {
            let message = format!("build {id} is used by build {user}, which has not finished");
            return Err(Refusal::usage(message).hint("nothing was deleted"));
        }
    }
    Ok(())
}

/// The outcome of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The build is gone.
    Gone,
    /// The build is gone, although its cleanup failed for this reason.
    Forced(String),
    /// The build stays, because its cleanup failed for this reason.
    Stays(String),
}

/// Cleans up after a build and deletes it, with `force` even if the cleanup fails.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written to.
pub fn clean_up_and_delete(
    storage: &dyn Storage,
    id: u64,
    force: bool,
    clean_up: &CleanUp<'_>,
) -> storage::Result<Deleted> {
    let build = storage.get_build(id)?;
    let mut deleted = Deleted::Gone;
    if build.has_cleanup() {
        // From here on no build can be pinned to this one, because its data may soon be gone.
        storage.write(Write::PrepareDelete(id))?;
        match clean_up(&build) {
            Ok(_) => {}
            Err(reason) if force => deleted = Deleted::Forced(reason),
            Err(reason) => {
                storage.write(Write::AbandonDelete(id))?;
                return Ok(Deleted::Stays(reason));
            }
        }
    }
    storage.delete_build(id).map(|()| deleted)
}
