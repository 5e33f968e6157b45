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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was said of refused requests.
    said: BTreeSet<String>,
    /// The last of it.
    last: Option<String>,
}

impl Attempt {
    pub(crate) fn new(client: Arc<Client>, rules: Arc<HttpRules>, rights: Vec<HttpGrant>, guest: Arc<Guest>) -> Self {
        let connections = Arc::new(Connections::new(client, rules, Arc::new(Meter::new(guest))));
        Self { rights, connections, state: Mutex::default() }
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

    /// Counts a request that the guest makes; whether it may go on.
    pub(crate) fn begin(&self) -> bool {
        self.connections.meter().request()
    }

    /// Makes a request that was counted, if it is granted.
    pub(crate) async fn send(
        self: Arc<Self>,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let target = match target_of(&request) {
            Ok(target) => target,
            Err(reason) => {
                let uri = request.uri();
                let asked = format!("{} {}{}", request.method(), uri.host().unwrap_or_default(), uri.path());
                self.say(format!("the request `{asked}` is refused: {reason}")).await;
                return Err(Error::HttpRequestUriInvalid);
            }
        };
        let grant = self.rights.iter().find(|grant| grant.rule.as_ref().is_some_and(|rule| rule.allows(&target)));
        let Some(grant) = grant else {
            let line = Rule::for_target(&target);
            let said = format!("the request `{target}` is not granted; add `grants: {{ http: [{line}] }}` to the job");
            self.say(said).await;
            return Err(Error::HttpRequestDenied);
        };
        if let Err(reason) = self.complete(&mut request, grant, &target) {
            self.say(format!("the request `{target}` is not made: {reason}")).await;
            return Err(Error::ConfigurationError);
        }
        let network = self.connections.client().network().map_err(|reason| Error::InternalError(Some(reason)))?;
        let task = Task::start(network, exchange(Arc::clone(&self.connections), target, request, options));
        match task.await {
            Some(Ok(response)) => Ok(response),
            Some(Err(Refused { error, said })) => {
                if let Some(said) = said {
                    self.say(said).await;
                }
                Err(error)
            }
            None => Err(Error::InternalError(None)),
        }
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
