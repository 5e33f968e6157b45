//! How many attempts a service has at workers at once, for each set of labels. The rest waits in
//! the store, in order of priority: the broker knows no priorities, and an offer that it has cannot
//! be put behind a later one.
//!
//! A window has as many attempts as workers with the labels have slots, and what they take within
//! [`AHEAD`] beyond that, so that they do not wait for the next offer.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Mutex;
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
#[derive(Debug, Default)]
pub struct Windows(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The slots and labels of each worker, in no order.
    workers: Vec<(u32, Labels)>,
    sets: BTreeMap<Labels, Window>,
    is_closed: bool,
}

#[derive(Debug)]
struct Window {
    queue: Queue,
    /// Slots of workers that have the labels.
    slots: usize,
    /// When attempts ended lately, the oldest first.
    ended: VecDeque<Instant>,
}

impl Window {
    /// Adapts the size to what workers take now.
    fn adapt(&mut self, now: Instant) {
        while self.ended.front().is_some_and(|at| now.saturating_duration_since(*at) > COUNTED) {
            self.ended.pop_front();
        }
        self.queue.resize(size(self.slots, self.ended.len()));
    }
}

/// Returns the size of a window for that many slots, of which so many attempts ended within
/// [`COUNTED`].
fn size(slots: usize, ended: usize) -> usize {
    let ahead = ended * AHEAD.as_millis() as usize / COUNTED.as_millis() as usize;
    if slots == 0 { 0 } else { (slots + ahead).min(MOST) }
}

fn slots_for(workers: &[(u32, Labels)], needs: &Labels) -> usize {
    workers.iter().filter(|(_, labels)| labels.have(needs)).map(|(slots, _)| *slots as usize).sum()
}

impl Windows {
    /// Returns the queue for the attempts that need these labels.
    pub(super) fn queue(&self, needs: &Labels) -> Queue {
        let mut state = lock(&self.0);
        if let Some(window) = state.sets.get(needs) {
            return window.queue.clone();
        }
        let slots = slots_for(&state.workers, needs);
        let queue = Queue::new(size(slots, 0));
        if state.is_closed {
            queue.close();
        }
        state.sets.insert(needs.clone(), Window { queue: queue.clone(), slots, ended: VecDeque::new() });
        queue
    }

    /// Takes note of the workers that are there.
    pub(super) fn set_workers(&self, workers: Vec<(u32, Labels)>, now: Instant) {
        let mut state = lock(&self.0);
        state.workers = workers;
        let State { workers, sets, .. } = &mut *state;
        for (needs, window) in sets {
            window.slots = slots_for(workers, needs);
            window.adapt(now);
        }
    }

    /// Takes note of an attempt that ended on a worker.
    pub(super) fn ended(&self, needs: &Labels, now: Instant) {
        if let Some(window) = lock(&self.0).sets.get_mut(needs) {
            window.ended.push_back(now);
            window.adapt(now);
        }
    }

    /// Returns how many attempts are in a window, and how many wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = lock(&self.0);
        let queues = state.sets.values().map(|window| &window.queue);
        queues.fold((0, 0), |(taken, waiting), queue| (taken + queue.taken(), waiting + queue.waiting()))
    }

    /// Lets no more attempts into the windows.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        state.sets.values().for_each(|window| window.queue.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        Labels::of(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_window_has_the_slots_of_the_workers_that_have_the_labels() {
        let (windows, now) = (Windows::default(), Instant::now());
        let (any, gpu) = (windows.queue(&labels("")), windows.queue(&labels("gpu")));
        assert!(any.try_take().is_none(), "there is no worker");
        windows.set_workers(vec![(2, labels("gpu")), (1, labels(""))], now);
        let held: Vec<_> = std::iter::from_fn(|| any.try_take()).collect();
        assert_eq!(held.len(), 3);
        let of_gpu: Vec<_> = std::iter::from_fn(|| gpu.try_take()).collect();
        assert_eq!((of_gpu.len(), windows.counts()), (2, (5, 0)));
        // A worker goes while its attempts are still there.
        windows.set_workers(vec![(1, labels(""))], now);
        drop(of_gpu);
        assert!(gpu.try_take().is_none());
        drop(held);
        assert_eq!(std::iter::from_fn(|| any.try_take()).collect::<Vec<_>>().len(), 1);
        windows.close();
        assert!(windows.queue(&labels("linux")).try_take().is_none() && any.try_take().is_none());
    }

    #[test]
    fn workers_that_are_fast_are_offered_a_tenth_of_a_second_ahead() {
        let (windows, start) = (Windows::default(), Instant::now());
        let queue = windows.queue(&labels(""));
        windows.set_workers(vec![(2, labels(""))], start);
        let free = || std::iter::from_fn(|| queue.try_take()).collect::<Vec<_>>().len();
        windows.ended(&labels(""), start);
        assert_eq!(free(), 2, "one that ends now and then asks for nothing ahead");
        (0..100).for_each(|at| windows.ended(&labels(""), start + Duration::from_millis(at)));
        assert_eq!(free(), 2 + 50);
        windows.set_workers(vec![(2, labels(""))], start + Duration::from_millis(400));
        assert_eq!(free(), 2);
        (0..100_000).for_each(|_| windows.ended(&labels(""), start + Duration::from_secs(1)));
        assert_eq!(free(), MOST);
    }
}
