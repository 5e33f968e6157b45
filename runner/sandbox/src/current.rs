//! The build that a thread polls. What reads values out of a guest reaches neither the store nor
//! its data, and has to charge what it makes before it makes it.

use std::cell::Cell;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use crate::guest::Guest;

thread_local! {
    static CURRENT: Cell<Option<Arc<Guest>>> = const { Cell::new(None) };
}

/// Runs a future to its end; during each of its polls, its build is the current one of the thread.
pub(crate) async fn running<T>(guest: &Arc<Guest>, run: impl Future<Output = T>) -> T {
    let (mut run, mut guest) = (pin!(run), Some(Arc::clone(guest)));
    poll_fn(|context| {
        CURRENT.set(guest.take());
        let polled = run.as_mut().poll(context);
        guest = CURRENT.take();
        polled
    })
    .await
}

/// Calls `with` with the build that the thread polls; outside of any, there is nothing to charge.
pub(crate) fn with<E>(with: impl FnOnce(&Guest) -> Result<(), E>) -> Result<(), E> {
    let Some(guest) = CURRENT.take() else {
        return Ok(());
    };
    let result = with(&guest);
    CURRENT.set(Some(guest));
    result
}
