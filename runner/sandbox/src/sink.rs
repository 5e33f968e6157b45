//! Where the log and the progress of a running build go.

use std::future::Future;
use std::pin::Pin;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::http::Scheme;
use jobcontrol_core::progress::Progress;

/// Where the log and the progress of a running build go.
///
/// What a record holds while it waits is charged to the account of its call, as `held_size::queued`
/// counts it; a sink gives it back once the record has gone.
pub trait Sink: Send + Sync {
    /// Takes a record, or gives it back where that would mean to wait.
    ///
    /// # Errors
    ///
    /// The record, if there is no room.
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord>;

    /// Takes a record, waiting for room. An error ends the build.
    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Takes the newest report of a group. Called as often as the guest likes, so it must be cheap.
    fn progress(&self, report: Progress);

    /// Is told of a request once its answer has begun. Called as often as the limits allow, so it
    /// must be cheap.
    fn requested(&self, _: HttpExchange) {}
}

/// A request that a guest made, up to the head of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpExchange {
    /// The method.
    pub method: String,
    /// How it travelled.
    pub scheme: Scheme,
    /// Whom it was for.
    pub host: String,
    /// At which port.
    pub port: u16,
    /// When it began.
    pub began: Timestamp,
    /// When its answer began, or when it failed.
    pub ended: Timestamp,
    /// The status of the answer, or the name of what went wrong.
    pub answer: Result<u16, String>,
}
