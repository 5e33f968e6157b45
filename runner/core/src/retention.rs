//! How long the store keeps what.

use crate::event::Level;

/// Seconds of a day.
pub const DAY: u64 = 24 * 60 * 60;
/// A month counts 30 days, a year 365.
pub const MONTH: u64 = 30 * DAY;
/// See [`MONTH`].
pub const YEAR: u64 = 365 * DAY;

/// How long the store keeps what, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Log records by their level, in the order of [`Level::ALL`]: those of a level or above it, below the next.
    pub logs: [u64; Level::ALL.len()],
    /// All log records, whatever their level is.
    pub all_logs: u64,
    /// How many finished builds of a job stay; none for all.
    pub builds: Option<u64>,
    /// How old a finished build may become; none for any age.
    pub build_age: Option<u64>,
}

impl Default for Retention {
    /// What is written often and read soon goes first. Builds stay until the operator says otherwise.
    fn default() -> Self {
        Self { logs: [15 * DAY, MONTH, 3 * MONTH, 6 * MONTH, 6 * MONTH], all_logs: YEAR, builds: None, build_age: None }
    }
}

impl Retention {
    /// Of each level: its name, the levels of its records (above the first, up to the second) and their age.
    pub fn classes(&self) -> impl Iterator<Item = (&'static str, (Option<i64>, Option<i64>), u64)> + '_ {
        Level::ALL.into_iter().enumerate().map(|(i, level)| {
            let above = (i > 0).then(|| level as i64 - 1);
            let upto = Level::ALL.get(i + 1).map(|next| *next as i64 - 1);
            (level.name(), (above, upto), self.logs[i].min(self.all_logs))
        })
    }
}
