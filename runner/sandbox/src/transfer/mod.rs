//! Values of the house straight into and out of a guest's memory, by the component's own types.
//!
//! The engine's dynamic values take 40 bytes and a step for each byte of a `list<u8>`. Its typed calls take any types
//! that know how to write and read themselves; the two here do so for every signature: [`Args`] fills as many of
//! the 16 flat slots as the parameters need, or one with a pointer, and [`Returned`] reads the one slot of a result.
//!
//! - `lower`: arguments into the guest
//! - `lift`: a return value out of it

mod lift;
mod lower;

use std::mem::MaybeUninit;

use jobcontrol_core::types::IntType;
use jobcontrol_core::value::Value;
use wasmtime::ValRaw;
use wasmtime::component::__internal::CanonicalAbiInfo;
use wasmtime::component::__internal::InstanceType;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LiftContext;
use wasmtime::component::__internal::LowerContext;
use wasmtime::component::ComponentNamedList;
use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Lower;

/// Fuel of the engine for calls of the host that each byte of a return value, encoded, costs.
pub(crate) const FUEL: u64 = 16;

/// Bytes of the host's own memory that a value may take for each byte of its limit: what the smallest one takes in a list.
pub(crate) const HELD: u64 = 32;

/// How many flat parameters the canonical ABI knows; more go by one pointer.
const FLAT: usize = 16;

/// The arguments of a call, in the order and of the types of the parameters.
pub(crate) struct Args<'a>(pub(crate) &'a [Value]);

/// What a function returned. A result at the top is not the value itself: ok carries it, err is the function's own
/// failure.
#[derive(Debug, PartialEq)]
pub(crate) enum Returned {
    Value(Option<Value>),
    Error(Option<Value>),
}

/// An argument that is not of its parameter's type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mismatch(pub(crate) String);

/// A return value, or a function's error, that is larger than it may be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error("the size of {0}, encoded, is above its limit")]
    Encoded(&'static str),
    #[error("the memory that {0} takes in the host is above its limit")]
    Held(&'static str),
}

/// Range of the integer types.
fn int_type(ty: InterfaceType) -> Option<IntType> {
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

fn size(bytes: u32) -> usize {
    bytes as usize
}

// SAFETY: `Lower` is an array of `ValRaw`, as many as the engine's own dynamic calls reserve, so there is room for the
// parameters of every function. The type is checked against each value while it is written.
#[expect(unsafe_code, reason = "the engine trusts that what it calls with has the right shape")]
unsafe impl ComponentType for Args<'_> {
    type Lower = [ValRaw; FLAT];

    // Only asked of types that stand in a larger one, or do not fit the flat slots.
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}

// SAFETY: read as a list of parameters, every list of them is right: see `ComponentType`.
#[expect(unsafe_code, reason = "the engine trusts that what it calls with has the right shape")]
unsafe impl ComponentNamedList for Args<'_> {}

// SAFETY: all slots are initialized before anything is written to them.
#[expect(unsafe_code, reason = "the engine trusts that every slot is written")]
unsafe impl Lower for Args<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        slots: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        lower::args(cx, self.0, ty, slots.write([ValRaw::u64(0); FLAT]))
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg("arguments are written to flat slots"))
    }
}

// SAFETY: `Lower` is one `ValRaw`: a flat result has one slot, and any other is returned as one pointer. A function that
// returns nothing leaves the slot unwritten, and it is not read then.
#[expect(unsafe_code, reason = "the engine trusts that what is returned has the right shape")]
unsafe impl ComponentType for Returned {
    type Lower = [ValRaw; 1];

    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}

// SAFETY: as for `ComponentType`.
#[expect(unsafe_code, reason = "the engine trusts that what is returned has the right shape")]
unsafe impl ComponentNamedList for Returned {}

// SAFETY: pointers, lengths, cases, characters and texts are checked before they are used.
#[expect(unsafe_code, reason = "the engine trusts that what is read is checked")]
unsafe impl Lift for Returned {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        slots: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        lift::returned(cx, ty, slots)
    }

    fn linear_lift_from_memory(_: &mut LiftContext<'_>, _: InterfaceType, _: &[u8]) -> wasmtime::Result<Self> {
        Err(wasmtime::Error::msg("a result is read from its slot"))
    }
}
