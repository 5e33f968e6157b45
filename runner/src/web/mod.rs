//! The web: HTTP and pages. Decides nothing about jobs and builds: it asks `request`, `service` and
//! `show`.
//!
//! - `address`, `sockets`, `tls`: where to listen, and how
//! - `accept`, `stall`: connections within bounds
//! - `gate`: what each request goes through, by the decisions of `client` (who sends it), `rate`
//!   (how often), `guard` (from which site) and `access` (with which rights)
//! - `extract`, `problem`, `reply`: what comes with a request, and what goes back
//! - `state`: what requests share; `kept_logs`: which records long logs have
//! - `posted`: the forms of our pages
//! - `acting`: what callers start, cancel and delete, if they may
//! - `api`: the routes of the API, a file a resource; `pages`: those for people; `assets`: their
//!   style and script
//! - `router`: all routes
//! - `server`: the whole, opened, served and stopped

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
