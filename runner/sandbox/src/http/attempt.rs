//! One attempt's rights, and what it was refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use http::HeaderName;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::header::HOST;
use jobcontrol_core::event::Level;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::grants::HeaderPart;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::http::Rule;
use jobcontrol_core::http::Scheme;
use jobcontrol_core::http::Target;
use jobcontrol_core::usage::Traffic;
use tokio::runtime::Handle;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;

use super::client::Client;
use super::connect::Refused;
use super::connections::Connections;
use super::exchange::exchange;
use super::meter::Meter;
use super::task::Task;
use crate::guest::Guest;

/// Different things that are said of refused requests; a plugin may be refused without end.
const SAID: usize = 10;

/// Bytes of what is said of one: a path may have thousands.
const SHOWN: usize = 2_000;

/// One attempt's rights, and what it was refused.
pub(crate) struct Attempt {
    rights: Vec<HttpGrant>,
    connections: Arc<Connections>,
    /// The thread that all its requests are made on: what one task hands to another then stays there.
    network: Result<Handle, String>,
    state: Mutex<State>,
}

/// A request that is being made, or was refused at once.
pub(crate) type Begun = Result<Task<Result<Response<WasiBody>, Refused>>, Refused>;

#[derive(Default)]
struct State {
    /// What was said of refused requests.
    said: BTreeSet<String>,
    /// The last of it.
    last: Option<String>,
}

impl Attempt {
    pub(crate) fn new(client: Arc<Client>, rules: Arc<HttpRules>, rights: Vec<HttpGrant>, guest: Arc<Guest>) -> Self {
        let network = client.network();
        let connections = Arc::new(Connections::new(client, rules, Arc::new(Meter::new(guest))));
        Self { rights, connections, network, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it did so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.connections.meter().traffic()
    }

    /// What was said of the last request that was refused.
    pub(crate) fn refused(&self) -> Option<String> {
        self.state().last.clone()
    }

    /// Begins a request: counts it, compares it with the rights, and has it made. Called while the guest asks, so that nothing
    /// depends on whether it waits for the response.
    pub(crate) fn begin(&self, mut request: Request<WasiBody>, options: Option<RequestOptions>) -> Begun {
        if !self.connections.meter().request() {
            return Err(Error::HttpRequestDenied.into());
        }
        let target = target_of(&request).map_err(|reason| {
            let uri = request.uri();
            let asked = format!("{} {}{}", request.method(), uri.host().unwrap_or_default(), uri.path());
            Refused::said(Error::HttpRequestUriInvalid, format!("the request `{asked}` is refused: {reason}"))
        })?;
        let grant = self.rights.iter().find(|grant| grant.rule.as_ref().is_some_and(|rule| rule.allows(&target)));
        let grant = grant.ok_or_else(|| {
            let line = Rule::for_target(&target);
            let said = format!("the request `{target}` is not granted; add `grants: {{ http: [{line}] }}` to the job");
            Refused::said(Error::HttpRequestDenied, said)
        })?;
        self.complete(&mut request, grant, &target).map_err(|reason| {
            Refused::said(Error::ConfigurationError, format!("the request `{target}` is not made: {reason}"))
        })?;
        let network = self.network.as_ref().map_err(|reason| Error::InternalError(Some(reason.clone())))?;
        Ok(Task::start(network, exchange(Arc::clone(&self.connections), target, request, options)))
    }

    /// Waits for the response to a request.
    pub(crate) async fn end(&self, begun: Begun) -> Result<Response<WasiBody>, Error> {
        let ended = match begun {
            Ok(task) => task.await.unwrap_or_else(|| Err(Error::InternalError(None).into())),
            Err(refused) => Err(refused),
        };
        let Refused { error, said } = match ended {
            Ok(response) => return Ok(response),
            Err(refused) => refused,
        };
        if let Some(said) = said {
            self.say(said).await;
        }
        Err(error)
    }

    /// Adds what the guest does not see.
    fn complete(&self, request: &mut Request<WasiBody>, grant: &HttpGrant, target: &Target) -> Result<(), String> {
        let secrets = self.connections.meter().guest().secrets();
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&target.authority()).map_err(|e| e.to_string())?);
        for (name, parts) in &grant.headers {
            let mut value = Vec::new();
            for part in parts {
                match part {
                    HeaderPart::Text(text) => value.extend_from_slice(text.as_bytes()),
                    HeaderPart::Secret(secret, _) => {
                        let secret =
                            secrets.get(secret).ok_or_else(|| format!("the secret `{secret}` was not read"))?;
                        value.extend_from_slice(secret);
                    }
                }
            }
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
            // Whatever is wrong with it, its text is not to be told.
            let mut value = HeaderValue::from_bytes(&value)
                .map_err(|_| format!("the header `{name}` would have characters that a header cannot have"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(())
    }

    /// Says something to the person who reads the build's log.
    async fn say(&self, mut said: String) {
        cut_bytes(&mut said, SHOWN);
        {
            let mut state = self.state();
            state.last = Some(said.clone());
            if state.said.len() >= SAID || !state.said.insert(said.clone()) {
                return;
            }
        }
        let guest = self.connections.meter().guest();
        if let Err(signal) = guest.log(guest.record(Level::Warning, "jobcontrol", said)).await {
            guest.stop.now(signal);
        }
    }
}

/// What a request asks for.
fn target_of(request: &Request<WasiBody>) -> Result<Target, String> {
    let uri = request.uri();
    let scheme = uri.scheme_str().and_then(Scheme::find).ok_or("its scheme is not `http` or `https`")?;
    let authority = uri.authority().ok_or("it names no host")?;
    Target::new(scheme, authority.as_str(), request.method().as_str(), uri.path())
}
