//! A request and its answer by `wasi:http`.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::ErrorCode;
use wasip2::http::types::Fields;
use wasip2::http::types::IncomingResponse;
use wasip2::http::types::Method;
use wasip2::http::types::OutgoingBody;
use wasip2::http::types::OutgoingRequest;
use wasip2::http::types::RequestOptions;
use wasip2::http::types::Scheme;
use wasip2::http::types::http_error_code;
use wasip2::io::streams::StreamError;

use super::message::Request;
use super::message::Response;

/// Bytes that are read at once.
const READ: u64 = 64 << 10;

/// Bytes that may be written at once.
const WRITE: usize = 4096;

pub(super) fn exchange(request: Request) -> Result<Response, String> {
    let outgoing = outgoing(&request)?;
    let body = outgoing.body().map_err(|()| "it cannot have a body".to_owned())?;
    let options = RequestOptions::new();
    if let Some(timeout) = request.timeout {
        let nanos = u64::try_from(timeout.as_nanos()).ok();
        let set = options.set_connect_timeout(nanos);
        let set = set.and_then(|()| options.set_first_byte_timeout(nanos));
        set.and_then(|()| options.set_between_bytes_timeout(nanos))
            .map_err(|()| "it cannot have a timeout".to_owned())?;
    }
    let answer = handle(outgoing, Some(options)).map_err(|code| words(&code))?;
    // A server may answer, and close, before it has read all: then the answer counts.
    let sent = send(&body, &request.body).and_then(|()| OutgoingBody::finish(body, None).map_err(|code| words(&code)));
    let response = loop {
        match answer.get() {
            Some(Ok(Ok(response))) => break response,
            Some(Ok(Err(code))) => return Err(sent.err().unwrap_or_else(|| words(&code))),
            Some(Err(())) => return Err("its answer was taken already".to_owned()),
            None => answer.subscribe().block(),
        }
    };
    let body = received(&response)?;
    let (method, url) = (request.method, request.url);
    Ok(Response { method, url, status: response.status(), headers: response.headers().entries(), body })
}

fn outgoing(request: &Request) -> Result<OutgoingRequest, String> {
    let headers = Fields::new();
    for (name, value) in &request.headers {
        let added = headers.append(name, value.as_bytes());
        added.map_err(|error| format!("the header `{name}` cannot be sent: {error:?}"))?;
    }
    let no_url = || "this is no URL: it begins with http:// or https://".to_owned();
    let (scheme, rest) = request.url.split_once("://").ok_or_else(no_url)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(no_url()),
    };
    // What comes after a `#` is not for the server.
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at));
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&method(&request.method)).map_err(|()| "this is no method".to_owned())?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| no_url())?;
    outgoing.set_authority(Some(authority)).map_err(|()| no_url())?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| no_url())?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn send(body: &OutgoingBody, bytes: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "its body cannot be written".to_owned())?;
    bytes.chunks(WRITE).try_for_each(|part| stream.blocking_write_and_flush(part)).map_err(|error| broken(&error))
}

fn received(response: &IncomingResponse) -> Result<Vec<u8>, String> {
    let body = response.consume().map_err(|()| "its answer was taken already".to_owned())?;
    let stream = body.stream().map_err(|()| "its answer was taken already".to_owned())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(part) => bytes.extend_from_slice(&part),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(broken(&error)),
        }
    }
}

fn broken(error: &StreamError) -> String {
    match error {
        StreamError::Closed => "the connection was closed".to_owned(),
        StreamError::LastOperationFailed(error) => {
            http_error_code(error).map_or_else(|| error.to_debug_string(), |code| words(&code))
        }
    }
}

/// What an error of `wasi:http` means.
fn words(code: &ErrorCode) -> String {
    match code {
        ErrorCode::HttpRequestDenied => {
            "the job has no grant for it: `grants: { http: [..] }` in its manifest".to_owned()
        }
        ErrorCode::DnsError(_) => "the name of the host is not known".to_owned(),
        ErrorCode::ConnectionRefused => "the connection was refused".to_owned(),
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            "it took too long".to_owned()
        }
        ErrorCode::ConnectionTerminated => "the connection was closed".to_owned(),
        ErrorCode::TlsCertificateError => "the certificate of the server is not trusted".to_owned(),
        ErrorCode::InternalError(Some(what)) => what.clone(),
        other => format!("{other:?}"),
    }
}
