//! A bounded queue of what waits for one watcher. A watcher that is too slow loses all of it, and
//! is notified how much.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use crate::lock::lock;
use crate::service::told::Told;

/// How many events may wait for a watcher: a second of a busy service.
const WAITING: usize = 1_024;

/// How many bytes these events may have.
const WAITING_BYTES: usize = 256 << 10;

/// What a watcher gets next.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// Something happened.
    Event(Arc<Told>),
    /// The watcher was slower than the events, so this many were lost. The second number is that of
    /// the last one lost.
    Lost(u64, u64),
}

/// The events that wait for a watcher.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<Told>>,
    bytes: usize,
    /// How many were lost, and the number of the last one.
    lost: (u64, u64),
    closed: bool,
    waker: Option<Waker>,
}

impl Queue {
    /// Adds an event. Never waits.
    pub(super) fn push(&self, told: Arc<Told>) {
        let mut waiting = lock(&self.0);
        if waiting.events.len() >= WAITING || waiting.bytes > WAITING_BYTES {
            // The events that follow are then current. A watcher that lost only a part would never
            // catch up with the rest.
            let (lost, last) = (waiting.events.len() as u64, waiting.events.back().map_or(0, |told| told.number));
            waiting.lost = (waiting.lost.0 + lost, last);
            waiting.events.clear();
            waiting.bytes = 0;
        }
        waiting.bytes += told.size;
        waiting.events.push_back(told);
        wake(waiting.waker.take());
    }

    /// Records that events were lost before they came here, up to the one with that number.
    pub(super) fn lose(&self, count: u64, last: u64) {
        let mut waiting = lock(&self.0);
        let dropped = waiting.events.len() as u64;
        waiting.lost = (waiting.lost.0 + dropped + count, last);
        waiting.events.clear();
        waiting.bytes = 0;
        wake(waiting.waker.take());
    }

    /// Closes the queue: nothing more will come.
    pub(super) fn close(&self) {
        let mut waiting = lock(&self.0);
        waiting.closed = true;
        wake(waiting.waker.take());
    }

    /// Returns everything that waits, or `None` once nothing more will come.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Vec<Next>>> {
        let mut waiting = lock(&self.0);
        let (lost, last) = std::mem::take(&mut waiting.lost);
        let lost = (lost > 0).then_some(Next::Lost(lost, last));
        let next: Vec<Next> = lost.into_iter().chain(waiting.events.drain(..).map(Next::Event)).collect();
        waiting.bytes = 0;
        if !next.is_empty() {
            return Poll::Ready(Some(next));
        }
        if waiting.closed {
            return Poll::Ready(None);
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use jobcontrol_core::event::Event;
    use jobcontrol_core::event::EventKind;

    use super::*;

    fn told(number: u64) -> Arc<Told> {
        let event = Event { build_id: 1, job_id: "a".into(), kind: EventKind::Started };
        Arc::new(Told::of_build(number, Arc::new(event), 1))
    }

    fn taken(queue: &Queue) -> Vec<Next> {
        match queue.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(next)) => next,
            _ => Vec::new(),
        }
    }

    #[test]
    fn whoever_is_slow_loses_what_waits_and_gets_what_follows() {
        let queue = Queue::default();
        let many = WAITING as u64 + 10;
        (1..=many).for_each(|number| queue.push(told(number)));
        let next = taken(&queue);
        assert!(matches!(next[0], Next::Lost(lost, last) if lost == WAITING as u64 && last == lost), "{:?}", next[0]);
        let numbers: Vec<u64> = next[1..]
            .iter()
            .filter_map(|next| if let Next::Event(told) = next { Some(told.number) } else { None })
            .collect();
        assert_eq!(numbers, (WAITING as u64 + 1..=many).collect::<Vec<_>>());
        assert!(taken(&queue).is_empty());
        queue.lose(3, 99);
        assert!(matches!(taken(&queue).as_slice(), [Next::Lost(3, 99)]));
        queue.close();
        assert!(matches!(queue.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
    }
}
