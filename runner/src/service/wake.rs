//! The reasons why a service wakes up.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::storage::Result;

use crate::execute::job_end::JobEnd;
use crate::service::snapshot::Snapshot;

/// What became of the jobs of a run.
pub(super) type Ends = Result<BTreeMap<String, JobEnd>>;

/// A reason why a service wakes up.
pub(super) enum Wake {
    /// There is a new catalog.
    Files(Arc<Snapshot>),
    /// A job of a run of this process has ended.
    Ended,
    /// A run of this process is over.
    RunEnded {
        /// Its id, if the store has it.
        run: Option<u64>,
        /// Whether a schedule has started it.
        is_scheduled: bool,
        /// What became of its jobs.
        ends: Box<Ends>,
    },
    /// There may be runs that wait.
    Look,
    /// It is time to stop.
    Stop,
}
