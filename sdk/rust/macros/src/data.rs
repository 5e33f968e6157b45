//! `#[derive(Data)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Attribute;
use syn::Data;
use syn::DataEnum;
use syn::DeriveInput;
use syn::Error;
use syn::Fields;
use syn::FieldsNamed;
use syn::Ident;
use syn::Result;
use syn::Type;
use syn::spanned::Spanned;

use crate::name;
use crate::name::Said;

/// The most fields of a record, and the most cases of a variant.
const PARTS: usize = 256;

/// The most flags of a set, as in WIT.
const FLAGS: usize = 32;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        let what = "a type with #[derive(Data)] cannot be generic and cannot borrow";
        return Err(Error::new_spanned(&input.generics, what));
    }
    let said = name::said(&input.attrs, matches!(input.data, Data::Struct(_)))?;
    let name = said.name.clone().map_or_else(|| name::of(&input.ident), Ok)?;
    let body = match &input.data {
        Data::Struct(item) => match &item.fields {
            Fields::Named(fields) => of_struct(&said, &name, fields)?,
            fields => return Err(named_fields(input, fields)),
        },
        Data::Enum(item) => of_enum(&input.ident, &name, item)?,
        Data::Union(item) => return Err(Error::new_spanned(item.union_token, "a union cannot be passed between jobs")),
    };
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        #[allow(unsafe_code, unused_variables, unreachable_code, clippy::all, clippy::pedantic, clippy::restriction)]
        const _: () = {
            use ::jobcontrol_plugin::__private as jobs;

            impl jobs::Data for #ident {
                #body
            }

            #[cfg(target_family = "wasm")]
            const _: () = {
                const SAID: jobs::Bytes<{ jobs::said_bound(concat!(#name, file!())) }> =
                    jobs::said_of_type(#name, <#ident as jobs::Data>::TYPE, file!(), line!());

                #[used]
                #[unsafe(link_section = "jobcontrol-plugin")]
                static SHAPE: [u8; SAID.len()] = SAID.take();
            };
        };
    })
}

fn named_fields(input: &DeriveInput, fields: &Fields) -> Error {
    let what = "its fields need names: manifests and other languages use them";
    match fields {
        Fields::Unnamed(fields) => Error::new_spanned(fields, what),
        _ => Error::new_spanned(&input.ident, what),
    }
}

/// A field: its name in Rust and elsewhere, and its type.
struct Field<'a> {
    ident: &'a Ident,
    name: String,
    ty: &'a Type,
}

fn fields_of(fields: &FieldsNamed, most: usize) -> Result<Vec<Field<'_>>> {
    if fields.named.is_empty() || fields.named.len() > most {
        return Err(Error::new(fields.span(), format!("expected 1 to {most} fields")));
    }
    let mut out: Vec<Field<'_>> = Vec::new();
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let name = name_in(&field.attrs, ident)?;
        if out.iter().any(|other| other.name == name) {
            return Err(Error::new_spanned(ident, format!("two fields are named `{name}`")));
        }
        out.push(Field { ident, name, ty: &field.ty });
    }
    Ok(out)
}

fn name_in(attributes: &[Attribute], ident: &Ident) -> Result<String> {
    name::said(attributes, false)?.name.map_or_else(|| name::of(ident), Ok)
}

