//! What a bus can do, for a service and for a worker.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::wire::Answer;
use super::wire::Beat;
use super::wire::Claim;
use super::wire::Note;
use super::wire::Offer;
use super::wire::Report;

/// Why something could not be sent or received.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BusError {
    /// The broker cannot be used at all: a wrong address, wrong credentials, a version that is too
    /// old. Trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// The broker could not do it now. The same call may succeed later.
    #[error("{0}")]
    Failed(String),
}

/// What becomes of a message that the broker keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// It was dealt with.
    Done,
    /// It came too early: deliver it again in a second.
    Later,
}

/// What reaches a service.
pub enum Heard {
    /// A worker asks for an attempt, and waits for the answer.
    Claim(Claim, Box<dyn FnOnce(Answer) + Send + Sync>),
    /// A report, and what is to become of it. It is delivered again until it is done.
    Report(Report, Box<dyn FnOnce(Disposal) + Send + Sync>),
    /// A worker is alive.
    Beat(Beat),
    /// The service was cut off from the bus (false), or is on it again (true).
    Connection(bool),
}

/// The service's end of a bus. Every method may be called from any thread and does not block it.
pub trait ServiceEnd: Send + Sync {
    /// Offers an attempt to all workers. Returns once the broker keeps the offer; a second offer of
    /// the same attempt may reach a second worker.
    fn offer<'a>(&'a self, offer: &'a Offer) -> BoxFuture<'a, Result<(), BusError>>;

    /// Waits for the next message to this service. Reports of one attempt come in the order in
    /// which they were sent; some may come twice. Called by one task. Returns `None` once the bus
    /// is closed.
    fn hear(&self) -> BoxFuture<'_, Option<Heard>>;

    /// Tells a worker something, at most once: it is lost if the worker does not listen.
    fn tell<'a>(&'a self, worker: &'a str, note: &'a Note) -> BoxFuture<'a, Result<(), BusError>>;

    /// Keeps an object for workers. Returns once the broker has it.
    fn keep<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), BusError>>;

    /// Returns whether the broker has an object, and keeps it for another day.
    fn has<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, BusError>>;

    /// Returns an object that a worker has kept.
    fn object<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Bytes, BusError>>;

    /// Removes an object.
    fn forget<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), BusError>>;

    /// Returns how many bytes a value in a message may have. A larger value becomes an object.
    fn value_limit(&self) -> usize;
}

/// An offer that a worker has taken. The broker gives it to another worker if it hears nothing for
/// half a minute.
pub trait Taken: Send + Sync {
    /// Tells the broker that the worker still has the offer.
    fn progress(&self) -> BoxFuture<'_, ()>;

    /// Tells the broker that the offer was dealt with.
    fn done(&self) -> BoxFuture<'_, ()>;

    /// Gives the offer back. The broker delivers it again after some seconds, a few times.
    fn back(&self) -> BoxFuture<'_, ()>;
}

/// An offer, and what the broker is told of it.
pub type TakenOffer = (Offer, Arc<dyn Taken>);

/// The worker's end of a bus. Every method may be called from any thread and does not block it.
pub trait WorkerEnd: Send + Sync {
    /// Waits for an offer. Several tasks may wait at once; each offer goes to one of them.
    fn take(&self) -> BoxFuture<'_, Result<TakenOffer, BusError>>;

    /// Asks a service for an attempt. Returns `None` if the service is not on the bus, and an error
    /// if there is no answer.
    fn claim<'a>(&'a self, service: &'a str, claim: &'a Claim) -> BoxFuture<'a, Result<Option<Answer>, BusError>>;

    /// Sends a report. Returns once the broker keeps it. A report that is sent twice is delivered
    /// once, if the second comes within two minutes.
    fn report<'a>(&'a self, service: &'a str, report: &'a Report) -> BoxFuture<'a, Result<(), BusError>>;

    /// Tells all services that this worker is alive, at most once.
    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<(), BusError>>;

    /// Waits for something that a service tells this worker. Called by one task. Returns `None`
    /// once the bus is closed.
    fn told(&self) -> BoxFuture<'_, Option<Note>>;

    /// Keeps an object for a service.
    fn keep<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), BusError>>;

    /// Returns an object that a service has kept.
    fn object<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Bytes, BusError>>;

    /// Returns how many bytes a value in a message may have. A larger value becomes an object.
    fn value_limit(&self) -> usize;
}
