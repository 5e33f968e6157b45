//! The web as a whole: opened before anything else begins, so that what is wrong with it is told at
//! once; then served until it is stopped.

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

/// Threads that serve connections. They wait most of the time: all work is done elsewhere.
const THREADS: usize = 2;

/// Threads that read the store and write answers: more requests than these wait, so that builds
/// keep the machine.
const WORKERS: usize = 16;

/// Where the web is to be, and who may get there.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Certificate and key, to encrypt connections of the network.
    pub tls: Option<TlsFiles>,
    /// The proxy whose words about other clients are believed.
    pub proxy: Option<IpAddr>,
    /// Names by which the service is asked for, besides those of this machine.
    pub names: Vec<String>,
}

/// A web that is listened on, and does not answer yet.
pub struct Opened {
    sockets: Vec<Socket>,
    tls: Option<TlsAcceptor>,
    admission: Admission,
    addresses: Vec<String>,
    runtime: Runtime,
}

/// Begins to listen there, and on sockets that are listened on already. `has_token` is whether some
/// token is valid.
///
/// # Errors
///
/// Others could act without a token, the certificate cannot be used, or somebody else listens
/// there.
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
        .map_err(|error| Refusal::failed(format!("the machine gives no threads: {error}")))?;
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
    /// Where it can be reached: `http://127.0.0.1:8080`, `unix:PATH`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Whether everybody on this machine may act without a token while there is none.
    pub fn trusts_this_machine(&self) -> bool {
        !self.admission.exposed && self.sockets.iter().any(|socket| matches!(socket, Socket::Tcp(_)))
    }

    /// Begins to answer, on threads of its own.
    ///
    /// # Errors
    ///
    /// The machine gives no thread.
    pub fn serve(self, service: Arc<Service>) -> io::Result<Server> {
        let Self { sockets, tls, admission, runtime, .. } = self;
        let (stop, stopped) = watch::channel(false);
        let router = router(service, admission);
        let thread = thread::Builder::new().name("web".to_owned()).spawn(move || {
            let served = runtime.block_on(serve(sockets, router, tls, stopped));
            // Whoever still reads the store is not waited for.
            runtime.shutdown_background();
            served
        })?;
        Ok(Server { stop, thread: Some(thread) })
    }
}

/// A web that answers, until it is stopped or dropped.
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Accepts nothing more, and waits a few seconds for requests that are being answered.
    ///
    /// # Errors
    ///
    /// It could not serve in the first place.
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
            // Whoever wants to know stops it.
            let _ = self.end();
        }
    }
}
