//! A number of permits for builds that wait. The highest priority comes first, and then the oldest
//! build.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use tokio::sync::oneshot;

use crate::lock::lock;

/// The place of a build among those that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    priority: Reverse<i64>,
    build: u64,
}

impl Turn {
    pub(super) fn new(priority: i64, build: u64) -> Self {
        Self { priority: Reverse(priority), build }
    }
}

/// A queue for permits.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Below 0 if the queue has shrunk and more permits are taken than it has.
    free: isize,
    size: usize,
    taken: usize,
    is_closed: bool,
    /// The number in the key separates those that wait for the same build.
    waiting: BTreeMap<(Turn, u64), oneshot::Sender<Permit>>,
    next: u64,
}

/// A permit, which goes to the next in the queue when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Queue);

impl Queue {
    /// Creates a queue with that many permits.
    pub(super) fn new(permits: usize) -> Self {
        let (waiting, next) = Default::default();
        let free = permits.cast_signed();
        Self(Arc::new(Mutex::new(State { free, size: permits, taken: 0, is_closed: false, waiting, next })))
    }

    /// Returns a permit if one is free and nobody waits.
    pub(super) fn try_take(&self) -> Option<Permit> {
        let mut state = lock(&self.0);
        if state.is_closed || state.free <= 0 || !state.waiting.is_empty() {
            return None;
        }
        Some(self.permit(&mut state))
    }

    /// Waits for a permit. A caller that gives up gets none.
    pub(super) async fn take(&self, turn: Turn) -> Permit {
        loop {
            let (place, given) = {
                let mut state = lock(&self.0);
                if !state.is_closed && state.free > 0 && state.waiting.is_empty() {
                    return self.permit(&mut state);
                }
                let (give, given) = oneshot::channel();
                state.next += 1;
                let key = (turn, state.next);
                state.waiting.insert(key, give);
                (Place { queue: self, key }, given)
            };
            let given = given.await;
            drop(place);
            if let Ok(permit) = given {
                return permit;
            }
        }
    }

    /// Returns how many wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.0).waiting.len()
    }

    /// Returns how many permits are taken.
    pub(super) fn taken(&self) -> usize {
        lock(&self.0).taken
    }

    /// Changes how many permits there are. Those that are taken stay.
    pub(super) fn resize(&self, permits: usize) {
        let mut given = Vec::new();
        {
            let mut state = lock(&self.0);
            state.free += permits.cast_signed() - state.size.cast_signed();
            state.size = permits;
            while !state.is_closed && state.free > 0 {
                let Some((_, give)) = state.waiting.pop_first() else { break };
                given.push((give, self.permit(&mut state)));
            }
        }
        // Outside the lock, as below.
        given.into_iter().for_each(|(give, permit)| drop(give.send(permit)));
    }

    /// Stops giving permits from now on.
    pub(super) fn close(&self) {
        lock(&self.0).is_closed = true;
    }

    fn permit(&self, state: &mut State) -> Permit {
        state.free -= 1;
        state.taken += 1;
        Permit(self.clone())
    }
}

/// A place in a queue, left when it is dropped.
struct Place<'a> {
    queue: &'a Queue,
    key: (Turn, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.queue.0).waiting.remove(&self.key);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = lock(&self.0.0);
            state.free += 1;
            state.taken -= 1;
            let next = if state.is_closed || state.free <= 0 { None } else { state.waiting.pop_first() };
            next.map(|(_, give)| (give, self.0.permit(&mut state)))
        };
        // Sent outside the lock: a receiver that has just given up drops the permit, which passes
        // it on.
        if let Some((give, permit)) = next {
            drop(give.send(permit));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn the_highest_priority_comes_first_and_then_the_oldest_build() {
        block_on(async {
            let queue = Queue::new(1);
            let held = queue.take(Turn::new(0, 1)).await;
            let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
            for (priority, build) in [(0, 5), (-1, 2), (7, 9), (0, 4)] {
                let (queue, told) = (queue.clone(), told.clone());
                tokio::spawn(async move {
                    let permit = queue.take(Turn::new(priority, build)).await;
                    told.send(build).unwrap();
                    drop(permit);
                });
            }
            while queue.waiting() < 4 {
                tokio::task::yield_now().await;
            }
            assert!(queue.try_take().is_none());
            drop((held, told));
            let mut builds = Vec::new();
            while let Some(build) = order.recv().await {
                builds.push(build);
            }
            assert_eq!(builds, [9, 4, 5, 2]);
        });
    }

    #[test]
    fn who_gives_up_leaves_the_permit_to_the_next() {
        block_on(async {
            let queue = Queue::new(1);
            let held = queue.try_take().unwrap();
            let mut gives_up = Box::pin(queue.take(Turn::new(5, 1)));
            let mut waits = Box::pin(queue.take(Turn::new(0, 2)));
            assert!(futures_poll(&mut gives_up).is_none() && futures_poll(&mut waits).is_none());
            // It has been given the permit, but has not looked yet.
            drop(held);
            drop(gives_up);
            let permit = waits.await;
            assert_eq!((queue.taken(), queue.waiting()), (1, 0));
            drop(permit);
            assert_eq!(queue.taken(), 0);
        });
    }

    #[test]
    fn a_queue_that_grows_wakes_those_that_wait_and_one_that_shrinks_takes_nothing_back() {
        block_on(async {
            let queue = Queue::new(2);
            let (first, second) = (queue.try_take().unwrap(), queue.try_take().unwrap());
            let mut waits: Vec<_> = (1..4).map(|build| Box::pin(queue.take(Turn::new(0, build)))).collect();
            assert!(waits.iter_mut().all(|waits| futures_poll(waits).is_none()));
            queue.resize(1);
            drop(first);
            assert!(waits.iter_mut().all(|waits| futures_poll(waits).is_none()), "one is taken of one");
            queue.resize(3);
            let given: Vec<_> = waits.iter_mut().map(futures_poll).collect();
            assert_eq!(given.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
            drop((given, second));
            drop(waits.pop().unwrap().await);
            assert_eq!((queue.taken(), queue.waiting()), (0, 0));
            assert_eq!(std::iter::from_fn(|| queue.try_take()).collect::<Vec<_>>().len(), 3);
        });
    }

    #[test]
    fn a_closed_queue_gives_nothing() {
        block_on(async {
            let queue = Queue::new(1);
            let held = queue.try_take().unwrap();
            let mut waits = Box::pin(queue.take(Turn::new(0, 1)));
            assert!(futures_poll(&mut waits).is_none());
            queue.close();
            drop(held);
            assert!(futures_poll(&mut waits).is_none() && queue.try_take().is_none());
            assert_eq!(queue.taken(), 0);
        });
    }

    fn futures_poll<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> Option<T> {
        match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
