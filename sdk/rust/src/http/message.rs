//! Requests and responses.

use std::error;
use std::fmt;
use std::time::Duration;

/// A request before it is sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Option<Duration>,
    pub(super) redirects: u32,
}

impl Request {
    /// Creates a request with any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            redirects: 10,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets how long to wait for a connection, for the response to begin, and for each of its
    /// parts.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how many redirects are followed, instead of 10. More are an error; with 0, a redirect
    /// is a response like any other.
    pub fn redirects(mut self, redirects: u32) -> Self {
        self.redirects = redirects;
        self
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the headers, in order.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the body to send.
    pub fn sent_body(&self) -> &[u8] {
        &self.body
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// Creates a response for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { method: String::new(), url: String::new(), status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header to a response for tests.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the status, such as 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the URL that it came from, after all redirects.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the response if its status is below 400.
    ///
    /// # Errors
    ///
    /// Returns an error with the status and the beginning of the body if the status is 400 or
    /// above.
    pub fn ok(self) -> Result<Self, Error> {
        if self.status < 400 {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        let said: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
        let colon = if said.is_empty() { "" } else { ": " };
        let what = format!("the server answered {}{colon}{said}", self.status);
        Err(Error { method: self.method, url: self.url, what })
    }

    /// Returns the body.
    pub fn bytes(self) -> Vec<u8> {
        self.body
    }

    /// Returns the body as text.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is not UTF-8.
    pub fn text(self) -> Result<String, Error> {
        let (method, url) = (self.method, self.url);
        String::from_utf8(self.body).map_err(|_| Error { method, url, what: "the response is not UTF-8".to_owned() })
    }
}

/// Why a request has no response, or an unusable one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) what: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.url, self.what)
    }
}

impl error::Error for Error {}
