//! The store that forgets: the readable reference of what every backend does.
//!
//! - `store`: what is asked of it
//! - `tables`: what it holds, and what a change does to that

mod store;
mod tables;

pub use store::MemoryStorage;
