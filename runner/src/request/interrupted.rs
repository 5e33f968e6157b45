//! Unfinished builds whose processes are gone.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::build::Build;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::show::moment::Moment;

/// Returns the time, and which of the builds have not finished although their process died. Called
/// before a build is shown.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub(crate) fn look_at<'a>(storage: &dyn Storage, builds: impl IntoIterator<Item = &'a Build>) -> Result<Moment> {
    let mut alive: BTreeMap<&str, bool> = BTreeMap::new();
    let mut interrupted = BTreeSet::new();
    for build in builds.into_iter().filter(|build| !build.finished) {
        let Some(owner) = build.owner.as_deref() else { continue };
        let is_alive = match alive.get(owner) {
            Some(is_alive) => *is_alive,
            None => *alive.entry(owner).or_insert(storage.is_alive(owner)?),
        };
        if !is_alive {
            interrupted.insert(build.id);
        }
    }
    Ok(Moment { now: storage.clock().now(), interrupted, ..Moment::default() })
}
