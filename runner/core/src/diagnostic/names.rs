//! Names in messages: lists of names, and the nearest name to an unknown one.

use crate::failure::cut_bytes;

/// Most names that a sentence lists; the others are only counted.
const SHOWN: usize = 12;
/// Largest size of a listed name, in bytes; a plugin may have chosen the name.
const LONGEST: usize = 160;

/// Lists names in backquotes, for use in a sentence.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    some_of(names.map(|name| {
        let mut name = name.to_owned();
        cut_bytes(&mut name, LONGEST - 20);
        format!("`{name}`")
    }))
}

/// Lists the first few of many things, each cut to a bounded length, and says how many more there
/// are.
pub fn some_of(things: impl Iterator<Item = String>) -> String {
    let mut things = things;
    let mut shown: Vec<String> = things.by_ref().take(SHOWN).collect();
    shown.iter_mut().for_each(|thing| cut_bytes(thing, LONGEST));
    let shown = shown.join(", ");
    match things.count() {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Corrects a name that contains a dash or a value because a space is missing: `-id` or
/// `text:hello`. Returns the correct text and the reason.
pub(crate) fn without_space(name: &str) -> Option<(String, &'static str)> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if let Some(rest) = name.strip_prefix('-').filter(|rest| !rest.starts_with('-') && is_name(rest)) {
        return Some((format!("- {rest}:"), "a space is missing after the dash"));
    }
    let (key, value) = name.split_once(':').filter(|(key, _)| is_name(key))?;
    (!value.is_empty()).then(|| (format!("{key}: {value}"), "a space is missing after the colon"))
}

/// Returns the candidate most similar to `name`, if one is similar enough to be what the user
/// meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.8;
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let wanted = plain(name);
    candidates
        .into_iter()
        .map(|candidate| {
            let other = plain(candidate);
            (if is_swapped(&wanted, &other) { 1.0 } else { strsim::jaro_winkler(&wanted, &other) }, candidate)
        })
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Returns whether the names differ only in two swapped neighbouring characters. For short names,
/// the similarity score misses that.
fn is_swapped(name: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut all: Vec<char> = text.chars().collect();
        all.sort_unstable();
        all
    };
    name.len() == other.len()
        && name.len() > 2
        && strsim::osa_distance(name, other) == 1
        && sorted(name) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("functon", ["function", "kwargs"]), Some("function"));
        assert_eq!(nearest("zzz", ["function", "kwargs"]), None);
        assert_eq!(nearest("nmu", ["main", "num"]), Some("num"));
        assert_eq!(nearest("nmu", ["nut"]), None);
    }

    #[test]
    fn a_space_may_be_missing_in_a_name() {
        let right = |name| without_space(name).map(|(right, _)| right);
        assert_eq!(right("-id"), Some("- id:".to_owned()));
        assert_eq!(right("text:hello"), Some("text: hello".to_owned()));
        for name in ["text", "a-b", "--x", "a:", ":b", "a b:c", "-"] {
            assert_eq!(right(name), None, "{name}");
        }
    }

    #[test]
    fn a_list_is_bounded_in_number_and_length() {
        assert_eq!(listed(["a", "b"].into_iter()), "`a`, `b`");
        let many = listed(std::iter::repeat_n("é", 90_000));
        assert!(many.ends_with("`é` and 89988 more"), "{many}");
        let long = "x".repeat(100_000);
        assert!(listed([long.as_str(); 20].into_iter()).len() < 2_200);
    }
}
