//! Converts names of other languages to kebab case, as WIT writes them.

/// Converts a name to kebab case: `fetchOrders`, `fetch_orders` and `FetchOrders` become
/// `fetch-orders`, `parseURLs` becomes `parse-urls`.
pub fn kebab(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1);
        // A word begins at a capital: after a lower-case letter, or where a row of capitals ends.
        // An `s` behind capitals is their plural.
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase()
                        && after.is_some_and(|after| after.is_ascii_lowercase() && *after != 's')
            });
        if begins && !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_other_languages_become_words_with_dashes() {
        let names =
            ["fetchOrders", "fetch_orders", "FetchOrders", "parseURLs", "HTTPServer", "$x", "a1B", "dark-green"];
        let kebabs =
            ["fetch-orders", "fetch-orders", "fetch-orders", "parse-urls", "http-server", "x", "a1-b", "dark-green"];
        assert_eq!(names.map(kebab), kebabs);
    }

    proptest! {
        #[test]
        fn a_name_in_kebab_case_stays_as_it_is(name in "[a-z][a-z0-9]{0,5}(-[a-z][a-z0-9]{0,5}){0,3}") {
            prop_assert_eq!(kebab(&name), name);
        }

        #[test]
        fn what_was_made_is_made_again(name in "\\PC{0,20}") {
            prop_assert_eq!(kebab(&kebab(&name)), kebab(&name));
        }
    }
}
