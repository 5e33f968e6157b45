//! Builds to delete, each cleaned up before.

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::storage;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;

use crate::execute::canceller::is_owned;
use crate::request::refusal::Refusal;

/// Calls the `cleanup_function` of a build.
pub type CleanUp<'a> = dyn Fn(&jobcontrol_core::build::Build) -> Result<Option<Value>, String> + 'a;

/// Refuses to delete what a living process runs, or what a build that stays and has not finished is
/// pinned to. All are looked at before anything is deleted, so that a mistyped number deletes
/// nothing.
///
/// # Errors
///
/// A build that is not there or cannot be deleted now, or the store's.
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

/// What became of a build that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It is gone, though its cleanup failed so.
    Forced(String),
    /// It stays, since its cleanup failed so.
    Stays(String),
}

/// Cleans up after a build and deletes it; with `force` also where the cleanup fails.
///
/// # Errors
///
/// The store's.
pub fn clean_up_and_delete(
    storage: &dyn Storage,
    id: u64,
    force: bool,
    clean_up: &CleanUp<'_>,
) -> storage::Result<Deleted> {
    let build = storage.get_build(id)?;
    let mut deleted = Deleted::Gone;
    if build.has_cleanup() {
        // From here on nothing can be pinned to it, whose data may be gone in a moment.
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
