//! How many attempts a service has at workers at once, for each set of labels. The rest waits in
//! the store, in order of priority: the broker knows no priorities, and an offer that it has cannot
//! be put behind a later one.
//!
//! A window has as many attempts as workers with the labels have slots, and what they take within
//! [`AHEAD`] beyond that, so that they do not wait for the next offer.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::labels::Labels;

use crate::execute::queue::Queue;
use crate::lock::lock;

/// An offer that waits at the broker waits about this long.
const AHEAD: Duration = Duration::from_millis(100);

/// The speed of the workers is counted over this time.
const COUNTED: Duration = Duration::from_millis(200);

/// The most attempts of one set of labels at once.
const MOST: usize = 4_096;

/// The windows of a service.
#[derive(Debug)]
pub struct Windows {
    queue: Queue,
    state: Mutex<State>,
    /// Builds that no worker can run, and so are not in the queue.
    alone: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// How many attempts each worker can have, and its labels, in no order.
    workers: Vec<(u32, Labels)>,
    /// How many attempts all of them can have.
    slots: usize,
    sets: BTreeMap<Labels, Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// Slots of workers that have the labels.
    slots: usize,
    /// When short attempts ended lately, the oldest first.
    ended: VecDeque<Instant>,
}

impl Window {
    /// Returns how many attempts are offered beyond the slots.
    fn ahead(&mut self, now: Instant) -> usize {
        while self.ended.front().is_some_and(|at| now.saturating_duration_since(*at) > COUNTED) {
            self.ended.pop_front();
        }
        self.ended.len() * AHEAD.as_millis() as usize / COUNTED.as_millis() as usize
    }
}

fn slots_for(workers: &[(u32, Labels)], needs: &Labels) -> usize {
    workers.iter().filter(|(_, labels)| labels.have(needs)).map(|(slots, _)| *slots as usize).sum()
}

impl Default for Windows {
    fn default() -> Self {
        let (state, alone) = Default::default();
        Self { queue: Queue::of_sets(), state, alone }
    }
}

impl Windows {
    /// Returns the queue of the attempts, those that need these labels included.
    pub(super) fn queue(&self, needs: &Labels) -> Queue {
        let mut state = lock(&self.state);
        if !state.sets.contains_key(needs) {
            let slots = slots_for(&state.workers, needs);
            state.sets.insert(needs.clone(), Window { slots, ended: VecDeque::new() });
            self.adapt(&mut state, Instant::now());
        }
        self.queue.clone()
    }

    /// Adapts the sizes to the workers that are there, and to what they take now.
    fn adapt(&self, state: &mut State, now: Instant) {
        let mut ahead = 0;
        let size = |(needs, window): (_, &mut Window)| {
            let own = window.ahead(now);
            ahead += own;
            (needs, if window.slots == 0 { 0 } else { window.slots + own })
        };
        let sizes: Vec<(&Labels, usize)> = state.sets.iter_mut().map(size).collect();
        self.queue.resize((state.slots + ahead).min(MOST), sizes);
    }

    /// Takes note of the workers that are there.
    pub(super) fn set_workers(&self, workers: Vec<(u32, Labels)>, now: Instant) {
        let mut state = lock(&self.state);
        state.workers = workers;
        state.slots = slots_for(&state.workers, &Labels::default());
        let State { workers, sets, .. } = &mut *state;
        for (needs, window) in sets {
            window.slots = slots_for(workers, needs);
        }
        self.adapt(&mut state, now);
    }

    /// Takes note that time has passed.
    pub(super) fn look(&self, now: Instant) {
        self.adapt(&mut lock(&self.state), now);
    }

    /// Takes note of an attempt that ran on a worker for some time. Only short ones need others
    /// ahead.
    pub(super) fn ended(&self, needs: &Labels, ran: Duration, now: Instant) {
        let mut state = lock(&self.state);
        if let Some(window) = state.sets.get_mut(needs).filter(|_| ran < COUNTED) {
            window.ended.push_back(now);
            self.adapt(&mut state, now);
        }
    }

    /// Counts a build that no worker can run, until the result is dropped.
    pub(super) fn alone(&self) -> Counted<'_> {
        self.alone.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    /// Returns how many attempts are in a window, and how many wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.queue.taken(), self.queue.waiting() + self.alone.load(Ordering::Relaxed))
    }

    /// Lets no more attempts into the windows.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}

/// A build that no worker can run.
pub(super) struct Counted<'a>(&'a Windows);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.alone.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::queue::Permit;

    fn labels(text: &str) -> Labels {
        Labels::of(text.split_whitespace().map(str::to_owned))
    }

    fn all(queue: &Queue, needs: &Labels) -> Vec<Permit> {
        std::iter::from_fn(|| queue.try_take(needs)).collect()
    }

    #[test]
    fn a_window_has_the_slots_of_the_workers_that_have_the_labels() {
        let (windows, now, any, gpu) = (Windows::default(), Instant::now(), labels(""), labels("gpu"));
        let queue = windows.queue(&any);
        windows.queue(&gpu);
        assert!(queue.try_take(&any).is_none(), "there is no worker");
        windows.set_workers(vec![(2, gpu.clone()), (1, any.clone())], now);
        let of_gpu = all(&queue, &gpu);
        assert_eq!((of_gpu.len(), all(&queue, &any).len()), (2, 1), "three in all");
        let held = all(&queue, &any);
        assert_eq!(windows.counts(), (3, 0));
        // A worker goes while its attempts are still there.
        windows.set_workers(vec![(1, any.clone())], now);
        drop(of_gpu);
        assert!(all(&queue, &gpu).is_empty() && all(&queue, &any).is_empty());
        drop(held);
        assert_eq!(all(&queue, &any).len(), 1);
        windows.close();
        assert!(windows.queue(&labels("linux")).try_take(&any).is_none());
    }

    #[test]
    fn workers_that_are_fast_are_offered_a_tenth_of_a_second_ahead() {
        let (windows, start, any) = (Windows::default(), Instant::now(), labels(""));
        let queue = windows.queue(&any);
        windows.set_workers(vec![(2, any.clone())], start);
        let free = || all(&queue, &any).len();
        (0..50).for_each(|_| windows.ended(&any, Duration::from_secs(1), start));
        assert_eq!(free(), 2, "long ones that end together ask for nothing ahead");
        (0..100).for_each(|at| windows.ended(&any, Duration::ZERO, start + Duration::from_millis(at)));
        assert_eq!(free(), 2 + 50);
        windows.look(start + Duration::from_millis(400));
        assert_eq!(free(), 2);
        (0..100_000).for_each(|_| windows.ended(&any, Duration::ZERO, start + Duration::from_secs(1)));
        assert_eq!(free(), MOST);
    }
}
