//! When a call has to end because its time is up: the attempt's time, the build's time, or the time
//! that a guest may stay silent.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;

/// The time limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    Attempt,
    Build,
    NoProgress,
}

impl Timeout {
    /// Returns a message with the limit and the setting that raises it.
    pub(crate) fn text(self, limits: &Limits) -> String {
        limits.exceeded(match self {
            Self::Attempt => Excess::Attempt,
            Self::Build => Excess::Build,
            Self::NoProgress => Excess::NoProgress,
        })
    }
}

/// The deadlines of one call.
#[derive(Debug)]
pub(crate) struct Deadlines {
    begun: Instant,
    attempt: Instant,
    build: Option<Instant>,
    no_progress: Option<Duration>,
    /// The latest sign of life, in microseconds since `begun`.
    sign: AtomicU64,
}

impl Deadlines {
    /// Creates the deadlines of a call that begins now and whose build has to end by `build`.
    pub(crate) fn new(limits: &Limits, build: Option<Instant>) -> Self {
        let begun = Instant::now();
        let attempt = begun + limits.timeout;
        Self { begun, attempt, build, no_progress: limits.no_progress, sign: AtomicU64::new(0) }
    }

    /// Records a sign of life from the guest.
    pub(crate) fn sign(&self) {
        if self.no_progress.is_some() {
            let since = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.sign.store(since, Ordering::Relaxed);
        }
    }

    fn quiet_until(&self) -> Option<Instant> {
        Some(self.begun + Duration::from_micros(self.sign.load(Ordering::Relaxed)) + self.no_progress?)
    }

    /// Returns the earliest deadline as of now.
    pub(crate) fn next(&self) -> Instant {
        [self.build, self.quiet_until()].into_iter().flatten().fold(self.attempt, Instant::min)
    }

    /// Returns the limit that is exceeded at `now`.
    pub(crate) fn exceeded(&self, now: Instant) -> Option<Timeout> {
        let over = |until: Option<Instant>| until.is_some_and(|until| now >= until);
        if over(self.build) {
            Some(Timeout::Build)
        } else if over(Some(self.attempt)) {
            Some(Timeout::Attempt)
        } else {
            over(self.quiet_until()).then_some(Timeout::NoProgress)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_deadline_counts() {
        let limits = Limits { timeout: Duration::from_secs(9), ..Limits::default() };
        let of = |build: Option<u64>, no_progress: Option<u64>| {
            let limits = Limits { no_progress: no_progress.map(Duration::from_secs), ..limits.clone() };
            let deadlines = Deadlines::new(&limits, build.map(|s| Instant::now() + Duration::from_secs(s)));
            let next = deadlines.next();
            assert_eq!(deadlines.exceeded(next - Duration::from_millis(1)), None);
            deadlines.exceeded(next)
        };
        assert_eq!(of(None, None), Some(Timeout::Attempt));
        assert_eq!(of(Some(5), None), Some(Timeout::Build));
        assert_eq!(of(Some(5), Some(2)), Some(Timeout::NoProgress));
        assert_eq!(of(Some(20), Some(20)), Some(Timeout::Attempt));
    }

    #[test]
    fn a_sign_of_life_moves_the_deadline() {
        let limits = Limits { no_progress: Some(Duration::from_secs(5)), ..Limits::default() };
        let deadlines = Deadlines::new(&limits, None);
        let before = deadlines.next();
        while deadlines.begun.elapsed() < Duration::from_micros(50) {
            std::hint::spin_loop();
        }
        deadlines.sign();
        assert!(deadlines.next() > before);
    }
}
