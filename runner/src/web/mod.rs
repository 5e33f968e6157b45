//! The web: HTTP and pages. It decides nothing about jobs and builds, but calls `request`,
//! `service` and `show`.
//!
//! - `address`, `sockets`, `tls`: where to listen, and how
//! - `accept`, `stall`: connections and their limits
//! - `gate`: the checks of each request, by the decisions of `client` (who sent it), `rate` (how
//!   often), `guard` (from which site) and `access` (with which rights)
//! - `extract`, `problem`, `reply`: the parts of a request, and the responses
//! - `state`: what requests share; `kept_logs`: which records long logs have
//! - `posted`: the forms of our pages
//! - `acting`: starts, cancels and deletes in the name of a caller
//! - `api`: the routes of the API, one file for each resource; `pages`: the routes for people;
//!   `assets`: style and script of the pages
//! - `router`: all routes
//! - `server`: opens, serves and stops the web

mod accept;
mod access;
mod acting;
mod address;
mod api;
mod assets;
mod client;
mod extract;
mod gate;
mod given;
mod guard;
mod kept_logs;
mod pages;
mod posted;
mod problem;
mod rate;
mod reply;
mod router;
mod server;
mod sockets;
mod stall;
mod state;
mod tls;

pub use address::Listen;
pub use server::Door;
pub use server::Opened;
pub use server::Server;
pub use server::open;
pub use tls::TlsFiles;
