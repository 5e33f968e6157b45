//! The web as a whole. It opens before anything else begins, so errors in its configuration show at
//! once. Then it serves until it is stopped.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::accept::serve;
use super::address::Listen;
use super::address::Protection;
use super::address::protected;
use super::given::given;
use super::guard::Names;
use super::router::router;
use super::sockets::Socket;
use super::sockets::bind;
use super::state::Admission;
use super::tls::TlsFiles;
use super::tls::acceptor;
use crate::request::refusal::Refusal;
use crate::service::serving::Service;
use crate::service::systemd::Activated;

/// Threads that serve connections. They mostly wait, because other threads do the work.
const THREADS: usize = 2;

/// Threads that read the store and write responses. Further requests wait, which leaves the machine
/// to the builds.
const WORKERS: usize = 16;

/// Where the web listens, and who may connect.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Certificate and key to encrypt network connections.
    pub tls: Option<TlsFiles>,
    /// The proxy whose headers about clients are trusted.
    pub proxy: Option<IpAddr>,
    /// Host names of the service, besides those of this machine.
    pub names: Vec<String>,
}

/// A web that listens but does not answer yet.
pub struct Opened {
    sockets: Vec<Socket>,
    tls: Option<TlsAcceptor>,
    admission: Admission,
    addresses: Vec<String>,
    runtime: Runtime,
}

/// Begins to listen on the addresses of `door` and takes over the sockets in `activated`.
/// `has_token` says whether the store has a valid token.
///
/// # Errors
///
/// Returns an error if others could act without a token, if the certificate cannot be used, or if
/// an address is already in use.
pub fn open(door: &Door, activated: Vec<Activated>, has_token: bool) -> Result<Opened, Refusal> {
    let protection = Protection { token: has_token, tls: door.tls.is_some(), proxy: door.proxy.is_some() };
    let (mut places, mut sockets) = (door.listen.clone(), Vec::new());
    for socket in activated {
        let (place, socket) = given(socket)?;
        places.push(place);
        sockets.push(socket);
    }
    places.iter().try_for_each(|place| protected(place, protection))?;
    let tls = door.tls.as_ref().map(acceptor).transpose()?;
    for listen in &door.listen {
        sockets.extend(bind(listen)?);
    }
    let from_elsewhere = places.iter().any(|place| !place.is_local());
    let admission = Admission {
        names: Names::new(door.names.iter().cloned(), from_elsewhere),
        proxy: door.proxy.map(|proxy| proxy.to_canonical()),
        exposed: from_elsewhere || door.proxy.is_some(),
    };
    let addresses = sockets.iter().filter_map(|socket| address(socket, tls.is_some())).collect();
    let runtime = Builder::new_multi_thread()
        .thread_name("web")
        .worker_threads(THREADS)
        .max_blocking_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Refusal::failed(format!("cannot create threads: {error}")))?;
    Ok(Opened { sockets, tls, admission, addresses, runtime })
}

fn address(socket: &Socket, tls: bool) -> Option<String> {
    match socket {
        Socket::Tcp(listener) => {
            let scheme = if tls { "https" } else { "http" };
            Some(format!("{scheme}://{}", listener.local_addr().ok()?))
        }
        Socket::Unix(listener, _) => Some(format!("unix:{}", listener.local_addr().ok()?.as_pathname()?.display())),
    }
}

impl Opened {
    /// Returns the addresses of the web: `http://127.0.0.1:8080`, `unix:PATH`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Returns whether everyone on this machine may act without a token while the store has none.
    pub fn trusts_this_machine(&self) -> bool {
        !self.admission.exposed && self.sockets.iter().any(|socket| matches!(socket, Socket::Tcp(_)))
    }

    /// Begins to answer requests, on separate threads.
    ///
    /// # Errors
    ///
    /// Returns an error if the machine cannot create a thread.
    pub fn serve(self, service: Arc<Service>) -> io::Result<Server> {
        let Self { sockets, tls, admission, runtime, .. } = self;
        let (stop, stopped) = watch::channel(false);
        let router = router(service, admission);
        let thread = thread::Builder::new().name("web".to_owned()).spawn(move || {
            let served = runtime.block_on(serve(sockets, router, tls, stopped));
            // Do not wait for requests that still read the store.
            runtime.shutdown_background();
            served
        })?;
        Ok(Server { stop, thread: Some(thread) })
    }
}

/// A web that answers requests until it is stopped or dropped.
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Stops accepting, and waits a few seconds for open requests.
    ///
    /// # Errors
    ///
    /// Returns an error if the web could not serve in the first place.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(served)) => served,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.thread.is_some() && !thread::panicking() {
            // Call `stop` to get the error.
            let _ = self.end();
        }
    }
}
