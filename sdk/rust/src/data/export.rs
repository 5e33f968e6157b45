//! An exported function, as the canonical ABI calls it.

use super::Data;
use super::layout;
use super::layout::SLOTS;
use super::layout::Ty;

/// The core values that a function was called with, each in the low bits of a `u64`.
#[derive(Debug)]
pub struct Slots {
    values: [u64; SLOTS],
    at: usize,
}

impl Slots {
    /// The next value.
    pub fn take(&mut self) -> u64 {
        self.at += 1;
        self.values[self.at - 1]
    }

    /// How many were taken.
    pub fn place(&self) -> usize {
        self.at
    }

    /// Leaves out what a case that holds less does not use.
    pub fn go_to(&mut self, place: usize) {
        self.at = place;
    }
}

/// A kind of core value, by its number.
#[derive(Debug)]
pub struct Kind<const K: u8>;

/// The Rust type of a kind.
pub trait Slot {
    /// That type.
    type Core: Bits;
}

/// A core value as bits.
pub trait Bits {
    /// In the low ones.
    fn to_bits(self) -> u64;
    /// Out of the low ones.
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

/// The kind of one of the parameters of a function that takes `args`.
pub const fn param(args: &Ty, at: usize) -> u8 {
    match args.flat().len() {
        // All of them are in memory, at this address.
        len if len > SLOTS && at == 0 => layout::I32,
        len if len > SLOTS => layout::NONE,
        _ => args.flat().kind(at),
    }
}

/// The kind of the result of a function that returns `out`.
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
/// The values are those of a call with arguments of that type.
pub unsafe fn take<T: Data>(values: [u64; SLOTS]) -> T {
    // SAFETY: the caller says so.
    unsafe {
        if const { T::TYPE.flat().len() > SLOTS } {
            T::load(values[0] as usize as *const u8)
        } else {
            T::lift(&mut Slots { values, at: 0 })
        }
    }
}

/// Gives what a call returns.
///
/// # Safety
///
/// It is what a function of that type returns, and memory has addresses of 32 bits.
pub unsafe fn give<T: Data>(value: T) -> u64 {
    // Freed with the instance: each build has one of its own.
    let area = Box::leak(vec![0_u64; const { T::TYPE.size().div_ceil(8) + 1 }].into_boxed_slice());
    // SAFETY: the area has room for it, and the greatest alignment that there is.
    unsafe { value.store(area.as_mut_ptr().cast()) };
    match const { T::TYPE.flat().len() } {
        0 | 1 => area[0],
        _ => area.as_ptr() as usize as u64,
    }
}

/// What every job begins with.
pub fn begin() {
    #[cfg(target_family = "wasm")]
    wit_bindgen::rt::run_ctors_once();
    crate::init();
}

/// Hosts hand over only the cases that there are.
pub fn no_such_case() -> ! {
    panic!("a value has a case that its type does not have")
}

/// The bits of a set of flags.
///
/// # Safety
///
/// There is one, as the type says.
pub unsafe fn load_flags(ty: &Ty, from: *const u8) -> u32 {
    // SAFETY: the caller says so.
    unsafe {
        match ty.size() {
            1 => u32::from(*from),
            2 => u32::from(*from.cast::<u16>()),
            _ => *from.cast(),
        }
    }
}

/// Puts the bits of a set of flags into memory.
///
/// # Safety
///
/// There is room, as the type says.
pub unsafe fn store_flags(ty: &Ty, bits: u32, to: *mut u8) {
    // SAFETY: the caller says so. A smaller set has no bits above.
    unsafe {
        match ty.size() {
            1 => *to = bits as u8,
            2 => *to.cast() = bits as u16,
            _ => *to.cast() = bits,
        }
    }
}

/// Fails to compile, at the type, for what no job can take.
pub const fn takes<T: Data>() {}

/// Fails to compile, at the type, for what no job can return.
pub const fn gives<T: Data>() {}
