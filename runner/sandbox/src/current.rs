//! The build that a thread is polling. The code that reads values out of a guest has no access to
//! the store or its data, and must charge memory before it allocates it.

use std::cell::Cell;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use crate::guest::Guest;

thread_local! {
    static CURRENT: Cell<Option<Arc<Guest>>> = const { Cell::new(None) };
}

/// Runs a future to its end. During each poll, its build is the current build of the thread.
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

/// Calls `with` with the build that this thread is polling. Outside of any build there is nothing
/// to charge, so `with` is not called.
pub(crate) fn with<E>(with: impl FnOnce(&Guest) -> Result<(), E>) -> Result<(), E> {
    let Some(guest) = CURRENT.take() else {
        return Ok(());
    };
    let result = with(&guest);
    CURRENT.set(Some(guest));
    result
}
