//! HTTP requests of guests, made on dedicated threads, so that a connection never waits for a guest
//! that computes.
//!
//! - `requests`: requests through `wasi:http`; `plain`: requests that are sent whole
//! - `attempt`: the rights of one attempt; `said`: reports of refused requests; `connections`: its
//!   connections
//! - `exchange`: one request and its response; `received`: the response body
//! - `connect`: resolves a name and connects; `proxy`: tunnels through a proxy
//! - `tls`: trusted certificates
//! - `meter`: traffic, compared with the limits
//! - `client`: state that all attempts of a process share; `names`: name resolution

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
