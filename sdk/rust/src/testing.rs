//! A host for tests: it collects what a job reports while it runs.
//!
//! ```
//! use jobcontrol_plugin::ProgressIterator;
//! use jobcontrol_plugin::testing;
//!
//! fn total(amounts: Vec<u64>) -> u64 {
//!     if amounts.is_empty() {
//!         jobcontrol_plugin::skip("no amounts");
//!     }
//!     log::info!(count = amounts.len(); "adding up");
//!     amounts.iter().progress(["total"]).sum()
//! }
//!
//! let told = testing::collect(|| total(vec![1, 2]));
//! assert_eq!(told.outcome, Ok(3));
//! assert_eq!(told.log[0].message, "adding up");
//! assert_eq!(told.progress[&vec!["total".to_owned()]].current, 2);
//!
//! let told = testing::collect(|| total(vec![]));
//! assert_eq!(told.outcome, Err(testing::Ended::Skipped("no amounts".to_owned())));
//! ```
//!
//! This module exists wherever the code is not WebAssembly. Outside of [`collect`], records and
//! progress are dropped, and [`skip`](crate::skip) and [`fail`](crate::fail) panic.

use std::collections::BTreeMap;
use std::panic;
use std::panic::AssertUnwindSafe;

pub use crate::collected::Ended;
pub use crate::collected::Record;
pub use crate::collected::Report;

use crate::collected;
use crate::collected::Told;
use crate::logger;

/// What a job reported, and how it ended.
#[derive(Debug)]
pub struct Collected<T> {
    /// What it returned, or how it ended without returning.
    pub outcome: Result<T, Ended>,
    /// The records of the [`log`] crate, in order, unless the test has installed another logger.
    pub log: Vec<Record>,
    /// The latest report of each group.
    pub progress: BTreeMap<Vec<String>, Report>,
}

/// Answers the requests made on this thread, until the current [`collect`] ends.
pub fn answer(answer: impl Fn(&crate::http::Request) -> crate::http::Response + 'static) {
    crate::http::answers::set(Some(Box::new(answer)));
}

/// Calls a job, and collects what it reports on this thread.
///
/// # Panics
///
/// Panics inside another call of `collect`.
pub fn collect<T>(job: impl FnOnce() -> T) -> Collected<T> {
    logger::install();
    let before = collected::replace(Some(Told::default()));
    assert!(before.is_none(), "`collect` cannot be called inside of `collect`");
    let outcome = panic::catch_unwind(AssertUnwindSafe(job)).map_err(|payload| match payload.downcast::<Ended>() {
        Ok(ended) => *ended,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
            let message = text.unwrap_or_else(|| "a panic whose payload is not text".to_owned());
            Ended::Failed { kind: "panic".to_owned(), message, causes: Vec::new() }
        }
    });
    crate::http::answers::set(None);
    let Told { log, progress } = collected::replace(None).unwrap_or_default();
    Collected { outcome, log, progress }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_causes_and_a_panic_its_text() {
        let told = collect(|| -> u32 { crate::fail("BadHeader", "no column id") });
        let failed = |kind: &str, message: &str| Ended::Failed {
            kind: kind.to_owned(),
            message: message.to_owned(),
            causes: Vec::new(),
        };
        assert_eq!(told.outcome, Err(failed("BadHeader", "no column id")));
        let told = collect(|| -> u32 { panic!("at {}", 3) });
        assert_eq!(told.outcome, Err(failed("panic", "at 3")));
        assert_eq!(collect(|| 1).outcome, Ok(1), "it can be used again");
    }
}
