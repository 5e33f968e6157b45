//! The status of jobs, builds and runs, as a sign and a word. Each sign has its own shape, so
//! nobody needs to see its colour.

use askama::Template;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::run::RunState;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::status::JobStatus;

use crate::request::listing::Listing;
use crate::show::moment::Moment;

/// A status: a sign with its own shape and colour, and a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "status.html")]
pub(super) struct Status {
    /// The class in the style sheet. The sign has the same name.
    pub(super) class: &'static str,
    pub(super) word: &'static str,
}

impl Status {
    const fn new(class: &'static str, word: &'static str) -> Self {
        Self { class, word }
    }

    /// Returns the status of a job; pass `None` if its manifest has mistakes.
    pub(super) fn of_job(status: Option<&JobStatus>) -> Self {
        match status {
            None => Self::new("failed", "its manifest has mistakes"),
            Some(JobStatus::Failed) => Self::new("failed", "failed"),
            Some(JobStatus::Failing { .. }) => Self::new("failing", "failing"),
            Some(JobStatus::Outdated(_)) => Self::new("outdated", "outdated"),
            Some(JobStatus::Success) => Self::new("ok", "successful"),
            Some(JobStatus::NotBuilt | JobStatus::OnlySkipped) => Self::new("never", "not built"),
        }
    }

    /// Returns the status of a job in a list. A waiting or running build takes precedence over the
    /// earlier status.
    pub(super) fn of_listed(listing: &Listing<'_>, id: &str) -> Self {
        let open = listing.open(id);
        open.map_or_else(|| Self::of_job(listing.status(id)), |build| Self::of_build(build, &listing.moment))
    }

    /// Returns the status of a job by the name that programs use.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "failed" => Self::new("failed", "failed"),
            "failing" => Self::new("failing", "failing"),
            "outdated" => Self::new("outdated", "outdated"),
            "success" => Self::new("ok", "successful"),
            "not_built" => Self::new("never", "not built"),
            _ => Self::of_job(None),
        }
    }

    /// Returns the status of a build.
    pub(super) fn of_build(build: &Build, moment: &Moment) -> Self {
        match build.status() {
            _ if moment.is_interrupted(build) => Self::new("waiting", "interrupted"),
            BuildStatus::Running if build.retry_time.is_some() => Self::new("waiting", "between two attempts"),
            status => Self::of(status),
        }
    }

    /// Returns the status of a build by its flags alone.
    pub(super) fn of(status: BuildStatus) -> Self {
        match status {
            BuildStatus::Created => Self::new("queued", "queued"),
            BuildStatus::Running => Self::new("running", "running"),
            BuildStatus::Failed => Self::new("failed", "failed"),
            BuildStatus::Skipped => Self::new("skipped", "skipped"),
            BuildStatus::Successful => Self::new("ok", "successful"),
        }
    }

    /// Returns the status of a run.
    pub(super) fn of_run(state: RunState, held: bool) -> Self {
        match state {
            RunState::Waiting if held => Self::new("waiting", "held back"),
            RunState::Waiting => Self::new("queued", "waiting"),
            RunState::Running => Self::new("running", "running"),
            RunState::Ended(RunStatus::Successful) => Self::new("ok", "successful"),
            RunState::Ended(RunStatus::Failed) => Self::new("failed", "failed"),
            RunState::Ended(RunStatus::Cancelled) => Self::new("failed", "cancelled"),
            RunState::Ended(RunStatus::Interrupted) => Self::new("waiting", "interrupted"),
            RunState::Ended(RunStatus::Skipped) => Self::new("skipped", "skipped"),
            RunState::Ended(RunStatus::Missed) => Self::new("skipped", "missed"),
        }
    }
}
