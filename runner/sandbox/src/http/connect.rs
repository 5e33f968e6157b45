//! Resolves a name to an address that may be connected to, and connects to it.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hyper::client::conn::http1;
use jobcontrol_core::http::Host;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::http::Scheme;
use jobcontrol_core::http::Target;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::io::TokioIo;

use super::client::Client;
use super::connection::Connection;
use super::connections::Connections;
use super::meter::Metered;
use super::meter::Open;
use super::proxy::tunnel;
use super::task::Task;

/// How many bytes of a response a connection buffers. The headers have to fit.
const BUFFER: usize = 32 << 10;

/// Why there is no connection: an error for the guest, and a further explanation for a person.
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) said: Option<String>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, said: None }
    }
}

impl Refused {
    pub(super) fn said(error: Error, said: impl Into<String>) -> Self {
        Self { error, said: Some(said.into()) }
    }
}

/// Any byte stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to the target of a request within a time limit.
pub(super) async fn connect(
    connections: &Connections,
    target: &Target,
    open: Open,
    time: Duration,
) -> Result<Connection, Refused> {
    match timeout(time, connected(connections, target, open, Instant::now() + time)).await {
        Ok(connected) => connected,
        Err(_) => Err(Error::ConnectionTimeout.into()),
    }
}

async fn connected(
    connections: &Connections,
    target: &Target,
    open: Open,
    until: Instant,
) -> Result<Connection, Refused> {
    let (client, rules) = (connections.client(), connections.rules());
    let stream = match &rules.proxy {
        // A proxy resolves names itself; an address needs no resolving.
        Some(proxy) => {
            if let Host::Ip(address) = target.host {
                allowed(rules, target, &[address])?;
            }
            reach(&resolve(connections, &proxy.host).await?, proxy.port, until).await?
        }
        None => {
            let addresses = allowed(rules, target, &resolve(connections, &target.host).await?)?;
            reach(&addresses, target.port, until).await?
        }
    };
    // Small requests should not wait for each other.
    let _ = stream.set_nodelay(true);
    let mut stream = Metered::new(stream, Arc::clone(connections.meter()));
    let stream: Box<dyn Stream> = match target.scheme {
        Scheme::Http => Box::new(stream),
        Scheme::Https => {
            if rules.proxy.is_some() {
                tunnel(&mut stream, target).await.map_err(|e| {
                    let said = format!("the proxy did not connect to `{}`: {e}", target.authority());
                    Refused::said(Error::ConnectionTerminated, said)
                })?;
            }
            Box::new(encrypted(client, rules, target, stream).await?)
        }
    };
    let http = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = http.map_err(|_| Error::HttpProtocolError)?;
    // A connection that ends with an error has reported it to the request.
    let task = Task::start(&Handle::current(), async move { drop(connection.await) });
    Ok(Connection { sender, _task: task, _open: open })
}

/// Resolves the addresses of a host. A later change of what the name resolves to has no effect: the
/// connection goes to one of these addresses.
async fn resolve(connections: &Connections, host: &Host) -> Result<Vec<IpAddr>, Refused> {
    let name = match host {
        Host::Ip(address) => return Ok(vec![*address]),
        Host::Name(name) => name.clone(),
    };
    let names = Arc::clone(&connections.client().names);
    let failed = |reason: String| Error::DnsError { rcode: Some(reason), info_code: None };
    // The semaphore is never closed.
    let place = Arc::clone(connections.resolving()).acquire_owned().await.ok();
    let lookup = Task::of(tokio::task::spawn_blocking(move || {
        let _place = place;
        names.resolve(&name)
    }));
    let resolved = lookup.await.ok_or_else(|| failed("the lookup was given up".to_owned()))?;
    let addresses = resolved.map_err(|e| failed(e.to_string()))?;
    if addresses.is_empty() { Err(failed("the name has no address".to_owned()).into()) } else { Ok(addresses) }
}

/// Returns the addresses that may be connected to.
fn allowed(rules: &HttpRules, target: &Target, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, Refused> {
    let allowed: Vec<_> = addresses.iter().copied().filter(|address| rules.allows(*address)).collect();
    match (allowed.is_empty(), addresses.first()) {
        (true, Some(first)) => {
            let what = match &target.host {
                Host::Ip(_) => format!("{first} is not a public address"),
                Host::Name(name) => format!("`{name}` resolves to {first}, which is not a public address"),
            };
            let said = format!(
                "the request `{target}` is refused: {what}; the operator can allow it in jobcontrol.yaml: \
                 `http: {{ addresses: [\"{first}\"] }}`"
            );
            Err(Refused::said(Error::DestinationIpProhibited, said))
        }
        _ => Ok(allowed),
    }
}

/// Connects to the first of the addresses that accepts. Each gets a share of the time that is left.
async fn reach(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, Refused> {
    let mut last = Error::DestinationUnavailable;
    for (at, address) in addresses.iter().enumerate() {
        let share = until.saturating_duration_since(Instant::now()) / u32::try_from(addresses.len() - at).unwrap_or(1);
        match timeout(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = of_connect(&error),
            Err(_) => last = Error::ConnectionTimeout,
        }
    }
    Err(last.into())
}

fn of_connect(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    }
}

async fn encrypted(
    client: &Client,
    rules: &HttpRules,
    target: &Target,
    stream: Metered,
) -> Result<impl Stream + use<>, Refused> {
    let connector = client.tls(rules.ca.as_deref()).map_err(|said| Refused::said(Error::ConfigurationError, said))?;
    let name = match &target.host {
        Host::Ip(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
    };
    connector.connect(name, stream).await.map_err(|error| {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let code = match cause {
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                Error::TlsCertificateError
            }
            Some(rustls::Error::AlertReceived(alert)) => {
                let (id, message) = (u8::from(*alert), format!("{alert:?}"));
                Error::TlsAlertReceived { alert_id: Some(id), alert_message: Some(message) }
            }
            _ if error.kind() == io::ErrorKind::UnexpectedEof => Error::ConnectionTerminated,
            _ => Error::TlsProtocolError,
        };
        Refused::said(code, format!("the TLS connection to `{}` failed: {error}", target.authority()))
    })
}
