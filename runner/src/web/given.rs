//! Sockets that another process opened for this one.

use std::os::unix::fs::MetadataExt;

use super::address::Listen;
use super::sockets::Socket;
use crate::request::refusal::Refusal;
use crate::service::systemd::Activated;

/// The permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// Takes over a socket and returns it with its address.
///
/// # Errors
///
/// Returns an error if other users can connect to a Unix socket, where everyone who connects may
/// act without a token.
pub(super) fn given(socket: Activated) -> Result<(Listen, Socket), Refusal> {
    let failed = |error: std::io::Error| Refusal::failed(format!("a systemd socket cannot be used: {error}"));
    match socket {
        Activated::Tcp(listener) => {
            listener.set_nonblocking(true).map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            Ok((Listen::Address(address), Socket::Tcp(listener)))
        }
        Activated::Unix(listener) => {
            let address = listener.local_addr().map_err(failed)?;
            let path = address.as_pathname().ok_or_else(|| {
                Refusal::usage("a systemd socket has no path, so everyone on this machine can connect to it")
                    .hint("name a path in `ListenStream=`")
            })?;
            let mode = std::fs::symlink_metadata(path).map_err(failed)?.mode();
            if mode & OTHERS != 0 {
                let shown = path.display();
                let message =
                    format!("other users can connect to `{shown}` (mode {:04o}) and act without a token", mode & 0o777);
                return Err(Refusal::usage(message).hint("write `SocketMode=0600` in the socket unit"));
            }
            Ok((Listen::Socket(path.to_owned()), Socket::Unix(listener, None)))
        }
    }
}
