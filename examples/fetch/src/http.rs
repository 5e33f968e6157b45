//! Requests by `wasi:http`, one after the other.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::ErrorCode;
use wasip2::http::types::Fields;
use wasip2::http::types::IncomingResponse;
use wasip2::http::types::Method;
use wasip2::http::types::OutgoingRequest;
use wasip2::http::types::Scheme;
use wasip2::io::streams::StreamError;

/// Bytes that are read at once.
const CHUNK: u64 = 32 << 10;

/// What a server answered.
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A request without a body.
pub fn request(method: &Method, url: &str) -> Result<OutgoingRequest, ErrorCode> {
    let invalid = || ErrorCode::HttpRequestUriInvalid;
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    request.set_scheme(Some(&scheme)).map_err(|()| invalid())?;
    request.set_authority(Some(authority)).map_err(|()| invalid())?;
    request.set_path_with_query(Some(path)).map_err(|()| invalid())?;
    Ok(request)
}

/// Sends a request and waits for the headers of its response.
pub fn send(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    let response = handle(request, None)?;
    loop {
        match response.get() {
            Some(Ok(response)) => return response,
            Some(Err(())) => return Err(ErrorCode::InternalError(None)),
            None => response.subscribe().block(),
        }
    }
}

/// Reads the body of a response, piece by piece.
pub fn read(response: &IncomingResponse, mut take: impl FnMut(&[u8])) -> Result<(), ErrorCode> {
    let body = response.consume().map_err(|()| ErrorCode::InternalError(None))?;
    let stream = body.stream().map_err(|()| ErrorCode::InternalError(None))?;
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(bytes) => take(&bytes),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.unwrap_or(ErrorCode::HttpProtocolError));
            }
        }
    }
}

/// Gets what is at a URL.
pub fn get(url: &str) -> Result<Response, ErrorCode> {
    let response = send(request(&Method::Get, url)?)?;
    let mut body = Vec::new();
    read(&response, |bytes| body.extend_from_slice(bytes))?;
    Ok(Response { status: response.status(), body })
}
