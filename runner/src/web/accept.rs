//! Connections: accepts them up to a limit, serves each within bounds of time and size, and closes
//! them together at the end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::UnixListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::client::Peer;
use super::sockets::Socket;
use super::stall::Stall;

/// Open connections at most: one for each client that may watch events, and half as many again.
/// Each busy connection holds a file descriptor and about 100 KiB.
const CONNECTIONS: usize = 1_600;

/// Time for all headers of a request. Also the time that an open connection may stay idle before
/// its next request.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);

/// Time for the TLS handshake of a connection.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Most bytes of a request's first line and headers. The read buffer has the same size.
const HEADER_BYTES: usize = 64 << 10;

/// Most headers of a request. Browsers send about 20 and proxies add a few.
const HEADER_COUNT: usize = 100;

/// How long open requests may go on once the service is stopping.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long to wait before accepting again after the machine refused a connection, for example
/// because the process is out of file descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// State that all connections share.
#[derive(Clone)]
struct Shared {
    router: Router,
    tls: Option<TlsAcceptor>,
    room: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// Serves the connections of these sockets until `stop` is set, then lets the open requests finish.
///
/// # Errors
///
/// Returns an error if the runtime cannot watch a socket.
pub(super) async fn serve(
    sockets: Vec<Socket>,
    router: Router,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let shared = Shared { router, tls, room: Arc::new(Semaphore::new(CONNECTIONS)), stop };
    let mut tasks = Vec::new();
    for socket in sockets {
        let shared = shared.clone();
        tasks.push(match socket {
            Socket::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                tokio::spawn(async move { networked(&listener, &shared).await })
            }
            Socket::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                let listener = UnixListener::from_std(listener)?;
                tokio::spawn(async move {
                    local(&listener, &shared).await;
                    drop(file);
                })
            }
        });
    }
    for task in tasks {
        // A panic is reported where it happens; the other tasks go on.
        let _ = task.await;
    }
    // Once all permits are acquired, no connection is left.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FAREWELL, shared.room.acquire_many(all)).await;
    Ok(())
}

async fn networked(listener: &TcpListener, shared: &Shared) {
    while let Some((permit, accepted)) = next(shared, || listener.accept()).await {
        let Some((stream, address)) = accepted else { continue };
        // Send small responses without delay.
        let _ = stream.set_nodelay(true);
        let peer = Peer::Address { ip: address.ip().to_canonical(), tls: shared.tls.is_some() };
        let shared = shared.clone();
        tokio::spawn(async move {
            match &shared.tls {
                None => connection(stream, peer, &shared).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                        connection(stream, peer, &shared).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn local(listener: &UnixListener, shared: &Shared) {
    while let Some((permit, accepted)) = next(shared, || listener.accept()).await {
        let Some((stream, _)) = accepted else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            connection(stream, Peer::Socket, &shared).await;
            drop(permit);
        });
    }
}

/// Waits for a free place and for a connection. Returns `None` once `stop` is set.
async fn next<T, F>(shared: &Shared, accept: impl Fn() -> F) -> Option<(OwnedSemaphorePermit, Option<T>)>
where
    F: Future<Output = io::Result<T>>,
{
    let mut stop = shared.stop.clone();
    let accepted = async {
        let permit = Arc::clone(&shared.room).acquire_owned().await.ok()?;
        let accepted = accept().await.ok();
        if accepted.is_none() {
            tokio::time::sleep(BREATHER).await;
        }
        Some((permit, accepted))
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        accepted = accepted => accepted,
    }
}

async fn connection<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: I, peer: Peer, shared: &Shared) {
    let router = shared.router.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    builder.max_buf_size(HEADER_BYTES).max_header_size(HEADER_BYTES).max_headers(HEADER_COUNT);
    let served = builder.serve_connection(TokioIo::new(Stall::new(stream)), service);
    let mut served = std::pin::pin!(served);
    let mut stop = shared.stop.clone();
    tokio::select! {
        // Errors of a connection concern the client, not the service.
        _ = served.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(FAREWELL, served).await;
}
