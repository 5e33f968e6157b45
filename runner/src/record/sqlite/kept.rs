//! Ends of builds that could not be written to the store: lines in the file of their owner's lease, which has room for
//! them from the start.

use std::path::Path;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::pack_failure;
use serde::Deserialize;
use serde::Serialize;

/// What is reserved for them: 64 builds run at once, and those that end while a disk is full are few.
pub(super) const ROOM: u64 = 32 << 10;

/// The most bytes of a message, so that there is room for many.
const MESSAGE: usize = 400;

/// The most bytes of all lines of one owner that are read.
const READ: u64 = 4 << 20;

/// The end of a build, without what is large.
#[derive(Serialize, Deserialize)]
struct Line {
    build: u64,
    attempt: u32,
    time: i64,
    ends_run: bool,
    kind: String,
    message: String,
}

/// The line of a failed build's end, and whose it is; none for one that did not fail or has no owner.
pub(super) fn line(finish: &FinishBuild) -> Option<(String, String)> {
    let (guard, failure) = (finish.guard.as_ref()?, finish.exception.as_ref()?);
    let mut message = failure.message.clone();
    cut_bytes(&mut message, MESSAGE);
    let line = Line {
        build: finish.id,
        attempt: guard.attempt,
        time: finish.time.0,
        ends_run: finish.ends_run,
        kind: failure.kind.clone(),
        message,
    };
    let owner = guard.owner.as_deref()?.to_owned();
    // A line that was cut off before does not spoil this one.
    Some((owner, format!("\n{}\n", serde_json::to_string(&line).ok()?)))
}

/// The ends that an owner has left in the file of its lease.
pub(super) fn read(path: &Path, owner: &str) -> Vec<FinishBuild> {
    let mut text = String::new();
    let opened = std::fs::File::open(path);
    let read = opened.and_then(|file| std::io::Read::read_to_string(&mut std::io::Read::take(file, READ), &mut text));
    if read.is_err() {
        return Vec::new();
    }
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.map(|line| end(line, owner)).collect()
}

fn end(line: Line, owner: &str) -> FinishBuild {
    let failure = Failure::new(FailureKind::from_text(&line.kind), line.message);
    FinishBuild {
        id: line.build,
        guard: Some(Guard { owner: Some(owner.into()), attempt: line.attempt }),
        time: Timestamp(line.time),
        success: false,
        skipped: false,
        skip_reason: None,
        usage: None,
        ends_run: line.ends_run,
        retval: None,
        retval_digest: None,
        exception: Some(Box::new(pack_failure(failure))),
    }
}
