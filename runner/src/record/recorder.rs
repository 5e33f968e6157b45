//! Hands what a build does to the store, without delaying other builds.

use std::future::Future;
use std::sync::Arc;

use jobcontrol_core::storage::Completion;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use tokio::sync::Mutex;
use tokio::sync::oneshot;

/// Writes to a store from tasks.
#[derive(Clone)]
pub struct Recorder {
    storage: Arc<dyn Storage>,
}

impl Recorder {
    /// Creates a recorder that writes to `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Returns the store.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Submits a change, and returns the result after its commit. The change is in the queue before
    /// the result is awaited.
    pub fn write(&self, write: Write) -> impl Future<Output = Result<u64>> + Send + use<> {
        let (sender, receiver) = oneshot::channel();
        let done: Completion = Box::new(move |answer| drop(sender.send(answer)));
        let full = self.storage.try_submit(write, done).err();
        let storage = Arc::clone(&self.storage);
        async move {
            if let Some((write, done)) = full {
                wait_for_room(storage, write, done).await;
            }
            receiver.await.unwrap_or_else(|_| Err(StorageError::Backend("the store was closed".to_owned())))
        }
    }

    /// Submits a change without waiting for its commit, or returns it if there is no room.
    ///
    /// # Errors
    ///
    /// Returns the change if too many changes wait.
    pub fn try_write(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)> {
        self.storage.try_submit(write, done)
    }

    /// Submits a change as soon as there is room, without waiting for its commit. Changes of one
    /// `turn` are submitted one after the other, even if a sender does not wait for this to finish.
    pub async fn send(&self, turn: &Arc<Mutex<()>>, write: Write, done: Completion) {
        let held = Arc::clone(turn).lock_owned().await;
        if let Err((write, done)) = self.storage.try_submit(write, done) {
            let storage = Arc::clone(&self.storage);
            let submit = move || {
                storage.submit(write, done);
                drop(held);
            };
            let _ = tokio::task::spawn_blocking(submit).await;
        }
    }
}

/// Waits on another thread, so that no other build waits. A full queue is rare.
async fn wait_for_room(storage: Arc<dyn Storage>, write: Write, done: Completion) {
    let _ = tokio::task::spawn_blocking(move || storage.submit(write, done)).await;
}
