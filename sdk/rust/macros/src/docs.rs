//! Reads doc comments.

use syn::Attribute;
use syn::Expr;
use syn::Lit;
use syn::Meta;

/// Returns the text of the `///` lines, without the space after the slashes.
pub(crate) fn of(attributes: &[Attribute]) -> String {
    let lines: Vec<String> =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(line).collect();
    lines.join("\n").trim().to_owned()
}

fn line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(doc) = &attribute.meta else {
        return None;
    };
    let Expr::Lit(text) = &doc.value else {
        return None;
    };
    let Lit::Str(text) = &text.lit else {
        return None;
    };
    let text = text.value();
    Some(text.strip_prefix(' ').unwrap_or(&text).trim_end().to_owned())
}
