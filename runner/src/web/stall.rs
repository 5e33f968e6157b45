//! Closes a connection if the other end stops reading what it is sent.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use tokio::time::Sleep;

/// A client that takes nothing for this long is gone or malicious. It would hold memory and a place
/// forever.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that fails if the other end takes nothing for a while.
pub(super) struct Stall<I> {
    inner: I,
    /// Set while the other end does not take what is written.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<I> Stall<I> {
    /// Watches a connection.
    pub(super) fn new(inner: I) -> Self {
        Self { inner, waits: None }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.waits = None;
            return wrote;
        }
        let deadline = Instant::now() + PATIENCE;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        match waits.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stall<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Stall<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.watch(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, parts);
        self.watch(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_half_a_minute_is_cut_off() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut stall = Stall::new(ours);
        stall.write_all(&[0; 16]).await.unwrap();
        let (before, failed) = (Instant::now(), stall.write_all(&[0; 1]).await.unwrap_err());
        assert_eq!((failed.kind(), before.elapsed()), (io::ErrorKind::TimedOut, PATIENCE));
        // A client that takes something in time gets the full time again.
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut stall = Stall::new(ours);
        let reads = tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(PATIENCE / 2).await;
                theirs.read_exact(&mut [0; 16]).await.unwrap();
            }
        });
        stall.write_all(&[0; 80]).await.unwrap();
        reads.await.unwrap();
    }
}
