//! The largest limits a job may ask for, as the operator set them.

use std::time::Duration;

use crate::limits::Limits;
use crate::limits::OperatorFile;
use crate::limits::TIMEOUTS;

/// The largest limits a job may ask for, as the operator set them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// The largest value of each limit, by its key under `limits:`.
    pub limits: Vec<(String, u64)>,
    /// The largest parts of `timeout`. A job that does not set a part gets the ceiling's value.
    pub timeouts: Timeouts,
    /// The file that sets the ceiling.
    pub file: OperatorFile,
}

impl Ceiling {
    /// Returns the largest value of `key`, if the operator set one.
    pub fn limit(&self, key: &str) -> Option<u64> {
        self.limits.iter().find(|(k, _)| k == key).map(|(_, max)| *max)
    }

    /// Returns the default limits, lowered to the ceiling.
    pub fn defaults(&self) -> Limits {
        let mut limits = Limits::default();
        self.lower(&mut limits);
        limits
    }

    /// Lowers limits that a job asked for under a different ceiling, and marks those that the job
    /// cannot raise.
    pub fn bound(&self, limits: &mut Limits) {
        self.lower(limits);
        self.mark(limits);
    }

    fn lower(&self, limits: &mut Limits) {
        for (key, max) in &self.limits {
            if let Some(limit) = limits.by_key(key) {
                *limit.value = (*limit.value).min(*max);
            }
        }
        self.timeouts.lower(limits);
    }

    /// Marks the limits that a job cannot raise.
    pub fn mark(&self, limits: &mut Limits) {
        let most = &self.timeouts;
        let parts = [
            (Some(limits.timeout), most.attempt),
            (limits.build_timeout, most.build),
            (limits.no_progress, most.no_progress),
        ];
        let timeouts = TIMEOUTS.into_iter().zip(parts);
        let timeouts = timeouts.filter(|(_, (value, most))| most.is_some() && value >= most).map(|(key, _)| key);
        let mut at_ceiling: Vec<_> = timeouts.collect();
        at_ceiling.extend(Limits::KEYS.iter().copied().filter(|key| {
            let value = limits.by_key(key).map(|limit| *limit.value);
            self.limit(key).is_some_and(|most| value >= Some(most))
        }));
        limits.at_ceiling = at_ceiling;
        limits.operator = self.file.clone();
    }
}

/// The parts of `timeout`; a part that was not written is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// The limit of an attempt.
    pub attempt: Option<Duration>,
    /// The limit of a build with all its attempts.
    pub build: Option<Duration>,
    /// The limit of the time without any sign of life.
    pub no_progress: Option<Duration>,
}

impl Timeouts {
    pub(super) const KEYS: &[&str] = &["attempt", "build", "no_progress"];

    pub(super) fn part(&mut self, key: &str) -> &mut Option<Duration> {
        match key {
            "attempt" => &mut self.attempt,
            "build" => &mut self.build,
            _ => &mut self.no_progress,
        }
    }

    /// Lowers limits to this, as a ceiling.
    fn lower(&self, limits: &mut Limits) {
        // A part without a limit gets the ceiling's value.
        let lowest = |limit: Option<Duration>, most: Option<Duration>| limit.into_iter().chain(most).min();
        limits.timeout = lowest(Some(limits.timeout), self.attempt).unwrap_or(limits.timeout);
        limits.build_timeout = lowest(limits.build_timeout, self.build);
        limits.no_progress = lowest(limits.no_progress, self.no_progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::ALL;
    use crate::limits::tests::limits;

    fn ceiling(of: &Limits) -> Ceiling {
        let mut of = of.clone();
        let limits = Limits::KEYS.iter().map(|key| ((*key).to_owned(), *of.by_key(key).unwrap().value)).collect();
        let timeouts = Timeouts { attempt: Some(of.timeout), build: of.build_timeout, no_progress: of.no_progress };
        Ceiling { limits, timeouts, ..Ceiling::default() }
    }

    #[test]
    fn every_limit_at_the_ceiling_says_so() {
        let mut limits = limits();
        ceiling(&limits).mark(&mut limits);
        let hook = limits.clone().of_hook(None);
        for (excess, key) in ALL {
            let key = if key == "timeout" { "timeout: .." } else { key };
            let end = format!(", the most that `ceiling: {{ {key} }}` in jobcontrol.yaml allows");
            for said in [limits.exceeded(excess), hook.exceeded(excess)] {
                assert!(said.ends_with(&end), "{said}");
            }
        }
        assert!(
            limits.too_late(2, 3).ends_with("that `ceiling: { timeout: { build: .. } }` in jobcontrol.yaml allows")
        );
    }

    #[test]
    fn a_limit_below_the_ceiling_can_be_raised() {
        let mut limits = limits();
        let most = ceiling(&limits);
        for key in Limits::KEYS {
            *limits.by_key(key).unwrap().value -= 1;
        }
        let less = Duration::from_secs(1);
        (limits.timeout, limits.build_timeout, limits.no_progress) = (less, Some(less), Some(less));
        most.mark(&mut limits);
        assert!(limits.at_ceiling.is_empty(), "{:?}", limits.at_ceiling);
    }
}
