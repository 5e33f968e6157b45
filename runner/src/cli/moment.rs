//! Moments as people write them: RFC 3339, a date or a time in their own time zone, or how long
//! ago.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::manifest::parse_duration;

/// Reads `2h` (two hours ago), `2026-11-22`, `2026-11-22 06:00`, or a time with an offset.
pub(super) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    read(text, SystemClock.now(), &TimeZone::system())
}

fn read(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(stamp.as_microsecond()));
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        let zoned = civil.to_zoned(zone.clone()).map_err(|e| format!("`{text}`: {e}"))?;
        return Ok(Timestamp(zoned.timestamp().as_microsecond()));
    }
    match parse_duration(text) {
        Ok(ago) => Ok(before(now, ago)),
        Err(_) => {
            Err(format!("`{text}` is not a time: write `2h` for two hours ago, `2026-11-22` or `2026-11-22T06:00Z`"))
        }
    }
}

fn before(now: Timestamp, ago: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_the_zone_of_the_person() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let noon = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let read = |text| super::read(text, noon, &zone);
        assert_eq!(read("2h"), Timestamp::parse("2026-11-22T10:00:00Z"));
        assert_eq!(read("1d 30m"), Timestamp::parse("2026-11-21T11:30:00Z"));
        assert_eq!(read("2026-11-22"), Timestamp::parse("2026-11-21T22:00:00Z"));
        assert_eq!(read("2026-11-22 06:00"), Timestamp::parse("2026-11-22T04:00:00Z"));
        assert_eq!(read("2026-11-22T06:00:00Z"), Timestamp::parse("2026-11-22T06:00:00Z"));
        assert_eq!(read("2026-11-22 06:00:00+01:00"), Timestamp::parse("2026-11-22T05:00:00Z"));
        for wrong in ["", "yesterday", "2026-13-01", "0s", "-2h"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
