//! Connections: accepted as long as there is room, each served within bounds of time and size,
//! ended together.

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

/// Connections at once: those of all who may watch events, and half as many again. Each holds a
/// file descriptor and some 100 KiB while it is busy.
const CONNECTIONS: usize = 1_600;

/// Time for all headers of a request, and for the next request of a connection that stays open.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);

/// Time for the handshake of an encrypted connection.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a request's line and headers, which is also what is read at once.
const HEADER_BYTES: usize = 64 << 10;

/// Headers of a request: browsers send about 20, proxies add some.
const HEADER_COUNT: usize = 100;

/// How long requests may still take once the service is to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long nothing is accepted after the machine has refused it, such as for want of file
/// descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// What connections share.
#[derive(Clone)]
struct Shared {
    router: Router,
    tls: Option<TlsAcceptor>,
    room: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// Serves what connects to these sockets until `stop` is set, and lets the requests end that run
/// then.
///
/// # Errors
///
/// The runtime cannot watch a socket.
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
        // A panic of one is reported where it happens; the others go on.
        let _ = task.await;
    }
    // Whoever gets all the room is alone.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FAREWELL, shared.room.acquire_many(all)).await;
    Ok(())
}

async fn networked(listener: &TcpListener, shared: &Shared) {
    while let Some((permit, accepted)) = next(shared, || listener.accept()).await {
        let Some((stream, address)) = accepted else { continue };
        // Small answers are not kept back.
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

/// Waits for room and for a connection; none once nothing is accepted any more.
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
        // What goes wrong with a connection is the other end's affair.
        _ = served.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(FAREWELL, served).await;
}
