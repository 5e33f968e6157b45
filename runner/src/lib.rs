//! jobcontrol as a library: the modules that do input and output.
//!
//! - [`settings`]: where the jobs, the store and all other files are
//! - [`catalog`]: from a folder to checked jobs
//! - [`bus`]: messages between a service and its workers
//! - [`execute`]: from jobs to builds
//! - [`record`]: from builds to rows of the store
//! - [`request`]: from a request to a run that can start
//! - [`service`]: from runs to builds, on one engine
//! - `show`: from rows to the shapes that the command line and the web show
//! - [`app`]: all parts put together
//! - [`cli`], [`web`]: the command line, and HTTP

pub mod app;
pub mod bus;
pub mod catalog;
pub mod cli;
pub mod execute;
mod lock;
mod machine;
mod private;
pub mod record;
pub mod request;
pub mod say;
pub mod service;
pub mod settings;
pub(crate) mod show;
pub mod web;
