//! Who resolves names.

use std::io;
use std::net::IpAddr;
use std::net::ToSocketAddrs;

/// Resolves the names of hosts.
pub trait Names: Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried. Called once for each
    /// connection, on a thread that may block; a call that takes too long is left behind.
    ///
    /// # Errors
    ///
    /// The name has no address, or nobody could be asked.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub(super) struct System;

impl Names for System {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}
