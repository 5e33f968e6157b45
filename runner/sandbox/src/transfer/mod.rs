//! Moves values directly into and out of a guest's memory, by the component's own types.
//!
//! The engine's dynamic values take 40 bytes and a step for each byte of a `list<u8>`. Its typed
//! calls accept any types that can write and read themselves, and the two here do so for every
//! signature. [`Args`] fills as many of the 16 flat slots as the parameters need, or one with a
//! pointer. [`Returned`] reads the one slot of a result.
//!
//! - `args`, `returned`: the two types
//! - `abi`: the canonical ABI, for both directions
//! - `large`: values that take long to move
//! - `lower`: arguments into the guest
//! - `lift`: a return value out of it
//! - `records`: the layout of record types
//! - `memory`: an instance's memory before its arguments
//! - `typed`: the engine's traits for both

mod abi;
mod args;
mod large;
mod lift;
mod lower;
mod memory;
mod records;
mod returned;
mod typed;

pub(crate) use args::Args;
pub(crate) use args::Mismatch;
pub(crate) use large::Values;
pub(crate) use memory::Image;
pub(crate) use memory::Memory;
pub(crate) use returned::FUEL;
pub(crate) use returned::HELD;
pub(crate) use returned::Returned;
pub(crate) use returned::TooLarge;
