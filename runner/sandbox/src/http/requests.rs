//! Handles the engine's requests to the host for one attempt.

use std::sync::Arc;

use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::usage::Traffic;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::WasiHttpCtx;
use wasmtime_wasi_http::WasiHttpCtxView;
use wasmtime_wasi_http::WasiHttpHooks;
use wasmtime_wasi_http::p2::types::HostFutureIncomingResponse;

use super::attempt::Attempt;
use super::client::Client;
use super::connect::Refused;
use crate::guest::Guest;

/// The most bytes of headers, roughly, that one message may have; the host holds the headers that a
/// guest makes. Also how much an outgoing body buffers.
pub(crate) const MESSAGE: u64 = 32 << 10;

/// How many bytes a guest may write to a body at once; two such chunks may be under way.
const CHUNK: usize = 16 << 10;

/// The requests of one attempt.
pub(crate) struct Requests {
    context: WasiHttpCtx,
    hooks: Hooks,
    client: Arc<Client>,
    rules: Arc<HttpRules>,
    rights: Vec<HttpGrant>,
    guest: Arc<Guest>,
    /// Made with the first request.
    attempt: Option<Attempt>,
}

/// The hooks that the engine calls beside the linked functions.
struct Hooks;

impl Requests {
    pub(crate) fn new(client: Arc<Client>, rules: Arc<HttpRules>, rights: Vec<HttpGrant>, guest: Arc<Guest>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(usize::try_from(MESSAGE).unwrap_or(usize::MAX));
        Self { context, hooks: Hooks, client, rules, rights, guest, attempt: None }
    }

    /// Returns the engine's view, with the handles of the guest.
    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.context }
    }

    /// Begins a request, and returns the future that the guest waits for. Waits only for the log,
    /// and only if there is something to log.
    pub(crate) async fn begin(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> HostFutureIncomingResponse {
        let attempt = self.attempt();
        match attempt.begin(request, options) {
            Ok(task) => HostFutureIncomingResponse::Pending(task),
            Err(Refused { error, said }) => {
                if let Some(said) = said {
                    attempt.said().say(said).await;
                }
                HostFutureIncomingResponse::Ready(Err(error))
            }
        }
    }

    /// Makes a request, and waits until its response begins.
    pub(super) async fn answered(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<http::Response<WasiBody>, Error> {
        match self.begin(request, options).await {
            HostFutureIncomingResponse::Pending(task) => task.await.map(|(response, _)| response),
            HostFutureIncomingResponse::Ready(Err(error)) => Err(error),
            HostFutureIncomingResponse::Ready(Ok(_)) | HostFutureIncomingResponse::Consumed => {
                Err(Error::InternalError(None))
            }
        }
    }

    fn attempt(&mut self) -> &Attempt {
        let make = || {
            let (client, rules) = (Arc::clone(&self.client), Arc::clone(&self.rules));
            Attempt::new(client, rules, self.rights.clone(), Arc::clone(&self.guest))
        };
        self.attempt.get_or_insert_with(make)
    }

    /// Returns the traffic so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.attempt.as_ref().map(Attempt::traffic).unwrap_or_default()
    }

    /// Returns the reason given for the last refused request.
    pub(crate) fn refused(&self) -> Option<String> {
        self.attempt.as_ref().and_then(Attempt::refused)
    }
}

type Sent = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Io)>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    // Only the engine's own `handle` calls this, and that is shadowed.
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}
