//! The parts of a page that change while it is open. Each has a name. A digest shows which parts a
//! page already has.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

use askama::Template;

use super::frame::rendered;

/// The address that sends a page's changes.
pub(super) const PATH: &str = "/live";

/// A part of a page that is plain text.
#[derive(Template)]
#[template(source = "{{ text }}", ext = "html")]
struct Text<'a> {
    text: &'a str,
}

/// The parts of a page that change.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Determines which cells exist and where they stand. If it changes, the whole element is sent.
    pub(super) shape: String,
    /// The name of the element around all cells, with its content. `None` if the cells never change
    /// places.
    pub(super) whole: Option<(&'static str, String)>,
    /// The name of each cell, with its content.
    pub(super) cells: Vec<(String, String)>,
}

/// The parts of a page that change as time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passing {
    /// Whether something is running whose duration is shown.
    pub(super) is_running: bool,
    /// How far the page's build is, in percent.
    pub(super) percent: Option<u64>,
}

impl Parts {
    /// Creates the parts of a page whose cells may come and go.
    pub(super) fn whole(at: &'static str, html: String) -> Self {
        Self { whole: Some((at, html)), ..Self::default() }
    }

    /// Creates the parts of a page with one cell.
    pub(super) fn one(at: &'static str, piece: &impl Template) -> Self {
        let mut parts = Self::default();
        parts.cell(at, rendered(piece));
        parts
    }

    /// Adds a cell.
    pub(super) fn cell(&mut self, at: impl Into<String>, html: impl Into<String>) {
        self.cells.push((at.into(), html.into()));
    }

    /// Adds a cell of plain text.
    pub(super) fn text(&mut self, at: &'static str, text: &str) {
        self.cell(at, rendered(&Text { text }));
    }

    /// Returns a digest of everything: which cells exist, and their content.
    pub(super) fn digest(&self) -> String {
        let all = (&self.shape, &self.cells, self.whole.as_ref().filter(|_| self.cells.is_empty()));
        format!("{:x}-{:x}", hash(&self.shape), hash(&all))
    }

    /// Returns the address of a page's changes, with the page's name and parameters.
    pub(super) fn feed(&self, page: &str, own: &[(&str, Option<&str>)]) -> String {
        let digest = self.digest();
        let stream = [("version", Some(env!("CARGO_PKG_VERSION"))), ("digest", Some(digest.as_str()))];
        let all: Vec<_> = [("page", Some(page))].iter().chain(own).chain(&stream).copied().collect();
        format!("{PATH}?{}", given(&all))
    }
}

/// Encodes query parameters, leaving out those without a value.
pub(super) fn given(parts: &[(&str, Option<&str>)]) -> String {
    let given = parts.iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

/// Returns a hash of a value that is valid within this process.
pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What the reader of a page already has.
#[derive(Debug, Default)]
pub(super) struct Seen {
    shape: Option<u64>,
    cells: std::collections::BTreeMap<String, u64>,
}

impl Seen {
    /// Creates the state of a reader from the digest of its page. The page has either the same
    /// cells as `parts`, or unknown ones.
    pub(super) fn of(digest: Option<&str>, parts: &Parts) -> Self {
        let shape = hash(&parts.shape);
        let same = digest.and_then(|digest| digest.split_once('-')).is_some_and(|(own, _)| own == format!("{shape:x}"));
        // Without cells, the content of the whole may differ.
        Self { shape: (same && !parts.cells.is_empty()).then_some(shape), ..Self::default() }
    }

    /// Takes the newest parts and returns those to send. With `is_current` the reader has them
    /// already.
    pub(super) fn take(&mut self, parts: &Parts, is_current: bool) -> Vec<(String, String)> {
        let shape = hash(&parts.shape);
        let is_new = self.shape != Some(shape);
        self.shape = Some(shape);
        let mut changed = Vec::new();
        let cells: std::collections::BTreeMap<_, _> =
            parts.cells.iter().map(|(at, html)| (at.clone(), hash(html))).collect();
        match &parts.whole {
            Some((at, html)) if is_new => changed.push(((*at).to_owned(), html.clone())),
            _ => {
                let other = parts.cells.iter().filter(|(at, _)| self.cells.get(at) != cells.get(at));
                changed.extend(other.cloned());
            }
        }
        self.cells = cells;
        if is_current { Vec::new() } else { changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(shape: &str, cells: &[(&str, &str)]) -> Parts {
        let cells = cells.iter().map(|(at, html)| ((*at).to_owned(), (*html).to_owned())).collect();
        Parts { shape: shape.to_owned(), whole: Some(("all", "whole".to_owned())), cells }
    }

    #[test]
    fn only_what_has_changed_is_sent() {
        let mut seen = Seen::default();
        let names = |sent: Vec<(String, String)>| sent.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(names(seen.take(&parts("ab", &[("a", "1"), ("b", "1")]), false)), ["all"], "the first time");
        assert!(seen.take(&parts("ab", &[("a", "1"), ("b", "1")]), false).is_empty());
        assert_eq!(names(seen.take(&parts("ab", &[("a", "2"), ("b", "1")]), false)), ["a"]);
        assert_eq!(names(seen.take(&parts("ba", &[("a", "2"), ("b", "1")]), false)), ["all"], "the order changed");
        let mut current = Seen::default();
        assert!(current.take(&parts("ab", &[("a", "1")]), true).is_empty(), "the page has it");
        assert_eq!(names(current.take(&parts("ab", &[("a", "2")]), false)), ["a"]);
    }

    #[test]
    fn a_digest_tells_any_change() {
        let one = parts("ab", &[("a", "1")]);
        assert_eq!(one.digest(), one.clone().digest());
        assert_ne!(one.digest(), parts("ab", &[("a", "2")]).digest());
        assert_ne!(one.digest(), parts("b", &[("a", "1")]).digest());
        let other = parts("ab", &[("a", "2")]);
        let sent = Seen::of(Some(&one.digest()), &other).take(&other, false);
        assert_eq!(sent, [("a".to_owned(), "2".to_owned())], "the cells stay where they are");
        let moved = parts("ba", &[("a", "1")]);
        assert_eq!(Seen::of(Some(&one.digest()), &moved).take(&moved, false)[0].0, "all");
        assert!(one.feed("jobs", &[("q", Some("a&b")), ("tag", None)]).starts_with("/live?page=jobs&q=a%26b&version="));
    }
}
