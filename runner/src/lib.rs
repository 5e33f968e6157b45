//! jobcontrol as a library: the rooms that touch the world.
//!
//! - [`settings`]: where everything is
//! - [`execute`]: jobs to builds
//! - [`record`]: builds to rows
//! - [`app`]: all parts put together
//! - [`cli`]: the command line

pub mod app;
pub mod cli;
pub mod execute;
pub mod record;
pub mod settings;
