//! Reports refused requests in the build's log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jobcontrol_core::event::Level;
use jobcontrol_core::failure::cut_bytes;

use crate::guest::Guest;

/// How many different reports are logged. A plugin's requests may be refused without end.
const MOST: usize = 10;

/// The most bytes of one report: a path may have thousands.
const SHOWN: usize = 2_000;

/// The reports so far.
pub(super) struct Said {
    guest: Arc<Guest>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: BTreeSet<String>,
    last: Option<String>,
}

impl Said {
    pub(super) fn new(guest: Arc<Guest>) -> Self {
        Self { guest, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last report.
    pub(super) fn last(&self) -> Option<String> {
        self.state().last.clone()
    }

    /// Logs a report, unless the same was logged before.
    pub(super) async fn say(&self, mut said: String) {
        cut_bytes(&mut said, SHOWN);
        {
            let mut state = self.state();
            state.last = Some(said.clone());
            if state.all.len() >= MOST || !state.all.insert(said.clone()) {
                return;
            }
        }
        if let Err(signal) = self.guest.log(self.guest.record(Level::Warning, "jobcontrol", said)).await {
            self.guest.stop.now(signal);
        }
    }
}
