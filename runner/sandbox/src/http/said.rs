//! What is said of requests that were refused, to the person who reads the build's log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jobcontrol_core::event::Level;
use jobcontrol_core::failure::cut_bytes;

use crate::guest::Guest;

/// Different things that are said; a plugin may be refused without end.
const MOST: usize = 10;

/// Bytes of one: a path may have thousands.
const SHOWN: usize = 2_000;

/// What was said.
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

    /// The last thing.
    pub(super) fn last(&self) -> Option<String> {
        self.state().last.clone()
    }

    /// Says something, if it was not said before.
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
