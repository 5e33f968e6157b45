//! Ends a call from outside: when its time is up, or when it is cancelled.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use wasmtime::Store;
use wasmtime::UpdateDeadline;

use crate::cancel::Cancel;
use crate::deadline::Deadlines;
use crate::deadline::Timeout;
use crate::engine::TICK;
use crate::host::Host;
use crate::signal::Signal;

/// How long a guest that waits in the host is left after its time, so that one that runs can be stopped with its
/// call stack first.
const GRACE: Duration = TICK.saturating_mul(2).saturating_sub(Duration::from_millis(2));

/// Stops a guest that runs: at each tick it gives way to others, and ends if its time is up.
pub(crate) fn at_ticks(store: &mut Store<Host>, deadlines: Arc<Deadlines>, cancel: Cancel) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if cancel.is_set() {
            return Err(Signal::Cancelled.into());
        }
        if let Some(timeout) = deadlines.exceeded(Instant::now()) {
            return Err(Signal::Timeout(timeout).into());
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// Stops a guest that waits in the host, by dropping it.
pub(crate) async fn in_time<T>(
    run: impl Future<Output = wasmtime::Result<T>>,
    deadlines: &Deadlines,
    mut cancel: Cancel,
) -> wasmtime::Result<T> {
    let cancelled = async {
        cancel.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        result = run => result,
        () = cancelled => Err(Signal::Cancelled.into()),
        timeout = exceeded(deadlines) => Err(Signal::Timeout(timeout).into()),
    }
}

/// Waits until a deadline is missed by more than the grace; signs of life move one of them on.
async fn exceeded(deadlines: &Deadlines) -> Timeout {
    loop {
        tokio::time::sleep_until((deadlines.next() + GRACE).into()).await;
        if let Some(timeout) = deadlines.exceeded(Instant::now() - GRACE) {
            return timeout;
        }
    }
}
