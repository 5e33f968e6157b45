//! Interrupted builds with attempts left, taken over by a run that would make the same build.

use std::sync::Mutex;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::value::pack;

use crate::execute::interrupted::Interrupted;
use crate::lock::lock;
use crate::record::recorder::Recorder;

/// The properties that decide whether an interrupted build is the same as a wanted one.
pub(super) struct Wanted<'a> {
    pub(super) job_id: &'a str,
    pub(super) plugin: &'a str,
    /// The packed build config.
    pub(super) config: &'a [u8],
    pub(super) pins: &'a [Pin],
    pub(super) rerun_of: Option<u64>,
}

impl Wanted<'_> {
    fn is(&self, build: &Build) -> bool {
        // A rerun may only continue the build that it reruns, or another rerun of that build.
        let again = |of: u64| of == build.id || build.rerun_of == Some(of);
        build.job_id == self.job_id
            && build.plugin.as_deref() == Some(self.plugin)
            && build.pins == self.pins
            // Compared as stored, because a NaN would not be equal to itself.
            && pack(&build.config).is_ok_and(|config| config == self.config)
            && self.rerun_of.is_none_or(again)
    }
}

/// The interrupted builds that a run may take over.
#[derive(Default)]
pub(super) struct Takeover {
    left: Mutex<Vec<Interrupted>>,
}

impl Takeover {
    /// Sets what was found when the newest run began. Earlier findings have been handled by now.
    pub(super) fn expect(&self, interrupted: Vec<Interrupted>) {
        *lock(&self.left) = interrupted;
    }

    /// Adds a build that was found while a run waited for it.
    pub(super) fn add(&self, interrupted: Interrupted) {
        lock(&self.left).push(interrupted);
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.left).is_empty()
    }

    /// Takes over an interrupted build that is the same as the wanted one, for a run. Returns it
    /// with the time when its next attempt is due.
    pub(super) async fn take(
        &self,
        recorder: &Recorder,
        owner: &std::sync::Arc<str>,
        wanted: &Wanted<'_>,
        run: &RunOf,
    ) -> Result<Option<(Interrupted, Timestamp)>> {
        loop {
            let found = {
                let mut left = lock(&self.left);
                let at = left.iter().position(|one| wanted.is(&one.build));
                at.map(|at| left.remove(at))
            };
            let Some(one) = found else {
                return Ok(None);
            };
            if let Some(due) = one.take(recorder, owner, run).await? {
                return Ok(Some((one, due)));
            }
        }
    }
}
