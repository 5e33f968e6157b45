//! The shapes of what happens while somebody watches.

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::reload::Reload;
use jobcontrol_core::storage::LogRecord;
use serde::Serialize;

use crate::show::escape::clean_json;
use crate::show::json::FailureJson;
use crate::show::json::RecordJson;
use crate::show::pages::ReloadJson;

/// An event as programs read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The sort of the event: `status`, `progress`, `log` or `reload`.
    pub(crate) name: &'static str,
    /// A JSON document on one line.
    pub(crate) data: String,
}

/// The current state of a build.
#[derive(Default, Serialize)]
struct StatusJson<'a> {
    id: u64,
    job_id: &'a str,
    status: Option<BuildStatus>,
    attempt: u32,
    /// What it waits for, in words.
    waits_for: Option<String>,
    skip_reason: Option<&'a str>,
    exception: Option<FailureJson<'a>>,
    /// Seconds from its start to its end.
    took: Option<f64>,
}

/// The newest reports of some groups of a build.
#[derive(Serialize)]
struct ProgressJson<'a> {
    build_id: u64,
    job_id: &'a str,
    progress: &'a [Progress],
}

fn document(document: &impl Serialize) -> String {
    // Texts, numbers and lists of them can always be written.
    let text = serde_json::to_string(document).unwrap_or_default();
    clean_json(&text).into_owned()
}

/// Returns whether an event is shown to watchers. The others are about builds that do not exist
/// yet, or that are not the run's own.
pub(crate) fn is_shown(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Compiling { .. } | EventKind::Shared)
}

/// Returns an event of a build that is in this attempt.
pub(crate) fn of_build(event: &Event, attempt: u32) -> Shown {
    let (id, job_id) = (event.build_id, &*event.job_id);
    match &event.kind {
        EventKind::Logged { id: number, record } => {
            let record = LogRecord { id: *number, build_id: id, attempt, record: record.clone() };
            Shown { name: "log", data: document(&RecordJson::new(&record)) }
        }
        EventKind::Progressed(progress) => {
            Shown { name: "progress", data: document(&ProgressJson { build_id: id, job_id, progress }) }
        }
        kind => {
            let nothing = StatusJson { id, job_id, attempt, ..StatusJson::default() };
            Shown { name: "status", data: document(&status(kind, nothing)) }
        }
    }
}

fn status<'a>(kind: &'a EventKind, nothing: StatusJson<'a>) -> StatusJson<'a> {
    let running = Some(BuildStatus::Running);
    let attempt_follows = |attempt: u32, of: u32, delay: std::time::Duration| {
        format!("attempt {attempt} of {of} in {} s", delay.as_secs_f64())
    };
    match kind {
        EventKind::Created => StatusJson { status: Some(BuildStatus::Created), ..nothing },
        EventKind::Waits { reason } => {
            StatusJson { status: Some(BuildStatus::Created), waits_for: Some(reason.clone()), ..nothing }
        }
        EventKind::AttemptFailed { attempt, of, failure, delay, .. } => StatusJson {
            status: running,
            exception: Some(FailureJson(failure)),
            waits_for: Some(attempt_follows(attempt + 1, *of, *delay)),
            ..nothing
        },
        EventKind::TakenOver { attempt, of, delay } => {
            StatusJson { status: running, waits_for: Some(attempt_follows(*attempt, *of, *delay)), ..nothing }
        }
        EventKind::Finished { ending, took } => {
            let ended = StatusJson {
                status: Some(ending.status()),
                took: Some(std::time::Duration::from_micros(*took).as_secs_f64()),
                ..nothing
            };
            match ending {
                Ending::Returned => ended,
                Ending::Skipped(reason) => StatusJson { skip_reason: Some(reason), ..ended },
                Ending::Failed(failure) => StatusJson { exception: Some(FailureJson(failure)), ..ended },
            }
        }
        _ => StatusJson { status: running, ..nothing },
    }
}

/// Returns the event of a reload of the files.
pub(crate) fn of_reload(created: Timestamp, reload: &Reload) -> Shown {
    Shown { name: "reload", data: document(&ReloadJson::new(None, created, reload)) }
}
