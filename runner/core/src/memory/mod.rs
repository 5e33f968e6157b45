//! The in-memory store: a readable reference for what every backend does.
//!
//! - `store`: the implementation of [`Storage`](crate::storage::Storage)
//! - `tables`: the data, and the effect of each write on it
//! - `kept`, `services`: the data that services keep, and the writes that they make

mod kept;
mod services;
mod store;
mod tables;

pub use store::MemoryStorage;
