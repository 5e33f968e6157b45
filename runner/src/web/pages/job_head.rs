//! The head of each page of a job: its status, the actions, and links to its other pages.

use askama::Template;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::BuildFilter;

use super::super::problem::Problem;
use super::super::state::Look;
use super::row::line;
use super::status::Status;
use super::times::thousands;
use super::visit::Visit;

/// The head of each page of a job.
#[derive(Template)]
#[template(path = "job_head.html")]
pub(super) struct Head {
    pub(super) id: String,
    status: Status,
    title: String,
    protected: bool,
    may_run: bool,
    csrf: String,
    tab: &'static str,
    is_known: bool,
    has_manifest: bool,
    /// How many builds it has.
    pub(super) builds: String,
}

impl Head {
    /// Builds the header for a job with the given status; `gone` is true if no manifest has the
    /// job.
    pub(super) fn of(
        look: &Look<'_>,
        id: &str,
        status: Option<&JobStatus>,
        gone: bool,
        visit: &Visit,
        tab: &'static str,
    ) -> Result<Self, Problem> {
        let checked = look.current.catalog.graph.jobs.get(id);
        let job = checked.map(|checked| &checked.job);
        let title = job.and_then(|job| job.title.clone());
        Ok(Self {
            id: id.to_owned(),
            status: if gone { Status { class: "never", word: "not in any manifest" } } else { Status::of_job(status) },
            title: line(
                &title.unwrap_or_else(
                    || if gone { "It is no longer in any manifest.".to_owned() } else { String::new() },
                ),
            ),
            protected: job.is_some_and(|job| job.protected),
            may_run: status.is_some() && job.is_some() && visit.may_run(id),
            csrf: visit.csrf.clone(),
            tab,
            is_known: job.is_some(),
            has_manifest: !gone,
            builds: thousands(look.storage.count_job_builds(&BuildFilter::job(id))?),
        })
    }
}
