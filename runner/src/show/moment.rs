//! When builds were looked at, and which of them nobody ran any more.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;

/// The moment at which builds were looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// When that was.
    pub(crate) now: Timestamp,
    /// The unfinished builds whose processes were dead.
    pub(crate) interrupted: BTreeSet<u64>,
    /// What builds waited for, in words, as far as that was looked for.
    pub(crate) waits: BTreeMap<u64, String>,
}

impl Moment {
    /// Returns whether the process of a build had died before the build ended.
    pub(crate) fn is_interrupted(&self, build: &Build) -> bool {
        self.interrupted.contains(&build.id)
    }

    /// Adds what builds waited for.
    pub(crate) fn with_waits(self, waits: BTreeMap<u64, String>) -> Self {
        Self { waits, ..self }
    }
}
