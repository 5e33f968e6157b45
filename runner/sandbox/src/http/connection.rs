//! A connection to a server, ready for a request.

use hyper::client::conn::http1::SendRequest;
use wasmtime_wasi_http::WasiBody;

use super::meter::Open;
use super::task::Task;

/// A connection that takes one request at a time.
pub(super) struct Connection {
    pub(super) sender: SendRequest<WasiBody>,
    /// The task that moves its bytes.
    pub(super) _task: Task<()>,
    /// Its place among the connections that the build may have open, given back at once on drop.
    pub(super) _open: Open,
}
