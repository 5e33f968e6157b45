//! The interface for resolving names.

use std::io;
use std::net::IpAddr;
use std::net::ToSocketAddrs;

/// Resolves the names of hosts.
pub trait Names: Send + Sync {
    /// Returns the addresses of a name, in the order in which to try them. Called once for each
    /// connection, on a thread that may block. The caller abandons a call that takes too long.
    ///
    /// # Errors
    ///
    /// Returns an error if the name has no address, or if no resolver could be reached.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub(super) struct System;

impl Names for System {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}
