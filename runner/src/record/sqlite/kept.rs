//! Ends of builds and runs that could not be written to the store. They are lines in the file of
//! their owner's lease, which has room for them from the start.

use std::collections::BTreeMap;
use std::path::Path;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_failure;
use jobcontrol_core::storage::pack_refused;
use jobcontrol_core::storage::unpack_refused;
use serde::Deserialize;
use serde::Serialize;

/// The bytes reserved for them. 64 builds run at once, and only few of them end while a disk is
/// full.
pub(super) const ROOM: u64 = 32 << 10;

/// The most bytes of a message, so that there is room for many.
const MESSAGE: usize = 400;

/// The most bytes of all lines of one owner that are read.
const READ: u64 = 4 << 20;

/// The most reasons that are kept of a run for jobs without a build.
const REASONS: usize = 8;

/// An end without its large parts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Build { id: u64, attempt: u32, time: i64, ends_run: bool, kind: String, message: String },
    Run { id: u64, time: i64, status: String, refused: BTreeMap<String, String>, shared: BTreeMap<String, u64> },
}

/// Returns the line for the end of a run, or of a build that failed. Returns `None` for any other
/// change.
pub(super) fn line(write: &Write) -> Option<String> {
    let shortened = |text: &str| {
        let mut text = text.to_owned();
        cut_bytes(&mut text, MESSAGE);
        text
    };
    let line = match write {
        Write::FinishBuild(finish) => {
            let failure = finish.exception.as_ref()?;
            Line::Build {
                id: finish.id,
                attempt: finish.guard.as_ref()?.attempt,
                time: finish.time.0,
                ends_run: finish.ends_run,
                kind: failure.kind.clone(),
                message: shortened(&failure.message),
            }
        }
        Write::EndRun(end) => {
            let (refused, shared) = end.refused.as_deref().map(unpack_refused).unwrap_or_default();
            let refused = refused.iter().take(REASONS).map(|(job, reason)| (job.clone(), shortened(reason)));
            let (refused, shared) = (refused.collect(), shared.into_iter().take(REASONS).collect());
            Line::Run { id: end.id, time: end.time.0, status: end.status.name().to_owned(), refused, shared }
        }
        _ => return None,
    };
    // The newline in front protects this line from one that was cut off before.
    Some(format!("\n{}\n", serde_json::to_string(&line).ok()?))
}

/// Returns the ends that an owner has left in the file of its lease.
pub(super) fn read(path: &Path, owner: &str) -> Vec<Write> {
    let mut text = String::new();
    let opened = std::fs::File::open(path);
    let read = opened.and_then(|file| std::io::Read::read_to_string(&mut std::io::Read::take(file, READ), &mut text));
    if read.is_err() {
        return Vec::new();
    }
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.filter_map(|line| end(line, owner)).collect()
}

fn end(line: Line, owner: &str) -> Option<Write> {
    match line {
        Line::Build { id, attempt, time, ends_run, kind, message } => {
            let failure = Failure::new(FailureKind::from_text(&kind), message);
            Some(Write::FinishBuild(FinishBuild {
                id,
                guard: Some(Guard { owner: Some(owner.into()), attempt }),
                time: Timestamp(time),
                success: false,
                skipped: false,
                skip_reason: None,
                usage: None,
                ends_run,
                retval: None,
                retval_digest: None,
                exception: Some(Box::new(pack_failure(failure))),
            }))
        }
        Line::Run { id, time, status, refused, shared } => {
            let (status, refused) = (RunStatus::from_name(&status)?, pack_refused(&refused, &shared));
            Some(Write::EndRun(EndRun { id, time: Timestamp(time), status, refused }))
        }
    }
}
