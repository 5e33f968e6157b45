//! The state of one running build.

use std::sync::Arc;

use wasmtime_wasi::WasiCtxView;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::grant::Folders;
use crate::guest::Guest;
use crate::http::Requests;
use crate::limits::Limiter;
use crate::quota::Quotas;

/// The state that the functions of the host work on.
pub(crate) struct Host {
    pub(crate) limiter: Limiter,
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) guest: Arc<Guest>,
    /// The environment in preview1's format, once the guest has asked for it.
    pub(crate) environment: Option<Vec<u8>>,
    /// The folders that a preview1 module reads.
    pub(crate) folders: Folders,
    /// HTTP requests.
    pub(crate) requests: Requests,
    /// How much the build has written to each folder.
    pub(crate) quotas: Quotas,
}

impl Host {
    pub(crate) fn new(
        limiter: Limiter,
        wasi: WasiP1Ctx,
        guest: Arc<Guest>,
        requests: Requests,
        quotas: Quotas,
    ) -> Self {
        Self { limiter, wasi, guest, environment: None, folders: Folders::default(), requests, quotas }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}
