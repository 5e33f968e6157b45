//! The worker's side: what it asks, starts, reports and gives back.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

/// A question or a report without an answer is sent again after this time.
pub const AGAIN: Duration = Duration::from_secs(2);

/// A worker drops the offer of a service that has not answered for this time. A service that is
/// still there offers the attempt again.
const GIVE_UP: Duration = Duration::from_secs(30);

/// A worker that has reported the end of an attempt names it in heartbeats for this time at most,
/// in case that its service never reads the report.
const UNREAD: Duration = Duration::from_secs(600);

/// The attempts that a worker was offered or works on. `K` names an attempt among those of all
/// services, `R` is what a report says.
#[derive(Debug)]
pub struct Hands<K, R> {
    attempts: BTreeMap<K, Attempt<R>>,
}

#[derive(Debug)]
struct Attempt<R> {
    state: State,
    /// Reports that are not on their way yet.
    waiting: VecDeque<R>,
    /// The report that is on its way, and when it was last sent.
    sent: Option<(R, Duration)>,
    /// The number of the report that is on its way, or of the next one.
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It asked for the attempt, and has no answer yet.
    Asking {
        /// When it asked first.
        first: Duration,
        /// When it asked last.
        last: Duration,
    },
    /// The guest runs.
    Running,
    /// The guest has ended; reports are left to send.
    Ended,
    /// The broker has the last report since then. The service may not have read it yet: until it
    /// says that the attempt is over, heartbeats go on naming it.
    Reported(Duration),
}

/// What the driver of a worker has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<K, R> {
    /// Ask the service for the attempt.
    Claim(K),
    /// Start the guest.
    Start(K),
    /// Send a report until the broker has confirmed it.
    Send(K, u64, R),
    /// End the guest, if it runs; nobody wants to hear of it.
    Kill(K),
    /// Give the offer back to the broker, which delivers it again later.
    Return(K),
    /// Tell the broker that the offer was dealt with.
    Drop(K),
}

impl<K, R> Default for Hands<K, R> {
    fn default() -> Self {
        Self { attempts: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, R: Clone> Hands<K, R> {
    /// Takes an offer. One that is known already was delivered twice.
    pub fn offered(&mut self, key: K, now: Duration) -> Vec<Action<K, R>> {
        if self.attempts.contains_key(&key) {
            return Vec::new();
        }
        let (waiting, sent, number) = (VecDeque::new(), None, 0);
        self.attempts
            .insert(key.clone(), Attempt { state: State::Asking { first: now, last: now }, waiting, sent, number });
        vec![Action::Claim(key)]
    }

    /// Takes the answer to a claim.
    pub fn answered(&mut self, key: K, granted: bool) -> Vec<Action<K, R>> {
        match self.attempts.get_mut(&key) {
            Some(attempt) if granted && attempt.is_asking() => {
                attempt.state = State::Running;
                vec![Action::Start(key)]
            }
            Some(attempt) if attempt.is_asking() => {
                self.attempts.remove(&key);
                vec![Action::Drop(key)]
            }
            // An answer to a question that was asked twice.
            _ => Vec::new(),
        }
    }

    /// Takes the news that the service of an offer is not on the bus. The broker keeps the offer
    /// for a while, in case that the service comes back.
    pub fn unanswered(&mut self, key: K) -> Vec<Action<K, R>> {
        match self.attempts.get(&key) {
            Some(attempt) if attempt.is_asking() => {
                self.attempts.remove(&key);
                vec![Action::Return(key)]
            }
            _ => Vec::new(),
        }
    }

    /// Takes what the guest said; `last` is the end of the attempt.
    pub fn said(&mut self, key: &K, report: R, last: bool, now: Duration) -> Vec<Action<K, R>> {
        let Some(attempt) = self.attempts.get_mut(key).filter(|attempt| attempt.state == State::Running) else {
            return Vec::new();
        };
        if last {
            attempt.state = State::Ended;
        }
        attempt.waiting.push_back(report);
        attempt.send(key, now).into_iter().collect()
    }

    /// Takes the broker's word that it has a report.
    pub fn confirmed(&mut self, key: K, number: u64, now: Duration) -> Vec<Action<K, R>> {
        let Some(attempt) = self.attempts.get_mut(&key).filter(|a| a.sent.is_some() && a.number == number) else {
            return Vec::new();
        };
        attempt.sent = None;
        attempt.number += 1;
        if let Some(send) = attempt.send(&key, now) {
            return vec![send];
        }
        if attempt.state == State::Ended {
            attempt.state = State::Reported(now);
            return vec![Action::Drop(key)];
        }
        Vec::new()
    }

    /// Stops work on an attempt that this worker does not have.
    pub fn stop(&mut self, key: K) -> Vec<Action<K, R>> {
        match self.attempts.remove(&key) {
            None | Some(Attempt { state: State::Reported(_), .. }) => Vec::new(),
            Some(_) => vec![Action::Kill(key.clone()), Action::Drop(key)],
        }
    }

    /// Sends again what has had no answer for [`AGAIN`]. To be called about once a second.
    pub fn due(&mut self, now: Duration) -> Vec<Action<K, R>> {
        let mut due = Vec::new();
        for (key, attempt) in &mut self.attempts {
            if let State::Asking { first, last } = &mut attempt.state {
                if now.saturating_sub(*first) >= GIVE_UP {
                    due.push(Action::Drop(key.clone()));
                } else if now.saturating_sub(*last) >= AGAIN {
                    *last = now;
                    due.push(Action::Claim(key.clone()));
                }
            }
            if let Some((report, since)) = &mut attempt.sent
                && now.saturating_sub(*since) >= AGAIN
            {
                *since = now;
                due.push(Action::Send(key.clone(), attempt.number, report.clone()));
            }
        }
        self.attempts.retain(|_, attempt| match attempt.state {
            State::Reported(since) => now.saturating_sub(since) < UNREAD,
            _ => true,
        });
        for action in &due {
            if let Action::Drop(key) = action {
                self.attempts.remove(key);
            }
        }
        due
    }

    /// Returns the attempts that a heartbeat names: those that the service granted.
    pub fn works_on(&self) -> Vec<K> {
        let granted = self.attempts.iter().filter(|(_, attempt)| !attempt.is_asking());
        granted.map(|(key, _)| key.clone()).collect()
    }

    /// Returns whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.attempts.values().all(|attempt| matches!(attempt.state, State::Reported(_)))
    }
}

impl<R: Clone> Attempt<R> {
    fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking { .. })
    }

    /// Sends the next report, if none is on its way.
    fn send<K: Clone>(&mut self, key: &K, now: Duration) -> Option<Action<K, R>> {
        if self.sent.is_some() {
            return None;
        }
        let report = self.waiting.pop_front()?;
        self.sent = Some((report.clone(), now));
        Some(Action::Send(key.clone(), self.number, report))
    }
}
