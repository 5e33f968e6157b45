//! The time that a call is on a guest thread.

use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;
use std::time::Instant;

/// Runs a future to its end and adds the duration of each of its polls to `spent`, which also counts if the future is
/// dropped before its end.
pub(crate) async fn metered<T>(spent: &mut Duration, run: impl Future<Output = T>) -> T {
    let mut run = pin!(run);
    poll_fn(|context| {
        let since = Instant::now();
        let polled = run.as_mut().poll(context);
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
        let mut polls = 0;
        let run = poll_fn(|_| {
            spin(ON);
            polls += 1;
            Poll::<()>::Pending
        });
        {
            let mut run = pin!(metered(&mut spent, run));
            let mut context = Context::from_waker(Waker::noop());
            assert!(run.as_mut().poll(&mut context).is_pending());
            spin(10 * ON);
            assert!(run.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(polls, 2);
        assert!(spent >= 2 * ON && spent + 10 * ON <= since.elapsed(), "{spent:?}");
    }
}
