//! The jobs of a service, kept in step with the files.

use std::sync::Arc;

use crossbeam_channel::Sender;
use jobcontrol_core::reload::Reload as Changes;
use tokio::sync::watch;

use crate::catalog::watch::Reload;
use crate::catalog::watch::Watcher;
use crate::catalog::workspace::Workspace;
use crate::service::wake::Wake;

/// The jobs that are in force, with what they were read by.
#[derive(Clone)]
pub struct Snapshot {
    /// The jobs, and what is wrong with the files as they are now.
    pub reload: Reload,
    /// Where they are, and what they may be given.
    pub workspace: Workspace,
    /// What differs from the ones before.
    pub changes: Changes,
}

impl Snapshot {
    pub(super) fn of(watcher: &Watcher, before: Option<&Self>) -> Self {
        let reload = watcher.current().clone();
        let nothing = jobcontrol_core::check::Graph::default();
        let was = before.map_or(&nothing, |before| &before.reload.catalog.graph);
        let changes = Changes::between(was, &reload.catalog.graph);
        let changes = changes.of_files(&reload.changed, &reload.last_good).with_problems(&reload.problems);
        let changes = Changes { first: before.is_none(), ..changes };
        Self { reload, workspace: watcher.workspace().clone(), changes }
    }
}

/// Follows the files until the watcher is stopped.
pub(super) struct Files {
    pub(super) watcher: Watcher,
    pub(super) publish: watch::Sender<Arc<Snapshot>>,
    pub(super) wake: Sender<Wake>,
}

impl Files {
    pub(super) fn keep_up(mut self) {
        while self.watcher.changed().is_some() {
            let before = Arc::clone(&self.publish.borrow());
            self.publish.send_replace(Arc::new(Snapshot::of(&self.watcher, Some(&before))));
            if self.wake.send(Wake::Files).is_err() {
                return;
            }
        }
    }
}
