//! The jobs that are in force at one time.

use jobcontrol_core::check::Graph;
use jobcontrol_core::reload::Reload as Changes;

use crate::catalog::watch::Reload;
use crate::catalog::watch::Watcher;
use crate::catalog::workspace::Workspace;

/// The jobs that are in force, with the settings by which they were read.
#[derive(Clone)]
pub struct Snapshot {
    /// The jobs, and what is wrong with the files as they are now.
    pub reload: Reload,
    /// Where the jobs are, and what they may be given.
    pub workspace: Workspace,
    /// What differs from the previous jobs.
    pub changes: Changes,
}

impl Snapshot {
    pub(super) fn of(watcher: &Watcher, before: Option<&Self>) -> Self {
        let reload = watcher.current().clone();
        let nothing = Graph::default();
        let was = before.map_or(&nothing, |before| &before.reload.catalog.graph);
        let changes = Changes::between(was, &reload.catalog.graph);
        let changes = changes.of_files(&reload.changed, &reload.last_good).with_problems(&reload.problems);
        let changes = Changes { first: before.is_none(), ..changes };
        Self { reload, workspace: watcher.workspace().clone(), changes }
    }
}
