//! Call stacks whose names and lines were looked up before.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use crate::interpreter::task::RawCall;
use crate::interpreter::task::Traced;

/// Earlier results, so that a plugin that always fails in the same way costs one lookup.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Known>);

/// Results by the digest of a plugin and its calls, innermost first.
type Known = HashMap<(String, Vec<RawCall>), Arc<OnceLock<Result<Traced, String>>>>;

/// How many call stacks are remembered. A hostile one has a quarter of a mebibyte of names.
const REMEMBERED: usize = 100;

impl Memory {
    /// Returns the known result for a plugin's calls, or looks it up with `look`. All callers that
    /// ask at the same time share one lookup.
    pub(crate) fn traced(
        &self,
        digest: &str,
        calls: &[RawCall],
        look: impl FnOnce() -> Result<Traced, String>,
    ) -> Result<Traced, String> {
        let cell = {
            let mut known = self.known();
            if known.len() >= REMEMBERED {
                known.clear();
            }
            Arc::clone(known.entry((digest.to_owned(), calls.to_vec())).or_default())
        };
        cell.get_or_init(look).clone()
    }

    /// Returns an earlier result.
    pub(crate) fn remembered(&self, digest: &str, calls: &[RawCall]) -> Option<Result<Traced, String>> {
        let cell = Arc::clone(self.known().get(&(digest.to_owned(), calls.to_vec()))?);
        cell.get().cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
