//! How jobs, builds and runs stand, in a sign and a word. Each has a shape of its own, so that
//! colour is never needed.

use askama::Template;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::run::RunState;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::status::JobStatus;

use crate::request::listing::Listing;
use crate::show::moment::Moment;

/// How something stands: a sign that has a shape and a colour of its own, and a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "status.html")]
pub(super) struct Status {
    /// Of the style sheet; the sign has the same name.
    pub(super) class: &'static str,
    pub(super) word: &'static str,
}

impl Status {
    const fn new(class: &'static str, word: &'static str) -> Self {
        Self { class, word }
    }

    /// Of a job; none where its manifest has mistakes.
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

    /// Of a job in a list: that it waits or runs counts more than how it stood before.
    pub(super) fn of_listed(listing: &Listing<'_>, id: &str) -> Self {
        let open = listing.open(id);
        open.map_or_else(|| Self::of_job(listing.status(id)), |build| Self::of_build(build, &listing.moment))
    }

    /// Of a job by the name that programs read.
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

    /// Of a build.
    pub(super) fn of_build(build: &Build, moment: &Moment) -> Self {
        match build.status() {
            _ if moment.is_interrupted(build) => Self::new("waiting", "interrupted"),
            BuildStatus::Running if build.retry_time.is_some() => Self::new("waiting", "between two attempts"),
            status => Self::of(status),
        }
    }

    /// Of a build by its flags alone.
    pub(super) fn of(status: BuildStatus) -> Self {
        match status {
            BuildStatus::Created => Self::new("queued", "queued"),
            BuildStatus::Running => Self::new("running", "running"),
            BuildStatus::Failed => Self::new("failed", "failed"),
            BuildStatus::Skipped => Self::new("skipped", "skipped"),
            BuildStatus::Successful => Self::new("ok", "successful"),
        }
    }

    /// Of a run.
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
