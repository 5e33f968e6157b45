//! Which jobs of a plan can start, as others end.

use std::collections::BTreeMap;

use jobcontrol_core::plan::Plan;

use crate::execute::job_end::JobEnd;

/// What waits for what: each end is looked at once by each job that waits for it.
pub(super) struct Waiting {
    /// How many of its needs have not succeeded yet.
    left: BTreeMap<String, usize>,
    dependents: BTreeMap<String, Vec<String>>,
}

impl Waiting {
    /// With the jobs that wait for nothing.
    pub(super) fn new(plan: &Plan) -> (Self, Vec<String>) {
        let mut waiting = Self { left: BTreeMap::new(), dependents: BTreeMap::new() };
        for id in &plan.order {
            let needs = plan.waits_for.get(id).map(Vec::as_slice).unwrap_or_default();
            waiting.left.insert(id.clone(), needs.len());
            for need in needs {
                waiting.dependents.entry(need.clone()).or_default().push(id.clone());
            }
        }
        let is_ready = |id: &&String| waiting.left.get(*id).is_some_and(|left| *left == 0);
        let ready = plan.order.iter().filter(is_ready).cloned().collect();
        (waiting, ready)
    }

    /// Records an end; gives what can start now, and ends what cannot start any more.
    pub(super) fn ended(&mut self, id: String, end: JobEnd, ends: &mut BTreeMap<String, JobEnd>) -> Vec<String> {
        let mut ready = Vec::new();
        if end.is_success() {
            for dependent in self.dependents.remove(&id).unwrap_or_default() {
                if let Some(left) = self.left.get_mut(&dependent) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(dependent);
                    }
                }
            }
        } else {
            let mut failed = vec![id.clone()];
            while let Some(need) = failed.pop() {
                for dependent in self.dependents.remove(&need).unwrap_or_default() {
                    if !ends.contains_key(&dependent) {
                        ends.insert(dependent.clone(), JobEnd::NeedFailed(need.clone()));
                        failed.push(dependent);
                    }
                }
            }
        }
        ends.insert(id, end);
        ready
    }
}
