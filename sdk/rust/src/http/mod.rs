//! HTTP requests, one after the other, under the job's `http` grant.
//!
//! ```
//! use jobcontrol_plugin::http;
//!
//! fn orders(url: String) -> Result<String, http::Error> {
//!     http::get(url).header("Accept", "application/json").send()?.ok()?.text()
//! }
//!
//! // In tests, `testing::answer` sets the responses.
//! let told = jobcontrol_plugin::testing::collect(|| {
//!     jobcontrol_plugin::testing::answer(|request| http::Response::new(200, format!("[\"{}\"]",
//!     request.url()))); orders("https://shop.example/orders".to_owned())
//! });
//! assert_eq!(told.outcome.unwrap().unwrap(), "[\"https://shop.example/orders\"]");
//! ```
//!
//! Put a token into the grant: the host adds it to requests, and the plugin never sees it.

#[cfg(not(target_family = "wasm"))]
pub(crate) mod answers;
mod message;
#[cfg(target_family = "wasm")]
mod sent;

pub use message::Error;
pub use message::Request;
pub use message::Response;

#[cfg(not(target_family = "wasm"))]
use answers::exchange;
#[cfg(target_family = "wasm")]
use sent::exchange;

/// Creates a GET request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// Creates a POST request.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// Creates a PUT request.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

/// Creates a DELETE request.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

impl Request {
    /// Sends the request, and reads the whole response.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no response. A response with a status of 400 and above is not
    /// an error, see [`Response::ok`].
    pub fn send(self) -> Result<Response, Error> {
        let (method, url) = (self.method.clone(), self.url.clone());
        exchange(self).map_err(|what| Error { method, url, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_request_is_answered_by_the_test() {
        let told = testing::collect(|| {
            testing::answer(|request| match (request.method(), request.sent_body()) {
                ("POST", b"x") => Response::new(201, "made").with_header("Location", "/1"),
                _ => Response::new(404, "no\n  such order"),
            });
            (post("http://a/").body("x").send(), get("http://a/b").send().and_then(Response::ok))
        });
        let (made, missing) = told.outcome.expect("it returns");
        let made = made.expect("an answer");
        assert_eq!((made.status(), made.header("location")), (201, Some("/1")));
        assert_eq!(missing.unwrap_err().to_string(), "GET http://a/b: the server answered 404: no such order");
    }

    #[test]
    fn without_an_answer_there_is_no_network() {
        let error = get("http://a/").send().unwrap_err().to_string();
        assert!(error.starts_with("GET http://a/: tests have no network"), "{error}");
    }
}
