//! The store that forgets: the readable reference of what every backend does.
//!
//! - `store`: what is asked of it
//! - `tables`: what it holds, and what a change does to that
//! - `kept`, `services`: what services keep, and what they do to the tables

mod kept;
mod services;
mod store;
mod tables;

pub use store::MemoryStorage;
