//! `#[job]`.

use proc_macro2::TokenStream;
use quote::format_ident;
use quote::quote;
use syn::Error;
use syn::FnArg;
use syn::GenericArgument;
use syn::Ident;
use syn::Index;
use syn::ItemFn;
use syn::LitStr;
use syn::Pat;
use syn::PathArguments;
use syn::Result;
use syn::ReturnType;
use syn::Type;
use syn::parse::Parser as _;
use syn::parse_quote;

use crate::docs;
use crate::name;

/// The most values that the canonical ABI passes one by one.
const SLOTS: usize = 16;

/// The most arguments, because tuples with at most this many are data.
const ARGUMENTS: usize = 16;

pub(crate) fn expand(options: TokenStream, function: &ItemFn) -> Result<TokenStream> {
    let name = name_of(options, function)?;
    refuse(function)?;
    let (names, types) = parameters(function)?;
    let out: Type = match &function.sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let ok = ok_of(&out);
    let ident = &function.sig.ident;
    let line = line_of(ident);
    let docs = docs::of(&function.attrs);
    let section = format!("component-type:jobcontrol:{name}");
    // In the component model's own form for export names: a job may be called `write`, and so is a
    // C function.
    let symbol = format!("cm32p2||{name}");
    let slots: Vec<_> = (0..SLOTS).map(|at| format_ident!("slot{at}")).collect();
    let at: Vec<_> = (0..SLOTS).collect();
    let fields: Vec<_> = (0..types.len()).map(Index::from).collect();
    Ok(quote! {
        #function

        #[allow(unsafe_code, clippy::all, clippy::pedantic, clippy::restriction)]
        const _: () = {
            use ::jobcontrol_plugin::__private as jobs;

            type Args = (#(#types,)*);
            type Out = #out;

            // Reported at the type, whatever the target.
            #(const _: () = jobs::takes::<#types>();)*
            const _: () = jobs::gives::<#ok>();

            #[allow(unused_imports)]
            use jobs::Fallible as _;
            #[allow(unused_imports)]
            use jobs::FallibleSend as _;

            // `cargo check` also reports an error that cannot be returned.
            const _: fn(jobs::Outcome<Out>) = |out| {
                let _ = out.settle("", 0, "");
            };

            #[cfg(target_family = "wasm")]
            const _: () = {

                const ARGS: &jobs::Ty = <Args as jobs::Data>::TYPE;
                const OUT: &jobs::Ty = jobs::Outcome::<Out>::TYPE;
                const NAMES: &[&str] = &[#(#names),*];
                const SECTION: jobs::Bytes<{ jobs::bound(#name, NAMES, ARGS, OUT) }> = jobs::section(#name, NAMES, ARGS, OUT);
                const SAID: jobs::Bytes<{ jobs::said_bound(#docs) }> = jobs::said_of_job(#name, #docs);

                #[used]
                #[unsafe(link_section = #section)]
                static TYPES: [u8; SECTION.len()] = SECTION.take();

                #[used]
                #[unsafe(link_section = "jobcontrol-plugin")]
                static DOCS: [u8; SAID.len()] = SAID.take();

                #[unsafe(export_name = #symbol)]
                #[allow(improper_ctypes_definitions)]
                extern "C" fn export(
                    #(#slots: <jobs::Kind<{ jobs::param(ARGS, #at) }> as jobs::Slot>::Core),*
                ) -> <jobs::Kind<{ jobs::result(OUT) }> as jobs::Slot>::Core {
                    jobs::begin();
                    let args: Args = unsafe { jobs::take([#(jobs::Bits::to_bits(#slots)),*]) };
                    let out = jobs::Outcome(#ident(#(args.#fields),*)).settle(file!(), #line, stringify!(#ident));
                    jobs::Bits::from_bits(unsafe { jobs::give(out) })
                }
            };
        };
    })
}

/// Returns the line of the function; `line!()` would be the line of the attribute.
fn line_of(ident: &Ident) -> u32 {
    let line = proc_macro::is_available().then(|| ident.span().unwrap().line());
    line.and_then(|line| u32::try_from(line).ok()).unwrap_or_default()
}

fn name_of(options: TokenStream, function: &ItemFn) -> Result<String> {
    let mut given = None;
    let read = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("expected `name = \"..\"`"));
        }
        given = Some(name::given(&meta.value()?.parse::<LitStr>()?)?);
        Ok(())
    });
    read.parse2(options)?;
    given.map_or_else(|| name::of(&function.sig.ident), Ok)
}

/// Refuses functions that cannot be jobs.
fn refuse(function: &ItemFn) -> Result<()> {
    let sig = &function.sig;
    if let Some(asyncness) = &sig.asyncness {
        return Err(Error::new_spanned(asyncness, "a job cannot be `async`: the host waits for its result"));
    }
    if !sig.generics.params.is_empty() {
        return Err(Error::new_spanned(&sig.generics, "a job cannot be generic: its types must be known"));
    }
    if let syn::Safety::Unsafe(unsafety) = &sig.safety {
        return Err(Error::new_spanned(
            unsafety,
            "a job cannot be `unsafe`: nothing checks what its callers must guarantee",
        ));
    }
    if sig.inputs.len() > ARGUMENTS {
        let what =
            format!("a job has at most {ARGUMENTS} arguments: put some of them into a struct with #[derive(Data)]");
        return Err(Error::new_spanned(&sig.inputs, what));
    }
    Ok(())
}

/// Returns the names and types of the parameters.
fn parameters(function: &ItemFn) -> Result<(Vec<String>, Vec<Type>)> {
    let mut names: Vec<String> = Vec::new();
    let mut types = Vec::new();
    for input in &function.sig.inputs {
        let FnArg::Typed(input) = input else {
            return Err(Error::new_spanned(input, "a job must be a free function, without `self`"));
        };
        let Pat::Ident(pattern) = &*input.pat else {
            return Err(Error::new_spanned(&input.pat, "give this parameter a name: manifests use it"));
        };
        if let Type::Reference(reference) = &*input.ty {
            return Err(Error::new_spanned(reference, owned(reference)));
        }
        let name = name::of(&pattern.ident)?;
        if names.contains(&name) {
            return Err(Error::new_spanned(pattern, format!("two parameters are named `{name}`")));
        }
        names.push(name);
        types.push((*input.ty).clone());
    }
    Ok((names, types))
}

fn owned(reference: &syn::TypeReference) -> String {
    let instead = match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "String",
        Type::Slice(_) => "Vec",
        _ => "the type itself",
    };
    format!("a job owns its arguments: take {instead} here, without `&`")
}

/// Returns the type of a function's result without its error. An alias of `Result` with a single
/// type also has it first.
fn ok_of(out: &Type) -> Type {
    let Type::Path(path) = out else {
        return out.clone();
    };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else {
        return out.clone();
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return parse_quote!(());
    };
    let first = arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    first.unwrap_or_else(|| parse_quote!(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(options: TokenStream, function: ItemFn) -> String {
        expand(options, &function).map(|tokens| tokens.to_string()).expect_err("it is refused").to_string()
    }

    #[test]
    fn what_cannot_be_a_job_is_told_why() {
        let none = TokenStream::new;
        assert!(
            error(
                none(),
                parse_quote!(
                    async fn f() {}
                )
            )
            .contains("cannot be `async`")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    fn f<T>(x: T) {}
                )
            )
            .contains("cannot be generic")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    unsafe fn f() {}
                )
            )
            .contains("cannot be `unsafe`")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    fn f(&self) {}
                )
            )
            .contains("free function")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    fn f((a, b): (u8, u8)) {}
                )
            )
            .contains("a name")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    fn f(text: &str) {}
                )
            )
            .contains("take String here")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    fn f(bytes: &[u8]) {}
                )
            )
            .contains("take Vec here")
        );
        assert!(
            error(
                none(),
                parse_quote!(
                    fn f(a_b: u8, aB: u8) {}
                )
            )
            .contains("two parameters")
        );
        assert!(
            error(
                quote!(nome = "x"),
                parse_quote!(
                    fn f() {}
                )
            )
            .contains("expected `name")
        );
        assert!(
            error(
                quote!(name = "Big"),
                parse_quote!(
                    fn f() {}
                )
            )
            .contains("expected words")
        );
    }

    #[test]
    fn a_result_has_its_value_first() {
        let ok = |out: Type| {
            let ok = ok_of(&out);
            quote!(#ok).to_string()
        };
        assert_eq!(ok(parse_quote!(Result<u8, String>)), "u8");
        assert_eq!(ok(parse_quote!(anyhow::Result<Vec<u8>>)), "Vec < u8 >");
        assert_eq!(ok(parse_quote!(std::fmt::Result)), "()");
        assert_eq!(ok(parse_quote!(Option<u8>)), "Option < u8 >");
    }
}
