//! One request and its response.

use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use http::Response;
use http::Uri;
use http_body::Body;
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::body::Incoming;
use jobcontrol_core::http::Scheme;
use jobcontrol_core::http::Target;
use jobcontrol_core::limits::Excess;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;

use super::connect::Refused;
use super::connect::connect;
use super::connection::Connection;
use super::connections::Connections;
use super::received::Received;
use super::received::of_hyper;

/// How long connecting may take, including resolving the name and the TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// How long all headers of a response may take, counted from when the last of the request was sent.
const HEADERS: Duration = Duration::from_mins(1);

/// How long the body of a response may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a connection may take to become ready after its last response.
const READY: Duration = Duration::from_millis(100);

/// Makes a request. The guest may ask for other timeouts; the time limit of its attempt ends all of
/// them.
pub(super) async fn exchange(
    connections: Arc<Connections>,
    target: Target,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Response<WasiBody>, Refused> {
    let options = options.unwrap_or_default();
    *request.uri_mut() = requested(&connections, &target, request.uri());
    let sent = Sent::default();
    let mut request = sent.watching(request);
    loop {
        let kept = kept(&connections, &target).await;
        let reused = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let Some(open) = connections.open() else {
                    let said = connections.meter().guest().limits().exceeded(Excess::HttpConnections);
                    return Err(Refused::said(Error::ConnectionLimitReached, said));
                };
                let time = options.connect_timeout.unwrap_or(CONNECT);
                connect(&connections, &target, open, time).await?
            }
        };
        let time = options.first_byte_timeout.unwrap_or(HEADERS);
        match sent.within(time, connection.sender.try_send_request(request)).await {
            None => return Err(Error::ConnectionReadTimeout.into()),
            Some(Ok(response)) => {
                let silence = options.between_bytes_timeout.unwrap_or(SILENCE);
                let (head, mut incoming) = response.into_parts();
                let first = first(&mut incoming).await;
                let (connection, until) = (Some(connection), None);
                let body = Received { first, incoming, connection, connections, target, silence, until };
                return Ok(Response::from_parts(head, body.boxed_unsync()));
            }
            Some(Err(mut error)) => match error.take_message().filter(|_| reused) {
                // The peer had closed the connection, and the request was not sent.
                Some(unsent) => request = unsent,
                None => return Err(of_hyper(error.error()).into()),
            },
        }
    }
}

/// When the last part of a request's body was sent.
#[derive(Clone)]
struct Sent(Arc<Mutex<Instant>>);

impl Default for Sent {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Sent {
    fn last(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps a request so that each part of its body that is sent is recorded.
    fn watching(&self, request: Request<WasiBody>) -> Request<WasiBody> {
        let sent = self.clone();
        request.map(|body| {
            let told = body.map_frame(move |frame| {
                *sent.last() = Instant::now();
                frame
            });
            told.boxed_unsync()
        })
    }

    /// Waits while the body is being sent, and for `time` after that. Returns `None` when that time
    /// is up.
    async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        *self.last() = Instant::now();
        loop {
            let until = *self.last() + time;
            match timeout_at(until, &mut work).await {
                Ok(done) => return Some(done),
                Err(_) if *self.last() + time > until => {}
                Err(_) => return None,
            }
        }
    }
}

/// Returns the beginning of a body if it arrived with the headers. This saves waking a task for it.
async fn first(incoming: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    if incoming.is_end_stream() {
        return None;
    }
    let mut asked = false;
    poll_fn(|context| match Pin::new(&mut *incoming).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(frame),
        // Let the connection run once.
        Poll::Pending if !std::mem::replace(&mut asked, true) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Returns a connection that was used before and can be used again.
async fn kept(connections: &Connections, target: &Target) -> Option<Connection> {
    while let Some(mut connection) = connections.kept(target) {
        if matches!(timeout(READY, connection.sender.ready()).await, Ok(Ok(()))) {
            return Some(connection);
        }
    }
    None
}

/// Returns the target for the request line: the path and query, or the whole URI if a proxy needs
/// the host.
fn requested(connections: &Connections, target: &Target, uri: &Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = uri.path_and_query().cloned();
    if connections.rules().proxy.is_some() && target.scheme == Scheme::Http {
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = target.authority().parse().ok();
    }
    // The parts come from a valid request.
    Uri::from_parts(parts).unwrap_or_default()
}
