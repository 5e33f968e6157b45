//! WIT types as plain data, independent of any engine.
//!
//! - `ty`, `signature`: types and functions, and how they are written in one line
//! - `fits`: which types fit which
//! - `resolve`: turns the arguments of a manifest into the arguments of a call
//! - `convert`: converts a stored value into another type that it fits
//! - `declared`: the declarations of the types that functions use
//! - `sample`: a value of a type, as a person would write it
//! - `table`: types and functions as plain rows for storage and transfer, each type once
//! - `wit`: types from decoded WIT, and types to WIT text and back

#[cfg(test)]
#[path = "../../../../tests/harness/any_type.rs"]
mod any_type;
mod convert;
mod declared;
mod fits;
#[cfg(test)]
mod properties;
mod resolve;
pub mod sample;
mod signature;
mod table;
mod ty;
mod wit;

pub use convert::convert;
pub use declared::declared;
pub use fits::Misfit;
pub use fits::fits;
pub use resolve::Problem;
pub use resolve::Retvals;
pub use resolve::resolve;
pub use signature::Signature;
pub use table::Table;
pub use table::TableError;
pub use ty::IntType;
pub use ty::MAX_TYPE_BYTES;
pub use ty::MAX_TYPE_NODES;
pub use ty::Named;
pub use ty::Type;
pub use ty::same_name;
pub use wit::TypeReader;
pub use wit::from_text;
pub use wit::from_wit;
pub use wit::to_text;
