//! A run that can start.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::request::RunRequest;

use crate::catalog::load::Catalog;

/// A run that can start.
pub struct Ready {
    /// The jobs as they are now.
    pub catalog: Arc<Catalog>,
    /// What to build.
    pub plan: Plan,
    /// What was asked of single builds, by job.
    pub requests: BTreeMap<String, BuildRequest>,
    /// What was asked for.
    pub request: RunRequest,
    /// Jobs that would be built if their manifests were right.
    pub left_out: Vec<String>,
    /// What the builds use of jobs that are outdated or failing and are not built first.
    pub stale: Vec<Used>,
    /// What the builds use of jobs that were looked at, and need not be built.
    pub reused: Vec<Used>,
    /// The jobs of the plan whose builds may be left to another run, with the latest success of each when it was found to
    /// be due, or 0.
    pub shared: BTreeMap<String, u64>,
}

/// A build that is used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its job.
    pub job: String,
    /// The build.
    pub build: u64,
    /// How the job stands.
    pub status: &'static str,
}

impl Ready {
    /// A run that builds exactly what stands in its plan, and looks at no other job.
    pub fn of_plan(
        catalog: Arc<Catalog>,
        plan: Plan,
        requests: BTreeMap<String, BuildRequest>,
        request: RunRequest,
    ) -> Self {
        let (left_out, stale, reused, shared) = Default::default();
        Self { catalog, plan, requests, request, left_out, stale, reused, shared }
    }

    /// The protected jobs of the plan, each to be armed before it may start.
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
    /// More are counted and not named.
    const NAMED: usize = 5;
    let named: Vec<_> = things.iter().take(NAMED).map(name).collect();
    let more = match things.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
