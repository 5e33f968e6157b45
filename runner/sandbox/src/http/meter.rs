//! Compares what goes over the wire with the limits of the build.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;

use jobcontrol_core::limits::Excess;
use jobcontrol_core::usage::Traffic;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use crate::guest::Guest;
use crate::signal::Signal;

/// The host memory that a connection holds: the buffers of TLS and of HTTP, in both directions.
const CONNECTION: u64 = 256 << 10;

/// Counts the traffic of one attempt, and ends a build that is over a limit.
pub(super) struct Meter {
    guest: Arc<Guest>,
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    open: AtomicU64,
}

impl Meter {
    pub(super) fn new(guest: Arc<Guest>) -> Self {
        let (requests, sent, received, open) = Default::default();
        Self { guest, requests, sent, received, open }
    }

    pub(super) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Returns the traffic so far.
    pub(super) fn traffic(&self) -> Traffic {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic { requests: read(&self.requests), sent: read(&self.sent), received: read(&self.received) }
    }

    /// Counts a request and returns whether it may be made.
    pub(super) fn request(&self) -> bool {
        self.count(&self.requests, 1, self.guest.limits().http_requests, Excess::HttpRequests)
    }

    fn sent(&self, bytes: usize) -> bool {
        self.count(&self.sent, bytes as u64, self.guest.limits().http_sent, Excess::HttpSent)
    }

    fn received(&self, bytes: usize) -> bool {
        if bytes > 0 {
            self.guest.deadlines.sign();
        }
        self.count(&self.received, bytes as u64, self.guest.limits().http_received, Excess::HttpReceived)
    }

    fn count(&self, count: &AtomicU64, more: u64, most: u64, excess: Excess<'_>) -> bool {
        let within = count.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= most;
        if !within {
            self.guest.stop.now(Signal::Limit(self.guest.limits().exceeded(excess)));
        }
        within
    }

    /// Takes one of the connections that the build may have open at once, or returns `None` if all
    /// are taken.
    pub(super) fn open(self: &Arc<Self>) -> Option<Open> {
        let most = self.guest.limits().http_connections;
        let more = |open: u64| (open < most).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let mut open = Open { meter: Arc::clone(self), charged: false };
        match self.guest.account.charge(CONNECTION) {
            Ok(()) => {
                open.charged = true;
                Some(open)
            }
            Err(full) => {
                self.guest.stop.now(Signal::full(full));
                None
            }
        }
    }
}

/// One of the open connections of a build, until it is dropped.
pub(super) struct Open {
    meter: Arc<Meter>,
    charged: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.meter.open.fetch_sub(1, Ordering::Relaxed);
        if self.charged {
            self.meter.guest.account.give_back(CONNECTION);
        }
    }
}

/// A connection whose bytes are counted.
pub(super) struct Metered {
    stream: TcpStream,
    meter: Arc<Meter>,
}

impl Metered {
    pub(super) fn new(stream: TcpStream, meter: Arc<Meter>) -> Self {
        Self { stream, meter }
    }
}

/// Returns the error that ends a connection of a build that is over a limit.
fn over() -> io::Error {
    io::Error::other("the build is over its limit")
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let within = self.meter.received(buffer.filled().len() - before);
        if within { polled } else { Poll::Ready(Err(over())) }
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        match &polled {
            Poll::Ready(Ok(count)) if !self.meter.sent(*count) => Poll::Ready(Err(over())),
            _ => polled,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
