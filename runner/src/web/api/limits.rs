//! The size of one page of a list.

use super::super::problem::Problem;
use super::super::problem::Sort;

/// Default number of items on a page.
pub(super) const PAGE: u64 = 100;

/// Most items on a page: about 1 MiB of JSON.
pub(super) const LONGEST_PAGE: u64 = 1_000;

/// Returns how many items a page may have.
pub(super) fn page(limit: Option<u64>) -> Result<u64, Problem> {
    match limit {
        None => Ok(PAGE),
        Some(limit @ 1..=LONGEST_PAGE) => Ok(limit),
        Some(limit) => {
            let reason = format!("`{limit}` is not a number from 1 to {LONGEST_PAGE}");
            Err(Problem::new(Sort::Usage, format!("limit: {reason}")).parameter("limit", reason))
        }
    }
}

/// Parses the value of a parameter. `read` returns what is wrong with the value.
pub(super) fn parameter<T>(
    name: &str,
    text: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    let read = text.map(read).transpose();
    read.map_err(|reason| Problem::new(Sort::Usage, format!("{name}: {reason}")).parameter(name, reason))
}

/// Returns the id from which the next page continues, if this page is full.
pub(super) fn next<T>(things: &[T], limit: u64, id: impl Fn(&T) -> u64) -> Option<u64> {
    things.last().filter(|_| things.len() as u64 >= limit).map(id)
}
