//! Runs to builds: one engine a process, and what it tells whoever watches.
//!
//! - `engine`: what builds share for as long as the process lives
//! - `run`: a run that can start, to its end
//! - `bus`: what happens to the builds of this process, and to those of others
//! - `follower`: what happened to builds, read again from the store

pub mod bus;
pub mod engine;
mod follower;
pub mod run;
