//! jobcontrol as a library: the rooms that touch the world.
//!
//! - [`settings`]: where everything is
//! - [`catalog`]: a folder to checked jobs
//! - [`execute`]: jobs to builds
//! - [`record`]: builds to rows
//! - [`request`]: what somebody asks for to a run that can start
//! - [`service`]: runs to builds, on one engine
//! - `show`: rows to the shapes that every face shows
//! - [`app`]: all parts put together
//! - [`cli`], [`web`]: the command line, and HTTP

pub mod app;
pub mod catalog;
pub mod cli;
pub mod execute;
mod lock;
mod machine;
pub mod record;
pub mod request;
pub mod say;
pub mod service;
pub mod settings;
pub(crate) mod show;
pub mod web;
