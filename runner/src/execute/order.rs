//! Decides which jobs of a plan can start as others end.

use std::collections::BTreeMap;

use jobcontrol_core::plan::Plan;

use crate::execute::job_end::JobEnd;

/// The jobs that wait, and what they wait for. Each end is looked at once by each job that waits
/// for it.
pub(super) struct Waiting {
    /// For each job, how many of its needs have not succeeded yet.
    left: BTreeMap<String, usize>,
    dependents: BTreeMap<String, Vec<String>>,
}

impl Waiting {
    /// Returns the waiting jobs of a plan, and the jobs that wait for nothing.
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

    /// Marks a job as begun, whatever has become of the jobs that it needs.
    pub(super) fn begin(&mut self, id: &str) {
        self.left.remove(id);
    }

    /// Records an end. Returns what can start now, and ends the jobs that cannot start any more.
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
                    // A job that has begun comes to its own end.
                    if self.left.contains_key(&dependent) && !ends.contains_key(&dependent) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(needs: &[(&str, &[&str])]) -> Plan {
        let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Plan {
            order: needs.iter().map(|(id, _)| (*id).to_owned()).collect(),
            waits_for: needs.iter().map(|(id, needs)| ((*id).to_owned(), names(needs))).collect(),
        }
    }

    #[test]
    fn what_has_begun_comes_to_its_own_end_whatever_it_needs() {
        let (mut waiting, ready) = Waiting::new(&plan(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["a"])]));
        assert_eq!(ready, ["a"]);
        waiting.begin("b");
        let mut ends = BTreeMap::new();
        assert_eq!(waiting.ended("a".to_owned(), JobEnd::Cancelled, &mut ends), Vec::<String>::new());
        assert_eq!(ends.keys().collect::<Vec<_>>(), ["a", "d"]);
        assert_eq!(waiting.ended("b".to_owned(), JobEnd::Built(1, None), &mut ends), ["c"]);
    }

    #[test]
    fn what_has_begun_does_not_start_once_more() {
        let (mut waiting, _) = Waiting::new(&plan(&[("a", &[]), ("b", &["a"])]));
        waiting.begin("b");
        assert_eq!(waiting.ended("a".to_owned(), JobEnd::Built(1, None), &mut BTreeMap::new()), Vec::<String>::new());
    }
}
