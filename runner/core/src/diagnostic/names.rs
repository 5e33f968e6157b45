//! Names in messages: several in one sentence, and the nearest to one that is not known.

use crate::failure::cut_bytes;

/// Names that a sentence has at most; the others are counted.
const SHOWN: usize = 12;
/// Bytes of one of them, since a plugin may have given it.
const LONGEST: usize = 160;

/// The names in back quotes, as a sentence has them.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    some_of(names.map(|name| {
        let mut name = name.to_owned();
        cut_bytes(&mut name, LONGEST - 20);
        format!("`{name}`")
    }))
}

/// The first few of many things in a sentence, each of bounded length, and how many more there are.
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

/// The candidate most like `name`, if one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.8;
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let wanted = plain(name);
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &plain(candidate)), candidate))
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("functon", ["function", "kwargs"]), Some("function"));
        assert_eq!(nearest("zzz", ["function", "kwargs"]), None);
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
