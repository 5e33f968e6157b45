//! How jobs and builds stand, in a sign and a word, and builds in a list.

use askama::Template;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::status::JobStatus;

use crate::show::escape::one_line;
use crate::show::moment::Moment;

/// Characters of a text that has one line.
const LINE: usize = 160;

/// How something stands: a sign that has a shape and a colour of its own, and a word.
#[derive(Template)]
#[template(path = "status.html")]
pub(super) struct Status {
    class: &'static str,
    icon: &'static str,
    word: &'static str,
}

impl Status {
    const fn new(class: &'static str, icon: &'static str, word: &'static str) -> Self {
        Self { class, icon, word }
    }

    /// Of a job; none where its manifest has mistakes.
    pub(super) fn of_job(status: Option<&JobStatus>) -> Self {
        match status {
            None => Self::new("failed", "failed", "its manifest has mistakes"),
            Some(JobStatus::Failed) => Self::new("failed", "failed", "failed"),
            Some(JobStatus::Failing { .. }) => Self::new("failed", "failed", "failing"),
            Some(JobStatus::Outdated(_)) => Self::new("outdated", "outdated", "outdated"),
            Some(JobStatus::Success) => Self::new("ok", "ok", "successful"),
            Some(JobStatus::NotBuilt | JobStatus::OnlySkipped) => Self::new("never", "never", "not built"),
        }
    }

    /// Of a build.
    pub(super) fn of_build(build: &Build, moment: &Moment) -> Self {
        match build.status() {
            _ if moment.is_interrupted(build) => Self::new("queued", "queued", "interrupted"),
            BuildStatus::Created => Self::new("queued", "queued", "waiting"),
            BuildStatus::Running => Self::new("running", "running", "running"),
            BuildStatus::Failed => Self::new("failed", "failed", "failed"),
            BuildStatus::Skipped => Self::new("skipped", "never", "skipped"),
            BuildStatus::Successful => Self::new("ok", "ok", "successful"),
        }
    }
}

/// A build in a list.
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) job: String,
    pub(super) status: Status,
    /// What it waits for, or how it failed.
    pub(super) small: String,
    pub(super) is_bad: bool,
    pub(super) created: Timestamp,
    /// The same in words.
    pub(super) ago: String,
    pub(super) took: String,
}

impl Row {
    pub(super) fn new(build: &Build, moment: &Moment) -> Self {
        let waits = moment.waits.get(&build.id).map(|reason| format!("waits for {reason}"));
        let failed = failure(build);
        let is_bad = failed.is_some() && build.finished;
        let created = build.start_time.unwrap_or(build.created);
        Self {
            id: build.id,
            job: build.job_id.clone(),
            status: Status::of_build(build, moment),
            small: line(&waits.or(failed).or_else(|| build.skip_reason.clone()).unwrap_or_default()),
            is_bad,
            created,
            ago: ago(created, moment.now),
            took: took(build, moment),
        }
    }
}

/// How a build failed, or its newest attempt.
pub(super) fn failure(build: &Build) -> Option<String> {
    build.exception.as_ref().map(|failure| format!("{}: {}", failure.kind, failure.message))
}

/// How long ago a time was, in words.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match now.since(time) / 1_000_000 {
        0 => "just now".to_owned(),
        seconds if seconds < MINUTE => format!("{seconds} s ago"),
        seconds if seconds < HOUR => format!("{} min ago", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{} h ago", seconds / HOUR),
        seconds => format!("{} days ago", seconds / DAY),
    }
}

/// How long a build took, or has taken so far.
pub(super) fn took(build: &Build, moment: &Moment) -> String {
    let end = build.end_time.or_else(|| (!build.finished).then_some(moment.now));
    build.start_time.zip(end).map(|(start, end)| show_took(end.since(start))).unwrap_or_default()
}

/// The first line of a text, cut where it is long, without characters that hide what it says.
pub(super) fn line(text: &str) -> String {
    let first = one_line(text.lines().next().unwrap_or_default());
    if first.chars().count() <= LINE {
        return first;
    }
    first.chars().take(LINE).chain("..".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        let told = |seconds: i64| ago(Timestamp(0), Timestamp(seconds * 1_000_000));
        assert_eq!([told(0), told(59), told(61), told(7_200)], ["just now", "59 s ago", "1 min ago", "2 h ago"]);
        assert_eq!((told(172_800), ago(Timestamp(5), Timestamp(0))), ("2 days ago".to_owned(), "just now".to_owned()));
    }

    #[test]
    fn a_line_is_one_line_and_hides_nothing() {
        assert_eq!(line("a\u{202e}b\u{7}\nc"), "a\\u{202e}b\\u{7}");
        assert_eq!(line(&"x".repeat(500)).len(), LINE + 2);
    }
}
