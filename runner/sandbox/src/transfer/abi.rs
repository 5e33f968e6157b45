//! Numbers of the canonical ABI for both directions.

use jobcontrol_core::types::IntType;
use wasmtime::component::__internal::InterfaceType;

/// Returns the integer type of an ABI type, with its range.
pub(super) fn int_type(ty: InterfaceType) -> Option<IntType> {
    Some(match ty {
        InterfaceType::S8 => IntType::S8,
        InterfaceType::S16 => IntType::S16,
        InterfaceType::S32 => IntType::S32,
        InterfaceType::S64 => IntType::S64,
        InterfaceType::U8 => IntType::U8,
        InterfaceType::U16 => IntType::U16,
        InterfaceType::U32 => IntType::U32,
        InterfaceType::U64 => IntType::U64,
        _ => return None,
    })
}

/// Converts a size or an offset of the ABI to Rust's type.
pub(super) fn size(bytes: u32) -> usize {
    bytes as usize
}
