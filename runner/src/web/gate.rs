//! The checks that every request passes, and the headers that every response gets.

use std::time::Duration;

use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header::CACHE_CONTROL;

use super::access::CSRF_HEADER;
use super::access::Caller;
use super::access::Denied;
use super::access::Entrance;
use super::access::caller;
use super::assets;
use super::client::Client;
use super::client::Peer;
use super::client::client;
use super::guard::Sent;
use super::guard::harden;
use super::guard::same_site;
use super::pages::error::page;
use super::pages::error::wants_page;
use super::problem::Problem;
use super::problem::Sort;
use super::state::Web;

/// The path prefix of the API.
pub(super) const API: &str = "/api/";

/// The addresses that load balancers poll without a token.
pub(super) const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// Where a browser sends its token to sign in; it has no token before that.
pub(super) const LOGIN: &str = "/login";

/// Longest time for a response to begin. It exceeds the longest time that a client may wait for the
/// end of a run. Nobody would wait for a slower store.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request, or responds with the reason for the refusal.
pub(super) async fn gate(State(web): State<Web>, request: Request, next: Next) -> Response {
    let id = web.request_id();
    let reads = is_read(request.method());
    // A browser that opens an address gets a page, even for an error.
    let is_page = !request.uri().path().starts_with(API) && wants_page(request.headers());
    let (parts, body) = request.into_parts();
    let browser = is_page.then(|| parts.clone());
    let request = Request::from_parts(parts, body);
    let response = match admit(&web, request).await {
        Ok(request) => match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(Sort::Timeout, "the response took too long").into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    let mut response = match response.extensions().get::<Problem>() {
        Some(problem) => {
            browser.and_then(|parts| page(&web, &parts, problem, &id)).unwrap_or_else(|| problem.answer(&id))
        }
        None => response,
    };
    let headers = response.headers_mut();
    harden(headers);
    if !reads || !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Lets a request in and attaches its caller and client to it.
async fn admit(web: &Web, mut request: Request) -> Result<Request, Problem> {
    // The connection attaches its peer to each request.
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.ok_or_else(|| Problem::new(Sort::Internal, "the request has no peer address"))?;
    let admission = web.admission();
    let client = client(peer, admission.proxy, request.headers())?;
    web.take(client.source()).map_err(Problem::too_many)?;
    if peer != Peer::Socket {
        admission.names.check(client.host.as_deref())?;
    }
    let (method, path) = (request.method(), request.uri().path());
    let is_open = HEALTH.contains(&path) || path.starts_with(assets::FOLDER) || path == LOGIN;
    let is_api = path.starts_with(API);
    let host = client.host.as_deref().unwrap_or_default();
    same_site(Sent { method, headers: request.headers(), host, api: is_api })?;
    if !is_open {
        let caller = identify(web, peer, &client, request.headers().clone()).await?;
        may(&caller, &request, is_api)?;
        request.extensions_mut().insert(caller);
    }
    request.extensions_mut().insert(client);
    Ok(request)
}

/// Finds out who sent a request with these headers. Reads the store.
pub(super) async fn identify(web: &Web, peer: Peer, client: &Client, headers: HeaderMap) -> Result<Caller, Problem> {
    let entrance = match (peer, client.address) {
        (Peer::Address { .. }, Some(ip)) => Entrance::Address { ip, exposed: web.admission().exposed },
        _ => Entrance::Owner,
    };
    web.blocking(move |service| {
        let tokens = match entrance {
            Entrance::Owner => Vec::new(),
            Entrance::Address { .. } => service.storage().get_tokens()?,
        };
        Ok(caller(entrance, &headers, &tokens, service.storage().clock().now())?)
    })
    .await
}

/// Checks the general rights of the caller. The routes check the rights to single jobs.
fn may(caller: &Caller, request: &Request, is_api: bool) -> Result<(), Problem> {
    let reads = is_read(request.method());
    if reads && !caller.scopes.may_read() {
        return Err(Problem::new(Sort::Forbidden, "the token has no scope `read`"));
    }
    if let (false, true, Some(csrf)) = (reads, is_api, &caller.csrf) {
        let sent = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        if !sent.is_some_and(|sent| csrf.is(sent)) {
            let problem = Problem::new(
                Sort::Forbidden,
                format!("the request has no `{CSRF_HEADER}` from a page of this service"),
            );
            return Err(problem.hint("a client that is not a browser sends its token in `Authorization: Bearer`"));
        }
    }
    Ok(())
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let problem = Self::new(Sort::Unauthorized, denied.to_string());
        match denied {
            Denied::NoToken => problem.hint("send it as `Authorization: Bearer jc_..`"),
            Denied::Unknown | Denied::Expired | Denied::Revoked => {
                problem.hint("`jobcontrol token create --scope read` creates a new token")
            }
        }
    }
}
