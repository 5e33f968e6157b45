//! The traits for the engine's typed calls, for arguments and return values of every signature.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

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

use super::args::Args;
use super::args::FLAT;
use super::lift;
use super::lower;
use super::returned::Returned;

// SAFETY: `Lower` is an array of `ValRaw`, as many as the engine's own dynamic calls reserve, so
// there is room for the parameters of every function. The type is checked against each value while
// it is written.
#[expect(unsafe_code, reason = "the engine trusts that what it calls with has the right shape")]
unsafe impl ComponentType for Args<'_> {
    type Lower = [ValRaw; FLAT];

    // Only needed for types inside a larger one, or types that do not fit the flat slots.
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}

// SAFETY: read as a list of parameters, every list of them is valid: see `ComponentType`.
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
        let slots = slots.write([ValRaw::u64(0); FLAT]);
        let values = self.take().ok_or_else(|| wasmtime::Error::msg("arguments are written once"))?;
        self.memory.apply(cx)?;
        lower::args(cx, &values, ty, slots)?;
        drop(values);
        self.lowering.store(false, Ordering::Relaxed);
        Ok(())
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

// SAFETY: `Lower` is one `ValRaw`: a flat result has one slot, and any other is returned as one
// pointer. A function that returns nothing leaves the slot unwritten, and it is not read then.
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
