//! The body of a response, as the guest reads it.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Bytes;
use hyper::body::Incoming;
use jobcontrol_core::http::Target;
use tokio::time::Sleep;
use wasmtime_wasi_http::Error;

use super::connection::Connection;
use super::connections::Connections;

/// The body of a response. Once it has been read to its end, its connection can be used again.
pub(super) struct Received {
    /// The beginning of the body if it has already arrived.
    pub(super) first: Option<Result<Frame<Bytes>, hyper::Error>>,
    pub(super) incoming: Incoming,
    pub(super) connection: Option<Connection>,
    pub(super) connections: Arc<Connections>,
    pub(super) target: Target,
    /// How long the peer may be silent.
    pub(super) silence: Duration,
    pub(super) until: Option<Pin<Box<Sleep>>>,
}

impl Received {
    /// Hands the connection over to the next request.
    fn done(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.connections.keep(&self.target, connection);
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            // The length was known, and everything has been read.
            None if self.incoming.is_end_stream() => Poll::Ready(None),
            None => Pin::new(&mut self.incoming).poll_frame(context),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.until = None;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.connection = None;
                Poll::Ready(Some(Err(of_hyper(&error))))
            }
            Poll::Ready(None) => {
                self.done();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let silence = self.silence;
                let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
                if until.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.connection = None;
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() { SizeHint::new() } else { self.incoming.size_hint() }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // No guest asks for the end of a body that is empty or has a known length.
        if self.incoming.is_end_stream() {
            self.done();
        }
    }
}

/// Returns the error of HTTP for the guest.
pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_timeout() {
        return Error::ConnectionReadTimeout;
    }
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(None);
    }
    if error.is_parse() {
        return Error::HttpProtocolError;
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::UnexpectedEof => Error::HttpResponseIncomplete,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Error::HttpResponseTransferCoding(None),
                _ => Error::ConnectionTerminated,
            };
        }
        // The guest's body ended with another length than it declared.
        if let Some(Error::HttpRequestBodySize(size)) = inner.downcast_ref::<Error>() {
            return Error::HttpRequestBodySize(*size);
        }
        cause = inner.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Error::ConnectionTerminated;
    }
    Error::HttpProtocolError
}
