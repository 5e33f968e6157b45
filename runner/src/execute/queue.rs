//! A number of permits for builds that wait. The highest priority comes first, and then the oldest
//! build. Those that need the same labels of a worker may have a number of their own: where it is
//! used up, others go first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::labels::Labels;
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
    all: Room,
    /// How many permits those that need the same labels may have, if nobody said otherwise.
    each: usize,
    sets: BTreeMap<Labels, Set>,
    is_closed: bool,
    next: u64,
}

/// A number of permits.
#[derive(Debug)]
struct Room {
    size: usize,
    taken: usize,
}

impl Room {
    fn has_some(&self) -> bool {
        self.taken < self.size
    }
}

/// Those that need the same labels.
#[derive(Debug)]
struct Set {
    room: Room,
    /// The number in the key separates those that wait for the same build.
    waiting: BTreeMap<(Turn, u64), oneshot::Sender<Permit>>,
}

/// A permit, which goes to the next in the queue when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Queue, Labels);

impl Queue {
    /// Creates a queue with that many permits, for whatever labels.
    pub(super) fn new(permits: usize) -> Self {
        Self::with(permits, usize::MAX)
    }

    /// Creates a queue that has no permits until [`resize`](Self::resize) gives it some.
    pub(super) fn of_sets() -> Self {
        Self::with(0, 0)
    }

    fn with(permits: usize, each: usize) -> Self {
        let (sets, next) = Default::default();
        let all = Room { size: permits, taken: 0 };
        Self(Arc::new(Mutex::new(State { all, each, sets, is_closed: false, next })))
    }

    /// Returns a permit if one is free and nobody waits.
    pub(super) fn try_take(&self, needs: &Labels) -> Option<Permit> {
        let mut state = lock(&self.0);
        state.is_free(needs).then(|| self.permit(&mut state, needs))
    }

    /// Waits for a permit. A caller that gives up gets none.
    pub(super) async fn take(&self, needs: &Labels, turn: Turn) -> Permit {
        loop {
            let (place, given) = {
                let mut state = lock(&self.0);
                if state.is_free(needs) {
                    return self.permit(&mut state, needs);
                }
                let (give, given) = oneshot::channel();
                state.next += 1;
                let key = (turn, state.next);
                state.set(needs).waiting.insert(key, give);
                (Place { queue: self, needs, key }, given)
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
        lock(&self.0).sets.values().map(|set| set.waiting.len()).sum()
    }

    /// Returns how many permits are taken.
    pub(super) fn taken(&self) -> usize {
        lock(&self.0).all.taken
    }

    /// Changes how many permits there are, in all and for those that need these labels. Permits
    /// that are taken stay so.
    pub(super) fn resize<'a>(&self, permits: usize, sets: impl IntoIterator<Item = (&'a Labels, usize)>) {
        let mut given = Vec::new();
        {
            let mut state = lock(&self.0);
            state.all.size = permits;
            for (needs, size) in sets {
                state.set(needs).room.size = size;
            }
            while let Some((needs, give)) = state.pop() {
                given.push((give, self.permit(&mut state, &needs)));
            }
        }
        // Outside the lock, as below.
        given.into_iter().for_each(|(give, permit)| drop(give.send(permit)));
    }

    /// Stops giving permits from now on.
    pub(super) fn close(&self) {
        lock(&self.0).is_closed = true;
    }

    fn permit(&self, state: &mut State, needs: &Labels) -> Permit {
        state.all.taken += 1;
        state.set(needs).room.taken += 1;
        Permit(self.clone(), needs.clone())
    }
}

impl State {
    fn set(&mut self, needs: &Labels) -> &mut Set {
        let new = || Set { room: Room { size: self.each, taken: 0 }, waiting: BTreeMap::new() };
        self.sets.entry(needs.clone()).or_insert_with(new)
    }

    /// Returns whether a permit is free for a caller that has not waited.
    fn is_free(&mut self, needs: &Labels) -> bool {
        if self.is_closed || !self.all.has_some() {
            return false;
        }
        let set = self.set(needs);
        set.room.has_some() && set.waiting.is_empty()
    }

