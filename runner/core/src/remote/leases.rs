//! The service's side: which worker has which attempt, and what of its messages counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::AttemptKey;

/// A worker that says nothing for this long loses its attempts. Workers send a heartbeat every
/// second, so ten of them were lost.
pub const SILENCE: Duration = Duration::from_secs(10);

/// An attempt that no worker has taken is offered again after this time, in case the broker lost
/// the offer. A second offer does no harm: the first worker that claims the attempt gets it.
pub const OFFER_AGAIN: Duration = Duration::from_secs(60);

/// A report that is missing for this time is lost for good. Until then, the broker may still
/// deliver it: a connection that breaks delays some messages.
pub const MISSING: Duration = Duration::from_secs(60);

/// The attempts that a service has given out or wants to give out.
///
/// Times are durations since some moment, by the service's own clock; no clock of a worker is ever
/// looked at.
#[derive(Debug, Default)]
pub struct Leases {
    attempts: BTreeMap<AttemptKey, Lease>,
    /// Whether the service is cut off from the bus, and hears nobody.
    is_deaf: bool,
}

#[derive(Debug)]
struct Lease {
    /// The worker that has the attempt; `None` while it is offered.
    worker: Option<Arc<str>>,
    /// When it was offered, or when its worker was last heard.
    since: Duration,
    /// The number of the next report.
    next: u64,
    /// Since when a later report is there and the next one is not.
    missing: Option<Duration>,
    /// Workers that gave it back. What they still say is old.
    given_back: Vec<Arc<str>>,
}

/// The answer to a worker that claims an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The worker has the attempt and starts it.
    Granted,
    /// Another worker has it, or it is over; the worker drops the offer.
    Refused,
}

/// What to do with a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next one: record it.
    New,
    /// It was recorded before.
    Repeated,
    /// It is of an attempt that its worker does not have (any more).
    Refused,
    /// An earlier report is still on its way: have this one delivered again later.
    Early,
    /// An earlier report is lost for good.
    Gap,
}

/// What time alone has made necessary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nobody took the attempt for a while: offer it again.
    Offer(AttemptKey),
    /// Its worker fell silent. The attempt is over, and no longer among the leases.
    Lost(AttemptKey, Arc<str>),
}

impl Leases {
    /// Adds an attempt that is offered from now on.
    pub fn offer(&mut self, key: AttemptKey, now: Duration) {
        self.attempts.insert(key, Lease { worker: None, since: now, next: 0, missing: None, given_back: Vec::new() });
    }

    /// Answers a worker that claims an attempt. A worker that asks twice, since the first answer
    /// was lost, gets the same answer.
    pub fn claim(&mut self, key: AttemptKey, worker: &Arc<str>, now: Duration) -> Claim {
        match self.attempts.get_mut(&key) {
            Some(lease)
                if lease.worker.as_ref().is_none_or(|holder| holder == worker)
                    && !lease.given_back.contains(worker) =>
            {
                lease.worker = Some(Arc::clone(worker));
                lease.since = now;
                Claim::Granted
            }
            _ => Claim::Refused,
        }
    }

    /// Decides on report number `number` of an attempt.
    pub fn report(&mut self, key: AttemptKey, worker: &Arc<str>, number: u64, now: Duration) -> Verdict {
        let Some(lease) = self.attempts.get_mut(&key).filter(|lease| lease.worker.as_ref() == Some(worker)) else {
            return Verdict::Refused;
        };
        lease.since = now;
        match number.cmp(&lease.next) {
            std::cmp::Ordering::Less => Verdict::Repeated,
            std::cmp::Ordering::Greater => {
                let since = *lease.missing.get_or_insert(now);
                if now.saturating_sub(since) >= MISSING { Verdict::Gap } else { Verdict::Early }
            }
            std::cmp::Ordering::Equal => {
                lease.next += 1;
                lease.missing = None;
                Verdict::New
            }
        }
    }

    /// Notes that a worker is alive, and returns which of the attempts that it works on it does not
    /// have: it should stop these.
    pub fn heard(&mut self, worker: &Arc<str>, works_on: &[AttemptKey], now: Duration) -> Vec<AttemptKey> {
        let mut strange = Vec::new();
        for key in works_on {
            match self.attempts.get_mut(key) {
                Some(lease) if lease.worker.as_ref() == Some(worker) => lease.since = now,
                _ => strange.push(*key),
            }
        }
        strange
    }

    /// Takes an attempt back from its worker, which will not run it, and returns whether the worker
    /// had it. It is offered again.
    pub fn hand_back(&mut self, key: AttemptKey, worker: &Arc<str>, now: Duration) -> bool {
        match self.attempts.get_mut(&key).filter(|lease| lease.worker.as_ref() == Some(worker)) {
            Some(lease) => {
                lease.given_back.extend(lease.worker.take());
                (lease.since, lease.next, lease.missing) = (now, 0, None);
                true
            }
            None => false,
        }
    }

    /// Removes an attempt that is over, and returns the worker that had it.
    pub fn end(&mut self, key: AttemptKey) -> Option<Arc<str>> {
        self.attempts.remove(&key)?.worker
    }

    /// Returns how many attempts workers have, and how many wait for one.
    pub fn counts(&self) -> (usize, usize) {
        let given = self.attempts.values().filter(|lease| lease.worker.is_some()).count();
        (given, self.attempts.len() - given)
    }

    /// Returns the worker that has an attempt.
    pub fn worker(&self, key: AttemptKey) -> Option<&Arc<str>> {
        self.attempts.get(&key)?.worker.as_ref()
    }

