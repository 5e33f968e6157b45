//! Tasks that end with their owner.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A task on the threads of the network, which ends when this is dropped.
pub(super) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    pub(super) fn start(network: &Handle, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(network.spawn(work))
    }

    /// Wraps a task that was started elsewhere.
    pub(super) fn of(task: JoinHandle<T>) -> Self {
        Self(task)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Resolves to the task's result, or to `None` if it panicked or its runtime is gone.
impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}
