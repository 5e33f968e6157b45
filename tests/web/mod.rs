//! The real program over real sockets.
//!
//! - `api`: what the routes answer, and that it is what the command line says
//! - `asking`: new runs; `events`: what happens, as it happens
//! - `admission`: who is let in
//! - `doors`: what comes in over encrypted connections, slowly, or too often
//! - `hostile`: requests that mean no good
//! - `many`: more clients than there is room for
//! - `pages`: what a browser without scripts sees; `forms`: what it sends; `follow`: what an open
//!   page is sent

#![expect(clippy::unwrap_used, reason = "an answer that is missing ends its test")]

mod admission;
mod api;
mod asking;
mod doors;
mod events;
mod follow;
mod forms;
mod hostile;
mod many;
mod pages;
