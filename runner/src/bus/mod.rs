//! Attempts between a service and its workers: messages, and what carries them.
//!
//! - `wire`: what the messages say, and their encoding
//! - `carrier`: what a bus can do, for the service and for the worker; `nats`: over NATS JetStream;
//!   `local`: inside one process
//! - `seal`: secrets, encrypted to the key of a worker
//!
//! `core/remote` decides which worker has an attempt. `execute/remote` offers attempts, and
//! `service/worker` runs them.

pub mod carrier;
pub mod local;
pub mod nats;
pub mod seal;
pub mod wire;
