//! The macros of `jobcontrol-plugin`, which documents them.

mod data;
mod docs;
mod job;
mod name;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Makes a function a job: the plugin exports it, and its signature is its interface.
///
/// ```ignore
/// /// Sums the orders.
/// #[job]
/// fn summarise(orders: Vec<Order>, top: Option<u32>) -> Result<Report, Refused> { .. }
/// ```
///
/// The function stays as it is, and can be called and tested like any other. In manifests its name
/// is in kebab case, here `summarise`; `#[job(name = "sum-up")]` gives another. Its comment is
/// shown wherever the job is described.
///
/// - Arguments and results are numbers, `bool`, `char`, `String`, `Vec`, `Option`, `Result`, `Box`,
///   tuples, and types with `#[derive(Data)]`. An `Option` can be left out.
/// - A `Result` whose error is one of these types fails with the error as a value. Any other error,
///   of a type that implements `std::error::Error`, `Box<dyn Error>` or `anyhow::Error`, fails with
///   its message and its sources.
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as syn::ItemFn);
    job::expand(options.into(), &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct or an enum a type that jobs can take and return.
///
/// A struct with named fields is a record, an enum is an enum, or a variant if a case holds
/// something. With `#[data(flags)]` a struct of `bool`s is a set of flags. `#[data(name = "..")]`
/// on the type, a field or a case gives it another name than its own in kebab case; two types of
/// one plugin cannot have the same.
#[proc_macro_derive(Data, attributes(data))]
pub fn data(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as syn::DeriveInput);
    data::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
