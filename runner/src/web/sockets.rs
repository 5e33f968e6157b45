//! Binds the addresses to listen on, and removes a Unix socket that nobody listens on any more.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use rustix::fs::Mode;
use rustix::net::AddressFamily;
use rustix::net::SocketAddrUnix;
use rustix::net::SocketFlags;
use rustix::net::SocketType;

use super::address::Listen;
use crate::request::refusal::Refusal;

/// Most connections that the kernel queues until they are accepted.
const BACKLOG: i32 = 128;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindError {
    /// Another process listens there.
    #[error("`{0}` is in use")]
    InUse(Listen),
    /// The path is a file, not a socket.
    #[error("`{0}` is a file, not a socket")]
    NotASocket(PathBuf),
    /// The machine does not allow it.
    #[error("cannot listen on `{0}`: {1}")]
    Machine(Listen, io::Error),
}

impl From<BindError> for Refusal {
    fn from(error: BindError) -> Self {
        let refusal = Self::failed(error.to_string());
        match error {
            BindError::InUse(Listen::Socket(_)) => {
                refusal.hint("another `jobcontrol serve` listens there; name another path")
            }
            BindError::InUse(_) => refusal
                .hint("name another port with `--listen`, or port 0 for any free one; `--listen off` disables the web"),
            BindError::NotASocket(_) => refusal.hint("name another path; the file was not changed"),
            BindError::Machine(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                refusal.hint("ports below 1024 and other users' folders need more rights; name another one")
            }
            BindError::Machine(..) => refusal,
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Socket {
    /// A network socket.
    Tcp(TcpListener),
    /// A Unix socket, with its file if this process created it.
    Unix(UnixListener, Option<SocketFile>),
}

/// The file of a Unix socket. Dropping it removes the file, unless another socket has taken its
/// place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|data| (data.dev(), data.ino()) == self.inode) {
            // If this fails, the next process to listen here removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Begins to listen.
///
/// # Errors
///
/// Returns an error if another process listens there, or if the machine does not allow it.
pub(super) fn bind(listen: &Listen) -> Result<Vec<Socket>, BindError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(listen.clone()),
        _ => BindError::Machine(listen.clone(), error),
    };
    let tcp = |address| {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        io::Result::Ok(listener)
    };
    match listen {
        Listen::Address(address) => Ok(vec![Socket::Tcp(tcp(*address).map_err(failed)?)]),
        Listen::Localhost(port) => {
            let first = tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).map_err(failed)?;
            let port = first.local_addr().map_err(failed)?.port();
            let mut sockets = vec![Socket::Tcp(first)];
            match tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
                Ok(second) => sockets.push(Socket::Tcp(second)),
                // A browser would reach the process that has this address.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(failed(error)),
                // The machine has no IPv6.
                Err(_) => {}
            }
            Ok(sockets)
        }
        Listen::Socket(path) => unix(path, listen).map(|socket| vec![socket]),
    }
}

fn unix(path: &Path, listen: &Listen) -> Result<Socket, BindError> {
    let failed = |error: io::Error| BindError::Machine(listen.clone(), error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without a lock, two processes that start at once would each mistake the other's new socket
    // for an old one.
    let folder = File::open(folder).map_err(failed)?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(data) if !data.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(failed)?;
            }
            Ok(_) => return Err(BindError::InUse(listen.clone())),
            Err(error) => return Err(failed(error)),
        },
    }
    let listener = private(path).map_err(|e| failed(e.into()))?;
    let data = std::fs::symlink_metadata(path).map_err(failed)?;
    let file = SocketFile { path: path.to_owned(), inode: (data.dev(), data.ino()) };
    Ok(Socket::Unix(listener, Some(file)))
}

/// Creates a socket that no other user can ever connect to: it gets its mode before its name.
fn private(path: &Path) -> rustix::io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(path: &Path) -> Listen {
        Listen::Socket(path.to_owned())
    }

    #[test]
    fn a_socket_is_this_user_s_alone_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = bind(&at(&path)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(bind(&at(&path)), Err(BindError::InUse(_))));
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_of_a_dead_process_is_replaced_and_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let first = bind(&at(&path)).unwrap();
        // Another socket has taken its place and stays.
        std::fs::remove_file(&path).unwrap();
        let second = bind(&at(&path)).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(bind(&at(&path)), Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert!(matches!(bind(&at(&folder.path().join("none/s"))), Err(BindError::Machine(..))));
    }

    #[test]
    fn localhost_is_one_port_in_both_families() {
        let sockets = bind(&Listen::Localhost(0)).unwrap();
        let ports = sockets.iter().map(|socket| match socket {
            Socket::Tcp(listener) => listener.local_addr().unwrap().port(),
            Socket::Unix(..) => 0,
        });
        let ports: Vec<_> = ports.collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
        assert!(matches!(bind(&Listen::Localhost(ports[0])), Err(BindError::InUse(_))));
    }
}
