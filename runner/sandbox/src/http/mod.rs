//! HTTP requests of guests, made on threads of their own: what is asked of a connection never waits
//! for a guest that computes.
//!
//! - `requests`: what the engine asks; `plain`: what those ask who send a request whole
//! - `attempt`: one attempt's rights; `said`: what it was refused; `connections`: those that it has
//! - `exchange`: one request and its response; `received`: the body of that
//! - `connect`: a name to an address that may be connected to, and a connection there; `proxy`:
//!   through what
//! - `tls`: whom to trust
//! - `meter`: what goes over the wire, against the limits
//! - `client`: what all attempts of a process share; `names`: who resolves names

mod attempt;
mod client;
mod connect;
mod connection;
mod connections;
mod exchange;
mod meter;
mod names;
mod plain;
mod proxy;
mod received;
mod requests;
mod said;
mod task;
mod tls;

pub(crate) use client::Client;
pub use names::Names;
#[expect(unreachable_pub, reason = "the generated bindings name it again")]
pub use plain::Answer;
pub(crate) use plain::Plain;
pub(crate) use requests::MESSAGE;
pub(crate) use requests::Requests;
