//! Names in kebab case, as WIT writes them.

use proc_macro2::Span;
use syn::Attribute;
use syn::Error;
use syn::Ident;
use syn::LitStr;
use syn::Result;
use syn::ext::IdentExt;

/// The content of `#[data(..)]`.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) name: Option<String>,
    pub(crate) is_flags: bool,
}

/// Reads the `#[data(..)]` of an item; `flags` is allowed only on a struct.
pub(crate) fn said(attributes: &[Attribute], takes_flags: bool) -> Result<Said> {
    let mut said = Said::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("data")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                said.name = Some(given(&meta.value()?.parse()?)?);
                Ok(())
            } else if takes_flags && meta.path.is_ident("flags") {
                said.is_flags = true;
                Ok(())
            } else {
                let flags = if takes_flags { " or `flags`" } else { "" };
                Err(meta.error(format!("expected `name = \"..\"`{flags}")))
            }
        })?;
    }
    Ok(said)
}

/// Checks a name that the author gives.
pub(crate) fn given(text: &LitStr) -> Result<String> {
    let name = text.value();
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    match name.split('-').all(is_word) {
        true => Ok(name),
        false => {
            Err(Error::new(text.span(), "expected words of a to z and 0 to 9 with `-` between them, such as `top-ten`"))
        }
    }
}

/// Returns the name for a Rust identifier.
pub(crate) fn of(ident: &Ident) -> Result<String> {
    let name = kebab(&ident.unraw().to_string());
    given(&LitStr::new(&name, Span::call_site())).map_err(|_| {
        let what = format!(
            "`{ident}` cannot be written in kebab case with words that begin with a letter: name it, with `name = \"..\"`"
        );
        Error::new(ident.span(), what)
    })
}

/// Converts `fetch_orders`, `fetchOrders` and `FetchOrders` to `fetch-orders`. Digits belong to the
/// word before: `x_2` becomes `x2`.
fn kebab(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    let mut is_gap = false;
    for (at, &c) in chars.iter().enumerate() {
        if c == '_' {
            is_gap = true;
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]);
        let small_next = chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
        let is_hump = c.is_ascii_uppercase()
            && before
                .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b.is_ascii_uppercase() && small_next);
        if (is_gap && !c.is_ascii_digit() || is_hump) && !out.is_empty() {
            out.push('-');
        }
        is_gap = false;
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_dashes() {
        let names = ["fetch_orders", "FetchOrders", "HTTPServer", "_unused", "x_2", "utf8_text", "A", "a__b", "S3Key"];
        let kebabs = ["fetch-orders", "fetch-orders", "http-server", "unused", "x2", "utf8-text", "a", "a-b", "s3-key"];
        assert_eq!(names.map(kebab), kebabs);
    }

    #[test]
    fn a_given_name_is_one_of_wit() {
        let is_name = |name: &str| given(&LitStr::new(name, Span::call_site())).is_ok();
        assert!(["a", "top-ten", "a1-b2"].into_iter().all(is_name));
        assert!(!["", "-", "a-", "1a", "a-1", "A", "a b", "ä", "a\"b"].into_iter().any(is_name));
    }

    #[test]
    fn what_has_no_such_name_is_told() {
        let error = of(&Ident::new("größe", Span::call_site())).map(drop).unwrap_err().to_string();
        assert!(error.contains("`größe` cannot be written"), "{error}");
        assert_eq!(of(&Ident::new_raw("type", Span::call_site())).ok().as_deref(), Some("type"));
    }
}
