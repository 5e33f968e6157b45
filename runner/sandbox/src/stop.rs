//! Ends a call from within the host, where no guest function is running that could return an error.

use std::sync::OnceLock;

use tokio::sync::Notify;

use crate::signal::Signal;

/// Ends a call with a reason. The first reason counts.
#[derive(Default)]
pub(crate) struct Stop {
    signal: OnceLock<Signal>,
    told: Notify,
}

impl Stop {
    /// Ends the call.
    pub(crate) fn now(&self, signal: Signal) {
        if self.signal.set(signal).is_ok() {
            // The task that waits may start to wait later.
            self.told.notify_one();
        }
    }

    /// Returns why the call has to end, if it does.
    pub(crate) fn signal(&self) -> Option<&Signal> {
        self.signal.get()
    }

    /// Waits until the call has to end.
    pub(crate) async fn wait(&self) -> Signal {
        loop {
            if let Some(signal) = self.signal() {
                return signal.clone();
            }
            self.told.notified().await;
        }
    }
}
