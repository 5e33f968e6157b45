//! Ends a call from within the host, where no function of the guest is there to return an error
//! from.

use std::sync::OnceLock;

use tokio::sync::Notify;

use crate::signal::Signal;

/// Ends a call once it is told why. The first reason counts.
#[derive(Default)]
pub(crate) struct Stop {
    signal: OnceLock<Signal>,
    told: Notify,
}

impl Stop {
    /// Ends the call.
    pub(crate) fn now(&self, signal: Signal) {
        if self.signal.set(signal).is_ok() {
            // The one who waits may come later.
            self.told.notify_one();
        }
    }

    /// Why the call has to end, if it has.
    pub(crate) fn signal(&self) -> Option<&Signal> {
        self.signal.get()
    }

    /// Waits until it has to end.
    pub(crate) async fn wait(&self) -> Signal {
        loop {
            if let Some(signal) = self.signal() {
                return signal.clone();
            }
            self.told.notified().await;
        }
    }
}
