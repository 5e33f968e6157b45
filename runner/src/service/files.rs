//! Keeps the jobs of a service in step with the files.

use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::sync::watch;

use crate::catalog::watch::Watcher;
use crate::service::snapshot::Snapshot;
use crate::service::wake::Wake;

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
            let now = Arc::new(Snapshot::of(&self.watcher, Some(&before)));
            self.publish.send_replace(Arc::clone(&now));
            if self.wake.send(Wake::Files(now)).is_err() {
                return;
            }
        }
    }
}
