//! An event with its number in the stream of a service. It is written for programs once, however
//! many watch.

use std::sync::Arc;
use std::sync::OnceLock;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;

use crate::service::snapshot::Snapshot;
use crate::show::events::Shown;
use crate::show::events::of_build;
use crate::show::events::of_reload;

/// How many bytes an event takes beside its texts.
const BASE_SIZE: usize = 200;

/// An event with its number.
#[derive(Debug)]
pub(crate) struct Told {
    /// Rises by one with each event.
    pub(crate) number: u64,
    /// About how many bytes it takes.
    pub(super) size: usize,
    what: What,
    /// Written when the first watcher wants it, and not by the publisher.
    shown: OnceLock<Shown>,
}

enum What {
    Build(Arc<Event>, u32),
    Reload(Timestamp, Arc<Snapshot>),
}

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Build(event, attempt) => write!(f, "{event:?} in attempt {attempt}"),
            Self::Reload(created, _) => write!(f, "reload at {created}"),
        }
    }
}

impl Told {
    pub(super) fn of_build(number: u64, event: Arc<Event>, attempt: u32) -> Self {
        let size = BASE_SIZE + texts(&event.kind);
        Self { number, size, what: What::Build(event, attempt), shown: OnceLock::new() }
    }

    pub(super) fn of_reload(number: u64, created: Timestamp, now: Arc<Snapshot>) -> Self {
        Self { number, size: BASE_SIZE, what: What::Reload(created, now), shown: OnceLock::new() }
    }

    /// Returns the build that it is about.
    pub(super) fn build(&self) -> Option<u64> {
        match &self.what {
            What::Build(event, _) => Some(event.build_id),
            What::Reload(..) => None,
        }
    }

    /// Returns whether it is about a job.
    pub(super) fn is_of_job(&self, job: &str) -> bool {
        match &self.what {
            What::Build(event, _) => &*event.job_id == job,
            What::Reload(_, now) => {
                let changes = &now.changes;
                let altered = changes.altered.iter().map(|altered| &altered.job);
                changes.added.iter().chain(&changes.removed).chain(altered).any(|id| id == job)
            }
        }
    }

    /// Returns the job whose build has ended, and how it ended, in words.
    pub(crate) fn ended(&self) -> Option<(String, &'static str)> {
        let What::Build(event, _) = &self.what else { return None };
        let EventKind::Finished { ending, .. } = &event.kind else { return None };
        let word = match ending {
            Ending::Returned => "succeeded",
            Ending::Skipped(_) => "was skipped",
            Ending::Failed(_) => "failed",
        };
        Some((event.job_id.to_string(), word))
    }

    /// Returns the event as programs read it.
    pub(crate) fn shown(&self) -> &Shown {
        self.shown.get_or_init(|| match &self.what {
            What::Build(event, attempt) => of_build(event, *attempt),
            What::Reload(created, now) => of_reload(*created, &now.changes),
        })
    }
}

/// Returns the bytes of the texts that a plugin can influence.
fn texts(kind: &EventKind) -> usize {
    match kind {
        EventKind::Logged { record, .. } => {
            let fields: usize = record.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
            record.message.len() + record.target.len() + fields
        }
        EventKind::Progressed(reports) => {
            reports.iter().map(|report| report.group_name.len() + report.status_line.len() + 100).sum()
        }
        _ => 0,
    }
}
