//! The bus over NATS JetStream. No other room names the client's crate.
//!
//! - `link`: the connection, and what both ends keep at the broker
//! - `service`, `worker`: the two ends
//!
//! Offers are a work queue (`jobcontrol-offers`): each goes to one worker, and to another one if
//! that worker does not confirm it. It has one consumer for each set of labels that some job needs;
//! a worker takes from those whose labels it has. Reports are a stream (`jobcontrol-reports`) with
//! one consumer for each service. Claims, heartbeats and notes are plain messages, which may be
//! lost.

mod link;
mod service;
mod worker;

pub use link::heartbeats;
pub use service::NatsService;
pub use worker::NatsWorker;