    /// Removes the first that waits and may have a permit.
    fn pop(&mut self) -> Option<(Labels, oneshot::Sender<Permit>)> {
        if self.is_closed || !self.all.has_some() {
            return None;
        }
        let with_room = self.sets.iter().filter(|(_, set)| set.room.has_some());
        let first = with_room.filter_map(|(needs, set)| Some((set.waiting.first_key_value()?.0, needs)));
        let needs = first.min()?.1.clone();
        let (_, give) = self.set(&needs).waiting.pop_first()?;
        Some((needs, give))
    }
}

/// A place in a queue, left when it is dropped.
struct Place<'a> {
    queue: &'a Queue,
    needs: &'a Labels,
    key: (Turn, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.queue.0).set(self.needs).waiting.remove(&self.key);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = lock(&self.0.0);
            state.all.taken -= 1;
            state.set(&self.1).room.taken -= 1;
            state.pop().map(|(needs, give)| (give, self.0.permit(&mut state, &needs)))
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
    use std::sync::LazyLock;

    use tokio::runtime::Builder;

    use super::*;

    static ANY: LazyLock<Labels> = LazyLock::new(Labels::default);

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn the_highest_priority_comes_first_and_then_the_oldest_build() {
        block_on(async {
            let queue = Queue::new(1);
            let held = queue.take(&ANY, Turn::new(0, 1)).await;
            let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
            for (priority, build) in [(0, 5), (-1, 2), (7, 9), (0, 4)] {
                let (queue, told) = (queue.clone(), told.clone());
                tokio::spawn(async move {
                    let permit = queue.take(&ANY, Turn::new(priority, build)).await;
                    told.send(build).unwrap();
                    drop(permit);
                });
            }
            while queue.waiting() < 4 {
                tokio::task::yield_now().await;
            }
            assert!(queue.try_take(&ANY).is_none());
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
            let held = queue.try_take(&ANY).unwrap();
            let mut gives_up = Box::pin(queue.take(&ANY, Turn::new(5, 1)));
            let mut waits = Box::pin(queue.take(&ANY, Turn::new(0, 2)));
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
            let (first, second) = (queue.try_take(&ANY).unwrap(), queue.try_take(&ANY).unwrap());
            let mut waits: Vec<_> = (1..4).map(|build| Box::pin(queue.take(&ANY, Turn::new(0, build)))).collect();
            assert!(waits.iter_mut().all(|waits| futures_poll(waits).is_none()));
            queue.resize(1, []);
            drop(first);
            assert!(waits.iter_mut().all(|waits| futures_poll(waits).is_none()), "one is taken of one");
            queue.resize(3, []);
            let given: Vec<_> = waits.iter_mut().map(futures_poll).collect();
            assert_eq!(given.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
            drop((given, second));
            drop(waits.pop().unwrap().await);
            assert_eq!((queue.taken(), queue.waiting()), (0, 0));
            assert_eq!(std::iter::from_fn(|| queue.try_take(&ANY)).collect::<Vec<_>>().len(), 3);
        });
    }

    #[test]
    fn labels_whose_permits_are_used_up_let_others_go_first() {
        block_on(async {
            let (queue, gpu) = (Queue::of_sets(), Labels::default().with("gpu"));
            assert!(queue.try_take(&ANY).is_none() && queue.try_take(&gpu).is_none());
            queue.resize(2, [(&*ANY, 2), (&gpu, 1)]);
            let first = queue.try_take(&gpu).unwrap();
            assert!(queue.try_take(&gpu).is_none());
            let mut urgent = Box::pin(queue.take(&gpu, Turn::new(9, 1)));
            assert!(futures_poll(&mut urgent).is_none());
            let second = queue.try_take(&ANY).unwrap();
            let mut plain = Box::pin(queue.take(&ANY, Turn::new(0, 2)));
            assert!(futures_poll(&mut plain).is_none(), "there are two in all");
            drop(second);
            assert!(futures_poll(&mut urgent).is_none());
            let second = plain.await;
            drop(first);
            let first = urgent.await;
            assert_eq!((queue.taken(), queue.waiting()), (2, 0));
            drop((first, second));
        });
    }

    #[test]
    fn a_closed_queue_gives_nothing() {
        block_on(async {
            let queue = Queue::new(1);
            let held = queue.try_take(&ANY).unwrap();
            let mut waits = Box::pin(queue.take(&ANY, Turn::new(0, 1)));
            assert!(futures_poll(&mut waits).is_none());
            queue.close();
            drop(held);
            assert!(futures_poll(&mut waits).is_none() && queue.try_take(&ANY).is_none());
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
