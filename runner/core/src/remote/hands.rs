//! The worker's side: what it asks, starts, reports and gives back.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use super::AttemptKey;

/// A question or a report without an answer is sent again after this time.
pub const AGAIN: Duration = Duration::from_secs(2);

/// The attempts that a worker was offered or works on. `R` is what a report says.
#[derive(Debug)]
pub struct Hands<R> {
    attempts: BTreeMap<AttemptKey, Attempt<R>>,
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
    /// It asked for the attempt at that time, and has no answer yet.
    Asking(Duration),
    /// The guest runs.
    Running,
    /// The guest has ended; reports are left to send.
    Ended,
}

/// What the driver of a worker has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<R> {
    /// Ask the service for the attempt.
    Claim(AttemptKey),
    /// Start the guest.
    Start(AttemptKey),
    /// Send a report until the broker has confirmed it.
    Send(AttemptKey, u64, R),
    /// End the guest, if it runs; nobody wants to hear of it.
    Kill(AttemptKey),
    /// Tell the broker that the offer was dealt with.
    Drop(AttemptKey),
}

impl<R> Default for Hands<R> {
    fn default() -> Self {
        Self { attempts: BTreeMap::new() }
    }
}

impl<R: Clone> Hands<R> {
    /// Takes an offer. One that is known already was delivered twice.
    pub fn offered(&mut self, key: AttemptKey, now: Duration) -> Vec<Action<R>> {
        if self.attempts.contains_key(&key) {
            return Vec::new();
        }
        let (waiting, sent, number) = (VecDeque::new(), None, 0);
        self.attempts.insert(key, Attempt { state: State::Asking(now), waiting, sent, number });
        vec![Action::Claim(key)]
    }

    /// Takes the answer to a claim.
    pub fn answered(&mut self, key: AttemptKey, granted: bool) -> Vec<Action<R>> {
        match self.attempts.get_mut(&key) {
            Some(attempt) if matches!(attempt.state, State::Asking(_)) && granted => {
                attempt.state = State::Running;
                vec![Action::Start(key)]
            }
            Some(attempt) if matches!(attempt.state, State::Asking(_)) => {
                self.attempts.remove(&key);
                vec![Action::Drop(key)]
            }
            // An answer to a question that was asked twice.
            _ => Vec::new(),
        }
    }

    /// Takes what the guest said; `last` is the end of the attempt.
    pub fn said(&mut self, key: AttemptKey, report: R, last: bool, now: Duration) -> Vec<Action<R>> {
        let Some(attempt) = self.attempts.get_mut(&key).filter(|attempt| attempt.state == State::Running) else {
            return Vec::new();
        };
        if last {
            attempt.state = State::Ended;
        }
        attempt.waiting.push_back(report);
        attempt.send(key, now).into_iter().collect()
    }

    /// Takes the broker's word that it has a report.
    pub fn confirmed(&mut self, key: AttemptKey, number: u64, now: Duration) -> Vec<Action<R>> {
        let Some(attempt) = self.attempts.get_mut(&key).filter(|a| a.sent.is_some() && a.number == number) else {
            return Vec::new();
        };
        attempt.sent = None;
        attempt.number += 1;
        if let Some(send) = attempt.send(key, now) {
            return vec![send];
        }
        if attempt.state == State::Ended {
            self.attempts.remove(&key);
            return vec![Action::Drop(key)];
        }
        Vec::new()
    }

    /// Stops work on an attempt that this worker does not have.
    pub fn stop(&mut self, key: AttemptKey) -> Vec<Action<R>> {
        match self.attempts.remove(&key) {
            Some(_) => vec![Action::Kill(key), Action::Drop(key)],
            None => Vec::new(),
        }
    }

    /// Sends again what has had no answer for [`AGAIN`]. To be called about once a second.
    pub fn due(&mut self, now: Duration) -> Vec<Action<R>> {
        let mut due = Vec::new();
        for (key, attempt) in &mut self.attempts {
            match &mut attempt.state {
                State::Asking(since) if now.saturating_sub(*since) >= AGAIN => {
                    *since = now;
                    due.push(Action::Claim(*key));
                }
                _ => {}
            }
            if let Some((report, since)) = &mut attempt.sent
                && now.saturating_sub(*since) >= AGAIN
            {
                *since = now;
                due.push(Action::Send(*key, attempt.number, report.clone()));
            }
        }
        due
    }

    /// Returns the attempts that a heartbeat names: those that the service granted.
    pub fn works_on(&self) -> Vec<AttemptKey> {
        let granted = self.attempts.iter().filter(|(_, attempt)| !matches!(attempt.state, State::Asking(_)));
        granted.map(|(key, _)| *key).collect()
    }

    /// Returns whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.attempts.is_empty()
    }
}

impl<R: Clone> Attempt<R> {
    /// Sends the next report, if none is on its way.
    fn send(&mut self, key: AttemptKey, now: Duration) -> Option<Action<R>> {
        if self.sent.is_some() {
            return None;
        }
        let report = self.waiting.pop_front()?;
        self.sent = Some((report.clone(), now));
        Some(Action::Send(key, self.number, report))
    }
}
