//! A run that can start.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::request::RunRequest;

use crate::catalog::load::Catalog;

/// Why a protected job is not built in a run that was not started by hand.
const GUARDED: &str = "it is protected and due, and nobody was there to confirm it";

/// A run that can start.
pub struct Ready {
    /// The jobs as they are now.
    pub catalog: Arc<Catalog>,
    /// What to build.
    pub plan: Plan,
    /// The requests for single builds, by job.
    pub requests: BTreeMap<String, BuildRequest>,
    /// The request of the run.
    pub request: RunRequest,
    /// Jobs that would be built if their manifests had no mistakes.
    pub left_out: Vec<String>,
    /// Used builds of jobs that are outdated or failing and are not built first.
    pub stale: Vec<Used>,
    /// Used builds of jobs that were considered, but need not be built.
    pub reused: Vec<Used>,
    /// Protected jobs that are due but not built, because nobody is there to confirm it.
    pub guarded: Vec<String>,
    /// The jobs of the plan whose builds may be left to another run. The value is the job's latest
    /// successful build at the time when it was found to be due, or 0.
    pub shared: BTreeMap<String, u64>,
}

/// A build that is used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The job of the build.
    pub job: String,
    /// The number of the build.
    pub build: u64,
    /// The status of the job.
    pub status: &'static str,
}

impl Ready {
    /// Creates a run that builds exactly the jobs of its plan, and considers no other job.
    pub fn of_plan(
        catalog: Arc<Catalog>,
        plan: Plan,
        requests: BTreeMap<String, BuildRequest>,
        request: RunRequest,
    ) -> Self {
        let (left_out, stale, reused, guarded, shared) = Default::default();
        Self { catalog, plan, requests, request, left_out, stale, reused, guarded, shared }
    }

    /// Returns the jobs that are called even if all their dependencies were skipped. With `force`,
    /// these are all jobs of the plan.
    pub fn called(&self) -> BTreeSet<String> {
        let targets = if self.request.force { &self.plan.order } else { &self.request.targets };
        targets.iter().cloned().collect()
    }

    /// Returns why the run does not build its guarded jobs, as its row keeps it.
    pub fn guarded_because(&self) -> BTreeMap<String, String> {
        let because = |id: &String| (id.clone(), GUARDED.to_owned());
        self.guarded.iter().map(because).collect()
    }

    /// Returns the highest priority of its targets.
    pub fn priority(&self) -> i64 {
        let of = |id: &String| self.catalog.graph.jobs.get(id).map(|checked| checked.job.priority);
        self.request.targets.iter().filter_map(of).max().unwrap_or(0)
    }

    /// Returns the protected jobs of the plan. Each must be confirmed before it may start.
    pub fn protected(&self) -> impl Iterator<Item = &str> {
        let is_protected = |id: &&String| self.catalog.graph.jobs.get(*id).is_some_and(|c| c.job.protected);
        self.plan.order.iter().filter(is_protected).map(String::as_str)
    }
}

impl Used {
    /// Names builds that are used although their jobs are outdated or failing, on one line.
    pub fn named(used: &[Self]) -> String {
        listed(used, |used| format!("`{}` ({}, build {})", used.job, used.status, used.build))
    }
}

/// Names some things and counts the others.
pub fn listed<T>(things: &[T], name: impl Fn(&T) -> String) -> String {
    /// The most things to name; more are only counted.
    const NAMED: usize = 5;
    let named: Vec<_> = things.iter().take(NAMED).map(name).collect();
    let more = match things.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
