//! The time that a call spends on a guest thread.

use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::apart::apart_if;

/// Runs a future to its end and adds the duration of each poll to `spent`. The time counts even if
/// the future is dropped early. While `long` is true, the future is polled apart from other guests.
pub(crate) async fn metered<T>(spent: &mut Duration, long: &AtomicBool, run: impl Future<Output = T>) -> T {
    let mut run = pin!(run);
    poll_fn(|context| {
        let since = Instant::now();
        let polled = apart_if(long.load(Ordering::Relaxed), || run.as_mut().poll(context));
        *spent += since.elapsed();
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use super::*;

    fn spin(time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn polls_count_and_the_time_between_them_does_not() {
        const ON: Duration = Duration::from_millis(2);
        let (mut spent, since) = (Duration::ZERO, Instant::now());
        let (mut polls, long) = (0, AtomicBool::new(false));
        let run = poll_fn(|_| {
            spin(ON);
            polls += 1;
            Poll::<()>::Pending
        });
        {
            let mut run = pin!(metered(&mut spent, &long, run));
            let mut context = Context::from_waker(Waker::noop());
            assert!(run.as_mut().poll(&mut context).is_pending());
            spin(10 * ON);
            assert!(run.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(polls, 2);
        assert!(spent >= 2 * ON && spent + 10 * ON <= since.elapsed(), "{spent:?}");
    }
}
