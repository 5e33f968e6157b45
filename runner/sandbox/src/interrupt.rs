//! Ends a call from outside, when its time is up or when it is cancelled.

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
use crate::stop::Stop;

/// How long after its deadline a guest that waits in the host may go on. A guest that runs is
/// stopped sooner, and so leaves its call stack.
const GRACE: Duration = TICK.saturating_mul(2).saturating_sub(Duration::from_millis(2));

/// Stops a guest that runs: at each tick it yields to others, and it ends if its time is up.
pub(crate) fn at_ticks(store: &mut Store<Host>, deadlines: Arc<Deadlines>, cancel: Cancel) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |store| {
        if let Some(signal) = store.data().guest.stop.signal() {
            return Err(signal.clone().into());
        }
        if cancel.is_set() {
            return Err(Signal::Cancelled.into());
        }
        if let Some(timeout) = deadlines.exceeded(Instant::now()) {
            return Err(Signal::Timeout(timeout).into());
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// Stops a guest that waits in the host by dropping its future.
pub(crate) async fn in_time<T>(
    run: impl Future<Output = wasmtime::Result<T>>,
    deadlines: &Deadlines,
    mut cancel: Cancel,
    stop: &Stop,
) -> wasmtime::Result<T> {
    let cancelled = async {
        cancel.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        // The host's signal takes precedence over what the guest makes of the error that it got at
        // the same time.
        result = run => stop.signal().map_or(result, |signal| Err(signal.clone().into())),
        () = cancelled => Err(Signal::Cancelled.into()),
        signal = stop.wait() => Err(signal.into()),
        timeout = exceeded(deadlines) => Err(Signal::Timeout(timeout).into()),
    }
}

/// Waits until a deadline is missed by more than the grace period. Signs of life move one of the
/// deadlines.
async fn exceeded(deadlines: &Deadlines) -> Timeout {
    loop {
        tokio::time::sleep_until((deadlines.next() + GRACE).into()).await;
        if let Some(timeout) = deadlines.exceeded(Instant::now() - GRACE) {
            return timeout;
        }
    }
}
