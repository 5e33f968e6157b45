//! What of a page changes while it is open: pieces with names, and a digest by which a page that is
//! current gets none of them again.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

use askama::Template;

use super::frame::rendered;

/// Where a page's changes come from.
pub(super) const PATH: &str = "/live";

/// A piece of a page that is text alone.
#[derive(Template)]
#[template(source = "{{ text }}", ext = "html")]
struct Text<'a> {
    text: &'a str,
}

/// The pieces of a page that change.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// What decides which cells there are and where: where it is another, the whole is sent.
    pub(super) shape: String,
    /// The name of the element that has all cells in it, with its content; none where the cells are
    /// always the same.
    pub(super) whole: Option<(&'static str, String)>,
    /// Each cell's name, with its content.
    pub(super) cells: Vec<(String, String)>,
}

/// What of a page passes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passing {
    /// Whether something runs whose time is told.
    pub(super) is_running: bool,
    /// How far the build of the page is, in percent.
    pub(super) percent: Option<u64>,
}

impl Parts {
    /// A page whose cells may come and go.
    pub(super) fn whole(at: &'static str, html: String) -> Self {
        Self { whole: Some((at, html)), ..Self::default() }
    }

    /// A page with one cell.
    pub(super) fn one(at: &'static str, piece: &impl Template) -> Self {
        let mut parts = Self::default();
        parts.cell(at, rendered(piece));
        parts
    }

    /// Adds a cell.
    pub(super) fn cell(&mut self, at: impl Into<String>, html: impl Into<String>) {
        self.cells.push((at.into(), html.into()));
    }

    /// Adds a cell that is text alone.
    pub(super) fn text(&mut self, at: &'static str, text: &str) {
        self.cell(at, rendered(&Text { text }));
    }

    /// Stands for all of it: for which cells there are, and for what is in them.
    pub(super) fn digest(&self) -> String {
        let all = (&self.shape, &self.cells, self.whole.as_ref().filter(|_| self.cells.is_empty()));
        format!("{:x}-{:x}", hash(&self.shape), hash(&all))
    }

    /// The address of the changes of a page: which page it is, with its own parameters.
    pub(super) fn feed(&self, page: &str, own: &[(&str, Option<&str>)]) -> String {
        let digest = self.digest();
        let stream = [("version", Some(env!("CARGO_PKG_VERSION"))), ("digest", Some(digest.as_str()))];
        let all: Vec<_> = [("page", Some(page))].iter().chain(own).chain(&stream).copied().collect();
        format!("{PATH}?{}", given(&all))
    }
}

/// Parameters of an address, those that are given.
pub(super) fn given(parts: &[(&str, Option<&str>)]) -> String {
    let given = parts.iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

/// Stands for a value within this process.
pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What a reader of a page was sent last, and what of it has changed since.
#[derive(Debug, Default)]
pub(super) struct Seen {
    shape: Option<u64>,
    cells: std::collections::BTreeMap<String, u64>,
}

impl Seen {
    /// What a page has, as far as its digest tells: the same cells as these, or nothing that is
    /// known.
    pub(super) fn of(digest: Option<&str>, parts: &Parts) -> Self {
        let shape = hash(&parts.shape);
        let same = digest.and_then(|digest| digest.split_once('-')).is_some_and(|(own, _)| own == format!("{shape:x}"));
        // Where there are no cells, the whole is what may be otherwise.
        Self { shape: (same && !parts.cells.is_empty()).then_some(shape), ..Self::default() }
    }

    /// Takes the newest pieces; returns those to send. With `is_current` the reader has them
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
        assert_eq!(names(seen.take(&parts("ba", &[("a", "2"), ("b", "1")]), false)), ["all"], "they stand otherwise");
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
