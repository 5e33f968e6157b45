//! Requests that are sent whole, and responses that are read part by part, for
//! `jobcontrol:plugin/http`.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::header::CONTENT_LENGTH;
use http::header::CONTENT_TYPE;
use http::header::COOKIE;
use http::header::LOCATION;
use http::header::TRANSFER_ENCODING;
use http_body_util::BodyExt;
use http_body_util::Full;
use url::Url;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;

use super::requests::MESSAGE;
use super::requests::Requests;

/// The longest URL, in bytes. Servers refuse paths longer than 8 KiB.
const URL: usize = 16 << 10;

/// The most redirects that are followed, however many the guest allows.
const REDIRECTS: u32 = 20;

/// A request as a guest has put it together.
pub(crate) struct Plain {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) redirects: u32,
}

/// A response whose body has not been read yet.
#[expect(unreachable_pub, reason = "the generated bindings name it again")]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) url: String,
    body: WasiBody,
}

impl Answer {
    fn new(response: Response<WasiBody>, url: &Url) -> Self {
        let (head, body) = response.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Self { status: head.status.as_u16(), headers, url: url.to_string(), body }
    }

    /// Returns the next part of the body, which is empty at the end.
    ///
    /// # Errors
    ///
    /// Returns a description of the error that ended the body early.
    pub(crate) async fn read(&mut self) -> Result<Bytes, String> {
        loop {
            match self.body.frame().await {
                None => return Ok(Bytes::new()),
                Some(Err(error)) => return Err(words(&error)),
                // Trailers are skipped, because the interface does not offer them.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(data),
                    _ => {}
                },
            }
        }
    }
}

/// The message to send and its target. A redirect changes both.
struct Message {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Message {
    fn of(request: Plain) -> Result<Self, String> {
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.map_err(|_| format!("`{}` is not an HTTP method", shown(&request.method)))?;
        if request.url.len() > URL {
            return Err("the URL is longer than 16 KiB".to_owned());
        }
        let url = Url::parse(&request.url).map_err(|e| format!("`{}` is not a valid URL: {e}", shown(&request.url)))?;
        let mut headers = HeaderMap::new();
        let size: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size as u64 > MESSAGE {
            return Err(format!("the headers are longer than {MESSAGE} bytes"));
        }
        for (name, value) in &request.headers {
            let wrong = |what: &str| format!("the {what} `{}` is not valid", shown(name));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("header name"))?;
            // The host decides the length of a body and its transfer encoding.
            if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
                continue;
            }
            let value = HeaderValue::from_str(value).map_err(|_| wrong("value of the header"))?;
            headers.try_append(name, value).map_err(|_| "there are too many headers".to_owned())?;
        }
        Ok(Self { method, url, headers, body: request.body.into() })
    }

    fn request(&self) -> Result<http::Request<WasiBody>, String> {
        let mut url = self.url.clone();
        url.set_fragment(None);
        let uri: http::Uri =
            url.as_str().parse().map_err(|e| format!("`{}` is not a valid URL: {e}", shown(url.as_str())))?;
        let body = Full::new(self.body.clone()).map_err(|never| match never {}).boxed_unsync();
        let mut request = http::Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (self.method.clone(), uri);
        *request.headers_mut() = self.headers.clone();
        // If servers know the length, they need not take the body in pieces.
        if !self.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            request.headers_mut().insert(CONTENT_LENGTH, self.body.len().into());
        }
        Ok(request)
    }

    /// Follows a redirect, as browsers do, and returns whether there was one.
    fn redirected(&mut self, response: &Response<WasiBody>) -> bool {
        let status = response.status();
        let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let Some(url) = location.filter(|_| is_redirect).and_then(|location| self.url.join(location).ok()) else {
            return false;
        };
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            (self.method, self.body) = (Method::GET, Bytes::new());
            self.headers.remove(CONTENT_TYPE);
        }
        if url.origin() != self.url.origin() {
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
        self.url = url;
        true
    }
}

impl Requests {
    /// Sends a request and follows its redirects. Each target needs a grant of the job.
    ///
    /// # Errors
    ///
    /// Returns a description of why there is no response.
    pub(crate) async fn send(&mut self, request: Plain) -> Result<Answer, String> {
        let (timeout, redirects) = (request.timeout, request.redirects.min(REDIRECTS));
        let options = timeout.map(|time| RequestOptions {
            connect_timeout: Some(time),
            first_byte_timeout: Some(time),
            between_bytes_timeout: Some(time),
        });
        let mut message = Message::of(request)?;
        for _ in 0..=redirects {
            let response = match self.answered(message.request()?, options).await {
                Ok(response) => response,
                Err(error) => return Err(self.refusal(&error)),
            };
            if redirects == 0 || !message.redirected(&response) {
                return Ok(Answer::new(response, &message.url));
            }
        }
        Err(format!("the server redirected more than {redirects} times"))
    }