    /// Notes that the service was cut off from the bus. While it hears nobody, nobody is silent.
    pub fn cut_off(&mut self) {
        self.is_deaf = true;
    }

    /// Notes that the service is on the bus again. Workers have as much time as if they had just
    /// been heard.
    pub fn back(&mut self, now: Duration) {
        self.is_deaf = false;
        self.still(now);
    }

    /// Notes that the service itself stood still. Workers have as much time as if they had just
    /// been heard.
    pub fn still(&mut self, now: Duration) {
        self.attempts.values_mut().for_each(|lease| lease.since = now);
    }

    /// Returns what has become due. To be called about once a second.
    pub fn due(&mut self, now: Duration) -> Vec<Due> {
        let mut due = Vec::new();
        if self.is_deaf {
            return due;
        }
        for (key, lease) in &mut self.attempts {
            let quiet = now.saturating_sub(lease.since);
            match &lease.worker {
                None if quiet >= OFFER_AGAIN => {
                    lease.since = now;
                    due.push(Due::Offer(*key));
                }
                Some(worker) if quiet >= SILENCE => due.push(Due::Lost(*key, Arc::clone(worker))),
                _ => {}
            }
        }
        for lost in &due {
            if let Due::Lost(key, _) = lost {
                self.attempts.remove(key);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: AttemptKey = AttemptKey { build: 7, attempt: 1 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_worker_that_asks_gets_an_attempt_and_keeps_it_while_it_is_heard() {
        let (mut leases, a, b) = (Leases::default(), Arc::from("a"), Arc::from("b"));
        assert_eq!(leases.claim(KEY, &a, at(0)), Claim::Refused, "it was not offered");
        leases.offer(KEY, at(0));
        assert_eq!(leases.claim(KEY, &a, at(1)), Claim::Granted);
        assert_eq!(leases.claim(KEY, &a, at(1)), Claim::Granted, "its first answer was lost");
        assert_eq!(leases.claim(KEY, &b, at(1)), Claim::Refused);
        assert_eq!(leases.heard(&b, &[KEY], at(5)), [KEY]);
        assert!(leases.heard(&a, &[KEY], at(10)).is_empty());
        assert!(leases.due(at(19)).is_empty());
        assert_eq!(leases.due(at(20)), [Due::Lost(KEY, Arc::clone(&a))]);
        assert_eq!(leases.report(KEY, &a, 0, at(20)), Verdict::Refused);
        assert_eq!(leases.heard(&a, &[KEY], at(21)), [KEY]);
    }

    #[test]
    fn each_report_counts_once_in_order_and_only_from_who_has_the_attempt() {
        let (mut leases, a, b) = (Leases::default(), Arc::from("a"), Arc::from("b"));
        leases.offer(KEY, at(0));
        assert_eq!(leases.report(KEY, &a, 0, at(0)), Verdict::Refused, "it did not ask");
        leases.claim(KEY, &a, at(0));
        assert_eq!(leases.report(KEY, &a, 0, at(0)), Verdict::New);
        assert_eq!(leases.report(KEY, &a, 0, at(0)), Verdict::Repeated);
        assert_eq!(leases.report(KEY, &a, 2, at(0)), Verdict::Early);
        assert_eq!(leases.report(KEY, &a, 2, at(59)), Verdict::Early);
        assert_eq!(leases.report(KEY, &a, 2, at(60)), Verdict::Gap);
        assert_eq!(leases.report(KEY, &b, 1, at(0)), Verdict::Refused);
        assert_eq!(leases.report(KEY, &a, 1, at(0)), Verdict::New);
        assert_eq!(leases.end(KEY), Some(Arc::clone(&a)));
        assert_eq!(leases.report(KEY, &a, 2, at(0)), Verdict::Refused);
    }

    #[test]
    fn an_attempt_that_is_given_back_is_offered_again_under_the_same_number() {
        let (mut leases, a, b) = (Leases::default(), Arc::from("a"), Arc::from("b"));
        leases.offer(KEY, at(0));
        leases.claim(KEY, &a, at(0));
        leases.report(KEY, &a, 0, at(0));
        assert!(!leases.hand_back(KEY, &b, at(1)));
        assert!(leases.hand_back(KEY, &a, at(1)));
        assert_eq!(leases.claim(KEY, &a, at(1)), Claim::Refused, "an old question");
        assert_eq!(leases.claim(KEY, &b, at(2)), Claim::Granted);
        assert_eq!(leases.report(KEY, &a, 1, at(2)), Verdict::Refused);
        assert_eq!(leases.report(KEY, &b, 0, at(2)), Verdict::New);
    }

    #[test]
    fn nobody_is_silent_while_the_service_hears_nobody() {
        let (mut leases, a) = (Leases::default(), Arc::from("a"));
        leases.offer(KEY, at(0));
        leases.claim(KEY, &a, at(0));
        leases.cut_off();
        assert!(leases.due(at(100)).is_empty());
        leases.back(at(100));
        assert!(leases.due(at(109)).is_empty());
        assert_eq!(leases.due(at(110)), [Due::Lost(KEY, a)]);
    }

    #[test]
    fn an_offer_that_nobody_takes_is_repeated() {
        let mut leases = Leases::default();
        leases.offer(KEY, at(0));
        assert!(leases.due(at(59)).is_empty());
        assert_eq!(leases.due(at(60)), [Due::Offer(KEY)]);
        assert!(leases.due(at(61)).is_empty());
    }
}
