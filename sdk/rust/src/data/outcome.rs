//! The result of a job: a value, or an error that ends the build.

use std::any;
use std::error::Error;

use super::Data;
use super::layout::Ty;
use crate::failure;

/// What a job returned. The inherent methods are for data, those of [`Fallible`] for any other
/// result.
#[derive(Debug)]
pub struct Outcome<T>(pub T);

impl<T: Data> Outcome<T> {
    /// The type that the job returns.
    pub const TYPE: &'static Ty = T::TYPE;

    /// Returns the value as it is. An error that is data is also a value.
    pub fn settle(self, _file: &str, _line: u32, _function: &str) -> T {
        self.0
    }
}

/// A result whose error is not data.
#[diagnostic::on_unimplemented(
    message = "a job cannot return `{Self}`",
    note = "an error is a type with `#[derive(Data)]`, or implements `std::error::Error`"
)]
pub trait Fallible {
    /// The type of the value on success.
    type Value: Data;

    /// The layout of the value.
    const TYPE: &'static Ty = Self::Value::TYPE;

    /// Returns the value, or ends the build with a traceback of one frame.
    fn settle(self, file: &str, line: u32, function: &str) -> Self::Value;
}

/// Like [`Fallible`], for the one error type that does not convert into a `Box<dyn Error>`.
pub trait FallibleSend {
    /// The type of the value on success.
    type Value: Data;

    /// The layout of the value.
    const TYPE: &'static Ty = Self::Value::TYPE;

    /// Returns the value, or ends the build with a traceback of one frame.
    fn settle(self, file: &str, line: u32, function: &str) -> Self::Value;
}

impl<T: Data> FallibleSend for Outcome<Result<T, Box<dyn Error + Send + Sync>>> {
    type Value = T;

    fn settle(self, file: &str, line: u32, function: &str) -> T {
        self.0.unwrap_or_else(|error| failure::raise("error", &*error, failure::frame_of(file, line, function)))
    }
}

impl<T: Data, E: Into<Box<dyn Error>>> Fallible for Outcome<Result<T, E>> {
    type Value = T;

    fn settle(self, file: &str, line: u32, function: &str) -> T {
        self.0.unwrap_or_else(|error| {
            let kind = failure::kind(any::type_name::<E>());
            failure::raise(kind, &*error.into(), failure::frame_of(file, line, function))
        })
    }
}