    /// Returns the message of a refusal, which says more than its error.
    fn refusal(&self, error: &Error) -> String {
        let is_said = matches!(
            error,
            Error::HttpRequestDenied
                | Error::HttpRequestUriInvalid
                | Error::DestinationIpProhibited
                | Error::ConfigurationError
                | Error::ConnectionLimitReached
        );
        self.refused().filter(|_| is_said).unwrap_or_else(|| words(error))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Describes an error of HTTP.
fn words(error: &Error) -> String {
    match error {
        Error::DnsTimeout | Error::DnsError { .. } => "the host name could not be resolved".to_owned(),
        Error::ConnectionRefused => "the connection was refused".to_owned(),
        Error::ConnectionTerminated => "the server closed the connection before it answered".to_owned(),
        Error::ConnectionTimeout => "connecting took too long".to_owned(),
        Error::ConnectionReadTimeout | Error::HttpResponseTimeout => "the response took too long".to_owned(),
        Error::TlsCertificateError => "the server's certificate is not trusted".to_owned(),
        Error::HttpResponseIncomplete => "the response ended early".to_owned(),
        Error::HttpProtocolError => "the server did not send a valid HTTP response".to_owned(),
        Error::InternalError(Some(what)) => what.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;

    fn message(method: &str, url: &str) -> Message {
        let headers = [("Authorization", "x"), ("Content-Length", "7"), ("Accept", "y")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (method, url, body) = (method.to_owned(), url.to_owned(), vec![1]);
        Message::of(Plain { method, url, headers, body, timeout: None, redirects: 0 }).unwrap()
    }

    fn answer(status: u16, location: &str) -> Response<WasiBody> {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        Response::builder().status(status).header(LOCATION, location).body(body).unwrap()
    }

    #[test]
    fn a_redirect_is_followed_as_browsers_do() {
        let redirected = |method: &str, status: u16, location: &str| {
            let mut message = message(method, "https://a.example/x/y?q#f");
            let followed = message.redirected(&answer(status, location));
            let has_token = message.headers.contains_key(AUTHORIZATION);
            (followed, message.method.to_string(), message.url.to_string(), message.body.len(), has_token)
        };
        let to = |method: &str, url: &str, body, token| (true, method.to_owned(), url.to_owned(), body, token);
        assert_eq!(redirected("POST", 302, "z"), to("GET", "https://a.example/x/z", 0, true));
        assert_eq!(redirected("POST", 307, "/z"), to("POST", "https://a.example/z", 1, true));
        assert_eq!(redirected("PUT", 303, "//b.example"), to("GET", "https://b.example/", 0, false));
        assert_eq!(redirected("GET", 301, "http://a.example"), to("GET", "http://a.example/", 1, false));
        assert!(!redirected("GET", 200, "z").0 && !redirected("GET", 304, "z").0);
    }

    #[test]
    fn what_is_no_request_is_told() {
        let error = |method: &str, url: &str, header: &str| {
            let headers = vec![(header.to_owned(), "x".to_owned())];
            let (method, url) = (method.to_owned(), url.to_owned());
            Message::of(Plain { method, url, headers, body: Vec::new(), timeout: None, redirects: 0 }).err().unwrap()
        };
        assert_eq!(error("G T", "http://a", "a"), "`G T` is not an HTTP method");
        assert!(error("GET", "nonsense", "a").starts_with("`nonsense` is not a valid URL: "));
        assert!(error("GET", &format!("http://a/{}", "x".repeat(URL)), "a").contains("longer than 16 KiB"));
        assert_eq!(error("GET", "http://a", "a b"), "the header name `a b` is not valid");
        assert!(error("GET", "http://a", &"a".repeat(40_000)).contains("longer than"));
        let message = message("GET", "http://A.example/ü?q=ö#f");
        assert_eq!(message.request().unwrap().uri(), "http://a.example/%C3%BC?q=%C3%B6");
        // Ambiguous URLs are normalised before they are checked, and sent in that form.
        for (typed, meant) in [
            ("http://0177.0.0.1/v1/%2e%2e/x", "http://127.0.0.1/x"),
            ("http://a.example\\@b.example/", "http://a.example/@b.example/"),
            ("HTTP://A.example:80/./y/../z", "http://a.example/z"),
        ] {
            assert_eq!(self::message("GET", typed).request().unwrap().uri(), meant);
        }
        assert_eq!(message.request().unwrap().headers()[CONTENT_LENGTH], "1", "the host says how long a body is");
    }
}
