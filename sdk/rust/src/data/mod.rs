//! The types that jobs take and return, and their conversion.

pub(crate) mod encode;
pub(crate) mod export;
pub(crate) mod layout;
pub(crate) mod outcome;
mod values;

use layout::Ty;

use export::Slots;

/// A type that a job can take and return.
///
/// Derive it for your own types, see [`derive@Data`]. Its methods are private to the macros and
/// this crate.
#[diagnostic::on_unimplemented(
    message = "a job cannot take or return `{Self}`",
    label = "not a type that jobs can exchange",
    note = "jobs exchange numbers, bool, char, String, Vec, Option, Result, Box, tuples, and types with `#[derive(Data)]`"
)]
pub trait Data: Sized + 'static {
    #[doc(hidden)]
    const TYPE: &'static Ty;

    /// Whether a list of it has the same layout in memory as a `Vec` of it.
    #[doc(hidden)]
    const IS_PLAIN: bool = false;

    /// Takes a value out of memory.
    ///
    /// # Safety
    ///
    /// There must be a value with the layout of [`TYPE`](Self::TYPE), and nobody else may take it.
    #[doc(hidden)]
    unsafe fn load(from: *const u8) -> Self;

    /// Puts a value into memory.
    ///
    /// # Safety
    ///
    /// There must be room for the layout of [`TYPE`](Self::TYPE).
    #[doc(hidden)]
    unsafe fn store(self, to: *mut u8);

    /// Takes a value out of core values.
    ///
    /// # Safety
    ///
    /// The next core values must be those of a value of type [`TYPE`](Self::TYPE).
    #[doc(hidden)]
    unsafe fn lift(slots: &mut Slots) -> Self;
}
