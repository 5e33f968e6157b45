//! An exported function in the form that the canonical ABI calls.

use super::Data;
use super::layout;
use super::layout::SLOTS;
use super::layout::Ty;

/// The core values of a call, each in the low bits of a `u64`.
#[derive(Debug)]
pub struct Slots {
    values: [u64; SLOTS],
    at: usize,
}

impl Slots {
    /// Returns the next value.
    pub fn take(&mut self) -> u64 {
        self.at += 1;
        self.values[self.at - 1]
    }

    /// Returns how many values were taken.
    pub fn place(&self) -> usize {
        self.at
    }

    /// Skips the values that a smaller case does not use.
    pub fn go_to(&mut self, place: usize) {
        self.at = place;
    }
}

/// A kind of core value, by number.
#[derive(Debug)]
pub struct Kind<const K: u8>;

/// The Rust type of a kind.
pub trait Slot {
    /// The Rust type.
    type Core: Bits;
}

/// A core value as bits.
pub trait Bits {
    /// Returns the value in the low bits.
    fn to_bits(self) -> u64;
    /// Reads the value from the low bits.
    fn from_bits(bits: u64) -> Self;
}

macro_rules! kinds {
    ($($kind:expr, $ty:ty, $value:ident => $to:expr, $bits:ident => $from:expr;)*) => {$(
        impl Slot for Kind<{ $kind }> {
            type Core = $ty;
        }
        impl Bits for $ty {
            fn to_bits(self) -> u64 {
                let $value = self;
                $to
            }
            fn from_bits($bits: u64) -> Self {
                $from
            }
        }
    )*};
}

kinds! {
    layout::NONE, (), _value => 0, _bits => ();
    layout::I32, i32, value => u64::from(value as u32), bits => bits as i32;
    layout::I64, i64, value => value as u64, bits => bits as i64;
    layout::CORE_F32, f32, value => u64::from(f32::to_bits(value)), bits => f32::from_bits(bits as u32);
    layout::CORE_F64, f64, value => f64::to_bits(value), bits => f64::from_bits(bits);
}

/// Returns the kind of a parameter of a function that takes `args`.
pub const fn param(args: &Ty, at: usize) -> u8 {
    match args.flat().len() {
        // All arguments are in memory, at this address.
        len if len > SLOTS && at == 0 => layout::I32,
        len if len > SLOTS => layout::NONE,
        _ => args.flat().kind(at),
    }
}

/// Returns the kind of the result of a function that returns `out`.
pub const fn result(out: &Ty) -> u8 {
    match out.flat().len() {
        0 | 1 => out.flat().kind(0),
        _ => layout::I32,
    }
}

/// Takes the arguments of a call.
///
/// # Safety
///
/// The values must be those of a call with arguments of this type.
pub unsafe fn take<T: Data>(values: [u64; SLOTS]) -> T {
    // SAFETY: the caller guarantees it.
    unsafe {
        if const { T::TYPE.flat().len() > SLOTS } {
            T::load(values[0] as usize as *const u8)
        } else {
            T::lift(&mut Slots { values, at: 0 })
        }
    }
}

/// Returns the result of a call.
///
/// # Safety
///
/// The function must return a value of this type, and addresses must have 32 bits.
pub unsafe fn give<T: Data>(value: T) -> u64 {
    // It is freed with the instance, and each build has its own instance.
    let area = Box::leak(vec![0_u64; const { T::TYPE.size().div_ceil(8) + 1 }].into_boxed_slice());
    // SAFETY: the area has room for the value, and the largest alignment of any type.
    unsafe { value.store(area.as_mut_ptr().cast()) };
    match const { T::TYPE.flat().len() } {
        0 | 1 => area[0],
        _ => area.as_ptr() as usize as u64,
    }
}

/// Runs at the start of every job.
pub fn begin() {
    #[cfg(target_family = "wasm")]
    wit_bindgen::rt::run_ctors_once();
    crate::init();
}

/// Panics for an unknown case. Hosts only pass cases that exist.
pub fn no_such_case() -> ! {
    panic!("a value has a case that its type does not have")
}

/// Loads the bits of a set of flags.
///
/// # Safety
///
/// There must be a set of flags of this type at this address.
pub unsafe fn load_flags(ty: &Ty, from: *const u8) -> u32 {
    // SAFETY: the caller guarantees it.
    unsafe {
        match ty.size() {
            1 => u32::from(*from),
            2 => u32::from(*from.cast::<u16>()),
            _ => *from.cast(),
        }
    }
}

/// Stores the bits of a set of flags in memory.
///
/// # Safety
///
/// There must be room for a set of flags of this type.
pub unsafe fn store_flags(ty: &Ty, bits: u32, to: *mut u8) {
    // SAFETY: the caller guarantees it. A smaller set has no higher bits.
    unsafe {
        match ty.size() {
            1 => *to = bits as u8,
            2 => *to.cast() = bits as u16,
            _ => *to.cast() = bits,
        }
    }
}

/// Fails to compile, at the type, for a type that jobs cannot take.
pub const fn takes<T: Data>() {}

/// Fails to compile, at the type, for a type that jobs cannot return.
pub const fn gives<T: Data>() {}
