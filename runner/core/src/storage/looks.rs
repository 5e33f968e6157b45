//! Summaries of many builds and of long logs, for pages that do not need all of their data.

use crate::build::Build;
use crate::build::BuildStatus;
use crate::clock::Timestamp;
use crate::storage::filter::LogRecord;

/// A build as a mark in a row of builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The build's id.
    pub id: u64,
    /// The build's flags.
    pub status: BuildStatus,
    /// Microseconds from the start to the end of the build; `None` if it has not ended or never
    /// started.
    pub took: Option<u64>,
}

impl Mark {
    /// Summarizes a build.
    pub fn of(build: &Build) -> Self {
        let took = build.start_time.zip(build.end_time).map(|(start, end)| end.since(start));
        Self { id: build.id, status: build.status(), took }
    }
}

/// How many log records a build has in a part of its time, by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Below `info`.
    pub debug: u64,
    /// `info`, up to `warning`.
    pub info: u64,
    /// `warning`, up to `error`.
    pub warning: u64,
    /// `error` and above.
    pub error: u64,
}

impl LogCounts {
    /// Adds `more` records of a level.
    pub fn add(&mut self, level: i64, more: u64) {
        let count = match level {
            40.. => &mut self.error,
            30.. => &mut self.warning,
            20.. => &mut self.info,
            _ => &mut self.debug,
        };
        *count += more;
    }

    /// Returns the number of records of all levels.
    pub fn total(&self) -> u64 {
        self.debug + self.info + self.warning + self.error
    }
}

/// How the log records of a build are distributed over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogMap {
    /// The times of the first and the last record; `None` if there is no record.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The counts of each part of that time; all parts have the same length.
    pub buckets: Vec<LogCounts>,
}

/// Number of parts that a log's time is divided into.
pub const LOG_BUCKETS: usize = 100;

impl LogMap {
    /// Creates a map of that time without records.
    pub fn new(span: (Timestamp, Timestamp)) -> Self {
        Self { span: Some(span), buckets: vec![LogCounts::default(); LOG_BUCKETS] }
    }

    /// Counts these records.
    pub fn of(records: &[LogRecord]) -> Self {
        let times = || records.iter().map(|record| record.record.created);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return Self::default() };
        let mut map = Self::new((first, last));
        for record in records {
            let at = bucket(record.record.created, first, last);
            map.buckets[at].add(record.record.level, 1);
        }
        map
    }

    /// Returns the number of records, by level.
    pub fn counts(&self) -> LogCounts {
        self.buckets.iter().fold(LogCounts::default(), |all, one| LogCounts {
            debug: all.debug + one.debug,
            info: all.info + one.info,
            warning: all.warning + one.warning,
            error: all.error + one.error,
        })
    }
}

/// Returns the index of the part of the time from `first` to `last` that contains a moment.
pub fn bucket(at: Timestamp, first: Timestamp, last: Timestamp) -> usize {
    let (past, whole) = (u128::from(at.since(first)), u128::from(last.since(first)) + 1);
    usize::try_from(past * LOG_BUCKETS as u128 / whole).unwrap_or(0).min(LOG_BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_has_its_part_and_the_ends_are_the_first_and_the_last() {
        let at = |micros| bucket(Timestamp(micros), Timestamp(1_000), Timestamp(1_999));
        assert_eq!((at(1_000), at(1_009), at(1_010), at(1_999)), (0, 0, 1, 99));
        assert_eq!((at(0), at(5_000)), (0, 99), "a clock that was set back or forward");
        assert_eq!(bucket(Timestamp(7), Timestamp(7), Timestamp(7)), 0);
        assert_eq!(bucket(Timestamp(i64::MAX), Timestamp(i64::MIN), Timestamp(i64::MAX)), 99);
        assert_eq!(LogMap::of(&[]), LogMap::default());
    }
}
