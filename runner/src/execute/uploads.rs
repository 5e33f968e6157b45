//! The plugins that the broker has for workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::plugin::Plugin;

use crate::bus::carrier::BusError;
use crate::bus::carrier::ServiceEnd;
use crate::lock::lock;

/// How long a plugin that the broker has is not looked for again.
const KNOWN: Duration = Duration::from_secs(12 * 3600);

/// Between two tries to reach the broker.
const AGAIN: Duration = Duration::from_millis(500);

/// The plugins that the broker is known to have.
#[derive(Default)]
pub(super) struct Uploads {
    /// When the broker had them. It keeps them for some days.
    known: Mutex<HashMap<Arc<str>, Instant>>,
    /// One upload at a time: storing an object again interrupts those who read it.
    turn: tokio::sync::Mutex<()>,
}

impl Uploads {
    /// Returns once the broker has a plugin.
    pub(super) async fn upload(&self, bus: &dyn ServiceEnd, plugin: &Plugin) -> Result<(), Failure> {
        let is_known = || lock(&self.known).get(&plugin.digest).is_some_and(|since| since.elapsed() < KNOWN);
        if is_known() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if is_known() {
            return Ok(());
        }
        if !persist(|| bus.has(&plugin.digest)).await? {
            persist(|| bus.keep(&plugin.digest, Bytes::copy_from_slice(&plugin.bytes))).await?;
        }
        lock(&self.known).insert(Arc::clone(&plugin.digest), Instant::now());
        Ok(())
    }

    /// Looks for a plugin again at its next use, or for all of them.
    pub(super) fn look_again(&self, digest: Option<&str>) {
        let mut known = lock(&self.known);
        match digest {
            Some(digest) => drop(known.remove(digest)),
            None => known.clear(),
        }
    }
}

/// Tries again until the broker can do it. Ends with the build that waits for it.
pub(super) async fn persist<T, F: Future<Output = Result<T, BusError>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, Failure> {
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(BusError::Refused(reason)) => return Err(Failure::new(FailureKind::Storage, reason)),
            Err(BusError::Failed(reason)) => {
                tracing::warn!(reason, "the bus could not do something; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
