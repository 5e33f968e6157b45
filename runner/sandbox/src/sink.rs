//! Where the log and the progress of a running build go.

use std::future::Future;
use std::pin::Pin;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::http::Scheme;
use jobcontrol_core::progress::Progress;

/// Receives the log and the progress of a running build.
///
/// While a record waits, the account of its call is charged for what it holds, as
/// `held_size::queued` counts it. A sink gives this back once the record has gone.
pub trait Sink: Send + Sync {
    /// Takes a record, or returns it if taking it would mean waiting.
    ///
    /// # Errors
    ///
    /// Returns the record if there is no room.
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord>;

    /// Takes a record, waiting for room. An error ends the build.
    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Takes the newest report of a group. Called as often as the guest likes, so it must be cheap.
    fn progress(&self, report: Progress);

    /// Reports a request once its response has begun. Called as often as the limits allow, so it
    /// must be cheap.
    fn requested(&self, _: HttpExchange) {}
}

/// A request that a guest made, up to the head of its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpExchange {
    /// The method.
    pub method: String,
    /// The scheme of its URL.
    pub scheme: Scheme,
    /// The host it was sent to.
    pub host: String,
    /// The port it was sent to.
    pub port: u16,
    /// When it began.
    pub began: Timestamp,
    /// When its response began, or when it failed.
    pub ended: Timestamp,
    /// The status of the response, or the name of the error.
    pub answer: Result<u16, String>,
}