fn of_struct(said: &Said, name: &str, fields: &FieldsNamed) -> Result<TokenStream> {
    let fields = fields_of(fields, if said.is_flags { FLAGS } else { PARTS })?;
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let types: Vec<_> = fields.iter().map(|field| field.ty).collect();
    let at: Vec<_> = (0..fields.len()).collect();
    if said.is_flags {
        if let Some(field) =
            fields.iter().find(|field| !matches!(field.ty, Type::Path(path) if path.path.is_ident("bool")))
        {
            return Err(Error::new_spanned(field.ty, "a flag must be a `bool`"));
        }
        return Ok(quote! {
            const TYPE: &'static jobs::Ty = &jobs::Ty::new(jobs::Shape::Flags(#name, &[#(#names),*]));
            unsafe fn load(from: *const u8) -> Self {
                let bits = unsafe { jobs::load_flags(Self::TYPE, from) };
                Self { #(#idents: bits & (1 << #at) != 0),* }
            }
            unsafe fn store(self, to: *mut u8) {
                unsafe { jobs::store_flags(Self::TYPE, 0 #(| u32::from(self.#idents) << #at)*, to) }
            }
            unsafe fn lift(slots: &mut jobs::Slots) -> Self {
                let bits = slots.take() as u32;
                Self { #(#idents: bits & (1 << #at) != 0),* }
            }
        });
    }
    Ok(quote! {
        const TYPE: &'static jobs::Ty =
            &jobs::Ty::new(jobs::Shape::Record(#name, &[#((#names, <#types as jobs::Data>::TYPE)),*]));
        unsafe fn load(from: *const u8) -> Self {
            unsafe { Self { #(#idents: jobs::Data::load(from.add(const { <Self as jobs::Data>::TYPE.offset(#at) }))),* } }
        }
        unsafe fn store(self, to: *mut u8) {
            unsafe { #(jobs::Data::store(self.#idents, to.add(const { <Self as jobs::Data>::TYPE.offset(#at) }));)* }
        }
        unsafe fn lift(slots: &mut jobs::Slots) -> Self {
            unsafe { Self { #(#idents: jobs::Data::lift(slots)),* } }
        }
    })
}

fn of_enum(ident: &Ident, name: &str, item: &DataEnum) -> Result<TokenStream> {
    if item.variants.is_empty() || item.variants.len() > PARTS {
        return Err(Error::new_spanned(ident, format!("expected 1 to {PARTS} cases")));
    }
    let (mut names, mut cases, mut load, mut lift, mut store) = (Vec::new(), vec![], vec![], vec![], vec![]);
    for (at, variant) in item.variants.iter().enumerate() {
        let tag = u8::try_from(at).unwrap_or(u8::MAX);
        let case = &variant.ident;
        let named = name_in(&variant.attrs, case)?;
        if names.contains(&named) {
            return Err(Error::new_spanned(case, format!("two cases are named `{named}`")));
        }
        match &variant.fields {
            Fields::Unit => {
                cases.push(quote!((#named, None)));
                load.push(quote!(#tag => Self::#case));
                lift.push(quote!(#tag => Self::#case));
                store.push(quote!(Self::#case => *to = #tag));
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let ty = &fields.unnamed[0].ty;
                cases.push(quote!((#named, Some(<#ty as jobs::Data>::TYPE))));
                load.push(quote!(#tag => Self::#case(jobs::Data::load(payload))));
                lift.push(quote!(#tag => Self::#case(jobs::Data::lift(slots))));
                store.push(quote!(Self::#case(value) => { *to = #tag; jobs::Data::store(value, payload) }));
            }
            fields => {
                let what = "a case holds at most one value: use a struct with #[derive(Data)]";
                return Err(Error::new_spanned(fields, what));
            }
        }
        names.push(named);
    }
    let shape = match item.variants.iter().all(|variant| variant.fields.is_empty()) {
        true => quote!(Enum(#name, &[#(#names),*])),
        false => quote!(Variant(#name, &[#(#cases),*])),
    };
    Ok(quote! {
        const TYPE: &'static jobs::Ty = &jobs::Ty::new(jobs::Shape::#shape);
        unsafe fn load(from: *const u8) -> Self {
            unsafe {
                let payload = from.add(const { <Self as jobs::Data>::TYPE.payload() });
                match *from { #(#load,)* _ => jobs::no_such_case() }
            }
        }
        unsafe fn store(self, to: *mut u8) {
            unsafe {
                let payload = to.add(const { <Self as jobs::Data>::TYPE.payload() });
                match self { #(#store,)* }
            }
        }
        unsafe fn lift(slots: &mut jobs::Slots) -> Self {
            let begin = slots.place();
            let value = unsafe { match slots.take() as u8 { #(#lift,)* _ => jobs::no_such_case() } };
            slots.go_to(begin + const { <Self as jobs::Data>::TYPE.flat().len() });
            value
        }
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn error(input: DeriveInput) -> String {
        expand(&input).map(|tokens| tokens.to_string()).expect_err("it is refused").to_string()
    }

    #[test]
    fn what_cannot_be_data_is_told_why() {
        assert!(
            error(parse_quote!(
                struct A<T> {
                    x: T,
                }
            ))
            .contains("cannot be generic")
        );
        assert!(
            error(parse_quote!(
                struct A(u8);
            ))
            .contains("fields need names")
        );
        assert!(
            error(parse_quote!(
                struct A;
            ))
            .contains("fields need names")
        );
        assert!(
            error(parse_quote!(
                struct A {}
            ))
            .contains("1 to 256 fields")
        );
        assert!(
            error(parse_quote!(
                enum A {}
            ))
            .contains("1 to 256 cases")
        );
        assert!(
            error(parse_quote!(
                enum A {
                    B { x: u8 },
                }
            ))
            .contains("at most one value")
        );
        assert!(
            error(parse_quote!(
                enum A {
                    B(u8, u8),
                }
            ))
            .contains("at most one value")
        );
        assert!(error(parse_quote!(union A { x: u8 })).contains("union"));
        assert!(
            error(parse_quote!(
                struct A {
                    a_b: u8,
                    aB: u8,
                }
            ))
            .contains("two fields")
        );
        assert!(
            error(parse_quote!(
                #[data(flags)]
                struct A {
                    a: u8,
                }
            ))
            .contains("a flag must be a `bool`")
        );
        assert!(
            error(parse_quote!(
                #[data(flags)]
                enum A {
                    B,
                }
            ))
            .contains("expected `name")
        );
        assert!(
            error(parse_quote!(
                struct A {
                    größe: u8,
                }
            ))
            .contains("cannot be written")
        );
    }

    #[test]
    fn names_can_be_given() {
        let tokens = expand(&parse_quote!(
            #[data(name = "b")]
            struct A {
                #[data(name = "size")]
                größe: u8,
            }
        ))
        .expect("data");
        let text = tokens.to_string();
        assert!(text.contains("\"b\"") && text.contains("\"size\""), "{text}");
    }
}
