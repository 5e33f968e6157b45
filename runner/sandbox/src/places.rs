//! How many calls run at once.

use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::Notify;

use crate::engine::Ticker;

/// Places for calls. The ticker's count of running guests doubles as the count of places taken, so
/// a call changes only one number that all threads share.
pub(crate) struct Places {
    ticker: Ticker,
    most: usize,
    /// Calls that wait for a place.
    waiting: AtomicUsize,
    freed: Notify,
}

/// The place of one call, until it is dropped.
pub(crate) struct Place<'a>(&'a Places);

/// One call that waits.
struct Waiter<'a>(&'a AtomicUsize);

impl Places {
    pub(crate) fn new(ticker: Ticker, most: usize) -> Self {
        Self { ticker, most, waiting: AtomicUsize::new(0), freed: Notify::new() }
    }

    /// Takes a place if one is free and nobody waits for one.
    pub(crate) fn try_take(&self) -> Option<Place<'_>> {
        if self.waiting.load(SeqCst) == 0 { self.free() } else { None }
    }

    /// Waits for a place.
    pub(crate) async fn take(&self) -> Place<'_> {
        let _waiter = Waiter::new(&self.waiting);
        loop {
            // Starts to listen before it checks, so that it does not miss a place that is freed in
            // between.
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.free() {
                return place;
            }
            freed.await;
        }
    }

    fn free(&self) -> Option<Place<'_>> {
        self.ticker.count_if_below(self.most).then(|| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.ticker.uncount();
        if self.0.waiting.load(SeqCst) > 0 {
            self.0.freed.notify_one();
        }
    }
}

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::runtime::Builder;

    use super::*;
    use crate::engine;

    #[test]
    fn no_more_than_the_most_are_taken_and_all_that_wait_get_one() {
        const MOST: usize = 3;
        let ticker = Ticker::start(&engine::compiling().unwrap()).unwrap();
        let places = Arc::new(Places::new(ticker, MOST));
        let (now, runtime) =
            (Arc::new(AtomicUsize::new(0)), Builder::new_multi_thread().worker_threads(4).build().unwrap());
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (places, now) = (Arc::clone(&places), Arc::clone(&now));
                runtime.spawn(async move {
                    for _ in 0..200 {
                        let place = match places.try_take() {
                            Some(place) => place,
                            None => places.take().await,
                        };
                        assert!(now.fetch_add(1, SeqCst) < MOST);
                        tokio::task::yield_now().await;
                        now.fetch_sub(1, SeqCst);
                        drop(place);
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    }

    #[test]
    fn who_stops_waiting_leaves_its_place_to_the_next() {
        let ticker = Ticker::start(&engine::compiling().unwrap()).unwrap();
        let places = Places::new(ticker, 1);
        let place = places.try_take().unwrap();
        Builder::new_current_thread().build().unwrap().block_on(async {
            let (mut first, mut second) = (Box::pin(places.take()), Box::pin(places.take()));
            assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
            drop(place);
            assert!(places.try_take().is_none(), "two wait for it");
            drop(first);
            drop(second.await);
            assert!(places.try_take().is_some());
        });
    }

    fn is_pending<T>(future: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> bool {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
    }
}
