//! The rights of one attempt, and the requests that were refused.

use std::sync::Arc;

use http::HeaderName;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::header::HOST;
use jobcontrol_core::grants::HeaderPart;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::http::Rule;
use jobcontrol_core::http::Scheme;
use jobcontrol_core::http::Target;
use jobcontrol_core::usage::Traffic;
use tokio::runtime::Handle;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p2::types::FutureIncomingResponseHandle;

use super::client::Client;
use super::connect::Refused;
use super::connections::Connections;
use super::exchange::exchange;
use super::meter::Meter;
use super::said::Said;
use crate::guest::Guest;
use crate::sink::HttpExchange;

/// The rights of one attempt, and the requests that were refused.
pub(crate) struct Attempt {
    rights: Vec<HttpGrant>,
    connections: Arc<Connections>,
    /// The thread that makes all of the attempt's requests, so that data passed between its tasks
    /// stays on that thread.
    network: Result<Handle, String>,
    said: Arc<Said>,
}

/// A request that is being made, or was refused at once.
pub(super) type Begun = Result<FutureIncomingResponseHandle, Refused>;

impl Attempt {
    pub(crate) fn new(client: Arc<Client>, rules: Arc<HttpRules>, rights: Vec<HttpGrant>, guest: Arc<Guest>) -> Self {
        let network = client.network();
        let said = Arc::new(Said::new(Arc::clone(&guest)));
        let connections = Arc::new(Connections::new(client, rules, Arc::new(Meter::new(guest))));
        Self { rights, connections, network, said }
    }

    /// Returns the traffic of the attempt so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.connections.meter().traffic()
    }

    /// Returns the reason given for the last refused request.
    pub(crate) fn refused(&self) -> Option<String> {
        self.said.last()
    }

    /// Begins a request: counts it, compares it with the rights, and has it made. This happens
    /// while the guest calls, so nothing depends on whether it waits for the response.
    pub(super) fn begin(&self, mut request: Request<WasiBody>, options: Option<RequestOptions>) -> Begun {
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
            let fix = Rule::for_target(&target).map(|line| format!("; add `grants: {{ http: [{line}] }}` to the job"));
            let said = format!("the request `{target}` is not granted{}", fix.unwrap_or_default());
            Refused::said(Error::HttpRequestDenied, said)
        })?;
        self.complete(&mut request, grant, &target).map_err(|reason| {
            Refused::said(Error::ConfigurationError, format!("the request `{target}` cannot be sent: {reason}"))
        })?;
        let network = self.network.as_ref().map_err(|reason| Error::InternalError(Some(reason.clone())))?;
        let (connections, said) = (Arc::clone(&self.connections), Arc::clone(&self.said));
        // The task ends with the guest's handle.
        Ok(network.spawn(answered(connections, said, target, request, options)).into())
    }

    /// Returns the log of refused requests.
    pub(super) fn said(&self) -> &Said {
        &self.said
    }

    /// Adds the headers that the guest does not see.
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
            // The value may be a secret, so the message must not contain it.
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| {
                format!("the value of the header `{name}` has characters that are not allowed in a header")
            })?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(())
    }
}

/// Makes a request, in the form that the engine expects.
async fn answered(
    connections: Arc<Connections>,
    said: Arc<Said>,
    target: Target,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(Response<WasiBody>, AbortOnDropJoinHandle<()>), Error> {
    let guest = Arc::clone(connections.meter().guest());
    let (method, scheme) = (target.method.clone(), target.scheme);
    let (host, port, began) = (target.host.to_string(), target.port, guest.clock.now());
    let answer = exchange(connections, target, request, options).await;
    let became = match &answer {
        Ok(response) => Ok(response.status().as_u16()),
        Err(refused) => Err(name_of(&refused.error)),
    };
    guest.sink.requested(HttpExchange { method, scheme, host, port, began, ended: guest.clock.now(), answer: became });
    match answer {
        // The connection moves its bytes by itself.
        Ok(response) => Ok((response, tokio::spawn(std::future::ready(())).into())),
        Err(Refused { error, said: reason }) => {
            if let Some(reason) = reason {
                said.say(reason).await;
            }
            Err(error)
        }
    }
}

/// Returns the name of an error without its details.
fn name_of(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Returns the target of a request.
fn target_of(request: &Request<WasiBody>) -> Result<Target, String> {
    let uri = request.uri();
    let scheme = uri.scheme_str().and_then(Scheme::find).ok_or("its scheme is not `http` or `https`")?;
    let authority = uri.authority().ok_or("it names no host")?;
    Target::new(scheme, authority.as_str(), request.method().as_str(), uri.path())
}
