//! Progress of the running build.
//!
//! A group is a path of names from the outermost level to the innermost, such as
//! `["fetch", "parse"]`; an empty path means the whole build. The host keeps the newest report of
//! each group.

use std::iter::FusedIterator;

use crate::host;

/// The number of reports of one loop with a known length: one for each percent.
const PARTS: u64 = 100;

/// Reports the progress of a group.
///
/// A `total` of 0 means that it is not known yet. `status` is a line for people, and may be empty.
///
/// Each call reaches the host. For a loop, [`ProgressIterator::progress`] only sends a report if it
/// shows a visible change.
pub fn report(group: &[&str], current: u64, total: u64, status: &str) {
    let group: Vec<String> = group.iter().map(ToString::to_string).collect();
    host::report(&group, current, total, status);
}

/// Gives every iterator the method [`progress`](ProgressIterator::progress).
pub trait ProgressIterator: Iterator + Sized {
    /// Reports the progress of the loop that takes this iterator's items.
    ///
    /// An item counts as done when the loop asks for the next one. The total is the lower bound of
    /// [`size_hint`](Iterator::size_hint), which is exact for slices, vectors, maps and ranges. It
    /// is unknown if the bound is 0 or turns out too low; [`with_total`](Progress::with_total) sets
    /// it. There is one report at the start, one for about each percent, and one at the end.
    ///
    /// ```
    /// use jobcontrol_plugin::ProgressIterator;
    ///
    /// let rows = ["a", "b", "c"];
    /// for row in rows.iter().progress(["read"]) {
    ///     assert_eq!(row.len(), 1);
    /// }
    /// ```
    fn progress<G>(self, group: G) -> Progress<Self>
    where
        G: IntoIterator,
        G::Item: Into<String>,
    {
        Progress {
            counter: Counter::new(self.size_hint().0),
            items: self,
            group: group.into_iter().map(Into::into).collect(),
            status: String::new(),
        }
    }
}

impl<I: Iterator> ProgressIterator for I {}

/// An iterator that reports its progress, made by [`ProgressIterator::progress`].
#[derive(Clone, Debug)]
#[must_use = "iterators are lazy and report nothing unless consumed"]
pub struct Progress<I> {
    items: I,
    group: Vec<String>,
    status: String,
    counter: Counter,
}

impl<I> Progress<I> {
    /// Adds a line of text to each report.
    pub fn with_status(mut self, status: impl Into<String>) -> Self {
        self.status = status.into();
        self
    }

    /// Sets the number of items if the iterator does not know it.
    pub fn with_total(mut self, total: u64) -> Self {
        self.counter = Counter::new(usize::try_from(total).unwrap_or(usize::MAX));
        self
    }

    fn tell(&self, report: Option<Report>) {
        if let Some(Report { current, total }) = report {
            host::report(&self.group, current, total, &self.status);
        }
    }
}

impl<I: Iterator> Iterator for Progress<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let report = self.counter.ask();
        self.tell(report);
        let item = self.items.next();
        if item.is_none() {
            let report = self.counter.end();
            self.tell(report);
        }
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Progress<I> {}

impl<I: FusedIterator> FusedIterator for Progress<I> {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Report {
    current: u64,
    total: u64,
}

/// Decides which steps of a loop are worth a report.
#[derive(Clone, Debug)]
struct Counter {
    /// The items requested so far, the last of which is being processed.
    asked: u64,
    /// 0 while unknown.
    total: u64,
    /// How many items must be done for the next report.
    due: u64,
    ended: bool,
}

impl Counter {
    fn new(total: usize) -> Self {
        Self { asked: 0, total: total as u64, due: 0, ended: false }
    }

    /// Records that the loop asks for an item, which means that those before it are done.
    fn ask(&mut self) -> Option<Report> {
        let done = self.asked;
        self.asked += 1;
        if done < self.due || self.ended || (done > 0 && done == self.total) {
            // If all items are done, `end` sends the report. Otherwise the total was too low.
            return None;
        }
        if done > self.total {
            self.total = 0;
        }
        self.due = done + self.step(done);
        Some(Report { current: done, total: self.total })
    }

    /// Records that there is no further item. Returns a report only once.
    fn end(&mut self) -> Option<Report> {
        if self.ended {
            return None;
        }
        self.ended = true;
        let done = self.asked.saturating_sub(1);
        Some(Report { current: done, total: done })
    }

    /// Returns the step to the next report: a percent of the total if it is known. Otherwise it is
    /// a percent of what is done, so reports get rarer as the loop goes on.
    fn step(&self, done: u64) -> u64 {
        let whole = if self.total > 0 { self.total } else { done };
        whole.div_ceil(PARTS).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all reports of a loop over `items` items whose announced length is `hint`.
    fn reports(hint: usize, items: u64) -> Vec<(u64, u64)> {
        let mut counter = Counter::new(hint);
        let mut seen = Vec::new();
        for _ in 0..=items {
            seen.extend(counter.ask());
        }
        seen.extend(counter.end());
        assert_eq!(counter.ask(), None);
        assert_eq!(counter.end(), None);
        seen.into_iter().map(|report| (report.current, report.total)).collect()
    }

    #[test]
    fn a_short_loop_reports_each_item_once() {
        assert_eq!(reports(3, 3), [(0, 3), (1, 3), (2, 3), (3, 3)]);
    }

    #[test]
    fn an_empty_loop_reports_its_start_and_end() {
        assert_eq!(reports(0, 0), [(0, 0), (0, 0)]);
    }

    #[test]
    fn a_long_loop_reports_each_percent() {
        let seen = reports(1_000_000, 1_000_000);
        assert_eq!(seen.len(), 101);
        assert_eq!(seen[1], (10_000, 1_000_000));
        assert_eq!(seen[100], (1_000_000, 1_000_000));
    }

    #[test]
    fn a_loop_of_unknown_length_reports_ever_more_rarely() {
        let seen = reports(0, 1_000_000);
        assert!(seen.len() < 1_200, "{} reports", seen.len());
        assert_eq!(seen[..3], [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(seen.last(), Some(&(1_000_000, 1_000_000)));
    }

    #[test]
    fn a_length_that_was_too_low_becomes_unknown() {
        assert_eq!(reports(2, 4), [(0, 2), (1, 2), (3, 0), (4, 0), (4, 4)]);
    }

    #[test]
    fn a_length_that_was_too_high_is_corrected_at_the_end() {
        assert_eq!(reports(5, 2), [(0, 5), (1, 5), (2, 5), (2, 2)]);
    }

    #[test]
    fn the_iterator_passes_all_items_on() {
        let doubled: Vec<u32> = (1..=3).progress(["a", "b"]).with_status("doubling").map(|n| n * 2).collect();
        assert_eq!(doubled, [2, 4, 6]);
        assert_eq!((0..7).progress([""; 0]).with_total(7).len(), 7);
    }
}
