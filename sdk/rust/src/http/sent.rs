//! Sends a request through the host, and reads its response.

use super::message::Request;
use super::message::Response;
use crate::bindings::jobcontrol::plugin::http;

pub(super) fn exchange(request: Request) -> Result<Response, String> {
    let Request { method, url, headers, body, timeout, redirects } = request;
    let timeout = timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    let sent = http::Request { method: method.clone(), url, headers, body, timeout, redirects };
    let answer = http::send(&sent)?;
    let mut body = Vec::new();
    loop {
        let part = answer.read()?;
        if part.is_empty() {
            break;
        }
        body.extend_from_slice(&part);
    }
    Ok(Response { method, url: answer.url(), status: answer.status(), headers: answer.headers(), body })
}
