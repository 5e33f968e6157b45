//! Sizes and durations as people write them.

use std::time::Duration;

use bytesize::ByteSize;

use crate::retention::DAY;
use crate::retention::MONTH;
use crate::retention::YEAR;

/// Reads `30s`, `10m`, `1h 30m`, `500ms`, `30d`.
///
/// # Errors
///
/// A text that is none, a negative one, or nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    // Days of 24 hours and weeks of 7 of them; months and years have no length of their own.
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let duration = Duration::try_from(span).map_err(|_| format!("`{text}` is negative"))?;
    if duration.is_zero() {
        return Err("a duration must be longer than nothing".to_owned());
    }
    Ok(duration)
}

/// Reads `15 days`, `1 month`, `2y`, in seconds: a month is 30 days, a year 365.
pub(super) fn age(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no age");
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim() {
        "s" | "second" | "seconds" => 1,
        "h" | "hour" | "hours" => DAY / 24,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "month" | "months" => MONTH,
        "y" | "year" | "years" => YEAR,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    if seconds == 0 { Err("an age must be longer than nothing".to_owned()) } else { Ok(seconds) }
}

/// Reads `64 MiB`, `1.5 GiB`, `500 kB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let size: ByteSize = text.parse().map_err(|_| format!("`{text}` is no size"))?;
    Ok(size.as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("2 weeks"), Ok(Duration::from_hours(336)));
        assert!(duration("1 month").is_err());
        assert!(duration("soon").is_err());
        assert!(duration("-1s").is_err());
        assert!(duration("0s").is_err());
        assert_eq!(size("64 MiB"), Ok(64 << 20));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        assert!(size("big").is_err());
        assert_eq!(
            (age("15 days"), age("1 month"), age("2y"), age("36h")),
            (Ok(15 * DAY), Ok(MONTH), Ok(2 * YEAR), Ok(36 * 3600))
        );
        for text in ["", "days", "-1 day", "1 m", "0d", "99999999999999999999y", "9999999999999999y", "1.5d", "ü"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
