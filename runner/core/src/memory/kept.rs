//! What services keep in the store in memory.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::storage::NewReload;
use crate::storage::ReloadRow;
use crate::storage::ScheduleState;
use crate::storage::Tried;

#[derive(Default)]
pub(super) struct Kept {
    pub(super) next_reload: u64,
    pub(super) reloads: Vec<ReloadRow>,
    /// Each with the run that stands for what it has missed, as long as nothing was run since.
    pub(super) schedules: BTreeMap<String, (ScheduleState, Option<u64>)>,
    pub(super) tried: BTreeMap<String, String>,
    pub(super) leader: Option<String>,
    /// The runs that somebody has worked on, or held back.
    pub(super) begun: BTreeSet<u64>,
}

impl Kept {
    pub(super) fn reload(&mut self, new: NewReload) -> u64 {
        self.next_reload += 1;
        let NewReload { created, reload } = new;
        self.reloads.push(ReloadRow { id: self.next_reload, created, reload });
        self.next_reload
    }

    pub(super) fn try_all(&mut self, tried: Vec<Tried>) -> u64 {
        self.tried.extend(tried.into_iter().map(|tried| (tried.job.to_string(), tried.fingerprint)));
        0
    }
}
