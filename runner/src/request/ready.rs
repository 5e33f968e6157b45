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
}

impl Ready {
    /// The protected jobs of the plan, each to be armed before it may start.
    pub fn protected(&self) -> impl Iterator<Item = &str> {
        let is_protected = |id: &&String| self.catalog.graph.jobs.get(*id).is_some_and(|c| c.job.protected);
        self.plan.order.iter().filter(is_protected).map(String::as_str)
    }
}
