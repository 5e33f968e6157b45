//! What jobs take and return, and how it comes and goes.

pub(crate) mod encode;
pub(crate) mod export;
pub(crate) mod layout;
pub(crate) mod outcome;
mod values;

use layout::Ty;

use export::Slots;

/// What a job can take and return.
///
/// Derive it for your own types, see [`derive@Data`]. What its methods are is between the macros
/// and this crate.
#[diagnostic::on_unimplemented(
    message = "a job cannot take or return `{Self}`",
    label = "not a type that jobs can exchange",
    note = "jobs exchange numbers, bool, char, String, Vec, Option, Result, Box, tuples, and types with `#[derive(Data)]`"
)]
pub trait Data: Sized + 'static {
    #[doc(hidden)]
    const TYPE: &'static Ty;

    /// Whether a list of it is in memory as a `Vec` of it is.
    #[doc(hidden)]
    const IS_PLAIN: bool = false;

    /// Takes a value out of memory.
    ///
    /// # Safety
    ///
    /// There is one, laid out as [`TYPE`](Self::TYPE) says, and nobody else takes it.
    #[doc(hidden)]
    unsafe fn load(from: *const u8) -> Self;

    /// Puts a value into memory.
    ///
    /// # Safety
    ///
    /// There is room as [`TYPE`](Self::TYPE) says.
    #[doc(hidden)]
    unsafe fn store(self, to: *mut u8);

    /// Takes a value out of core values.
    ///
    /// # Safety
    ///
    /// There is one next, as [`TYPE`](Self::TYPE) says.
    #[doc(hidden)]
    unsafe fn lift(slots: &mut Slots) -> Self;
}
