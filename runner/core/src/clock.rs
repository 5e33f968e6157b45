//! Time as an input: nothing else in this crate reads a clock.

use std::fmt;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde::Serialize;
use serde::Serializer;

/// A moment in microseconds since 1970-01-01 UTC, displayed as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the moment `seconds` before this one, or the earliest possible moment if that
    /// underflows.
    pub fn minus_seconds(self, seconds: u64) -> Self {
        let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Self(self.0.saturating_sub(micros))
    }

    /// Reads an RFC 3339 time, or a date alone, which means midnight of that day in UTC.
    ///
    /// # Errors
    ///
    /// Returns the reason if the text is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(stamp.as_microsecond()));
        }
        let date: jiff::civil::Date = text
            .parse()
            .map_err(|_| format!("`{text}` is not a time (write `2026-11-22T06:00:00Z` or `2026-11-22`)"))?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|e| e.to_string())?;
        Ok(Self(zoned.timestamp().as_microsecond()))
    }

    /// Returns the microseconds from `earlier` to this moment, or zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.6}"),
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// Returns the current time. Called for every record, so it must be cheap.
    fn now(&self) -> Timestamp;
}

/// The system clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that is set by hand, so that a test can make days pass.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Creates a clock that shows `now` until it is set.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Sets the current time.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_what_it_shows() {
        let stamp = Timestamp(1_795_370_400_123_456);
        assert_eq!(Timestamp::parse(&stamp.to_string()), Ok(stamp));
        assert_eq!(Timestamp::parse("1970-01-02"), Ok(Timestamp(86_400_000_000)));
        assert!(Timestamp::parse("yesterday").is_err());
    }
}
