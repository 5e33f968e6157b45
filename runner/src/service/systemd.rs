//! Communicates with systemd: that the service serves, that it stops, that it is alive, and which
//! sockets were opened for it. Without systemd, nothing is sent.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;
use std::time::Instant;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use sd_notify::NotifyState;
use sd_notify::notify;
use sd_notify::watchdog_enabled;

/// How often systemd gets the state of the service, if that has changed.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How many signs of life are sent for each one that systemd wants, so that a single late one does
/// not matter.
const SIGNS: u32 = 3;

/// Reports to systemd that the service serves. Call this once the folder was read and the sockets,
/// if there are any, are open.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Reports to systemd that the service stops.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = notify(&[state]) {
        tracing::debug!(reason = error.to_string().as_str(), "the state of the service cannot be sent to systemd");
    }
}

/// Reports to systemd that the clerk works, and on what.
pub(super) struct Signs {
    /// `None` if systemd does not watch.
    every: Option<Duration>,
    given: Option<Instant>,
    status: String,
    told: Option<Instant>,
}

impl Signs {
    /// Reads the settings from the environment of this process.
    pub(super) fn of_environment() -> Self {
        let every = watchdog_enabled().map(|within| within / SIGNS);
        Self { every, given: None, status: String::new(), told: None }
    }

    /// Gives a sign of life if it is time, and reports the state of the service if that has
    /// changed.
    pub(super) fn give(&mut self, status: impl FnOnce() -> String) {
        let now = Instant::now();
        if let Some(every) = self.every
            && self.given.is_none_or(|given| now.duration_since(given) >= every)
        {
            self.given = Some(now);
            tell(NotifyState::Watchdog);
        }
        if self.told.is_none_or(|told| now.duration_since(told) >= STATUS_EVERY) {
            self.told = Some(now);
            let status = status();
            if status != self.status {
                tell(NotifyState::Status(&status));
                self.status = status;
            }
        }
    }
}

/// A socket that systemd opened before it started the service.
#[derive(Debug)]
pub enum Activated {
    /// On an address.
    Tcp(TcpListener),
    /// On a path.
    Unix(UnixListener),
}

/// Takes the sockets that systemd opened for this process, in the order of its units. Returns none
/// on a second call, or if the service was started otherwise. Call this while the process has one
/// thread: it removes `LISTEN_FDS` from the environment, so that no child takes the sockets for its
/// own.
///
/// # Errors
///
/// Returns an error if one of them is not a socket that accepts connections.
pub fn activated_sockets() -> io::Result<Vec<Activated>> {
    let mut sockets = ListenFd::from_env();
    let mut taken = Vec::new();
    for at in 0..sockets.len() {
        let socket = match sockets.take_unix_listener(at) {
            Ok(socket) => socket.map(Activated::Unix),
            Err(_) => sockets.take_tcp_listener(at)?.map(Activated::Tcp),
        };
        taken.extend(socket);
    }
    taken.iter().try_for_each(Activated::is_listened_on)?;
    Ok(taken)
}

impl Activated {
    fn is_listened_on(&self) -> io::Result<()> {
        let socket = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        };
        match socket_acceptconn(socket)? {
            true => Ok(()),
            // `Accept=yes` starts a service for each connection.
            false => Err(io::Error::other("one is a connection; write `Accept=no` in the unit of the socket")),
        }
    }
}
