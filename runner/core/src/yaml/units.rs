//! Sizes and durations as people write them.

use std::time::Duration;

use bytesize::ByteSize;

/// Reads `30s`, `10m`, `1h 30m`, `500ms`, `30d` or `1 month`. A month has 30 days, a year 365.
///
/// # Errors
///
/// Returns an error if the text is not a duration, or if the duration is negative or zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    // Months and years have no fixed length in a calendar, so the fixed lengths are used here.
    let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30;
    let rest = span.try_years(0).and_then(|span| span.try_months(0)).map_err(|_| wrong())?;
    let rest = rest.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let whole = jiff::SignedDuration::from_hours(days * 24).checked_add(rest).ok_or_else(wrong)?;
    let duration = Duration::try_from(whole).map_err(|_| format!("`{text}` is negative"))?;
    if duration.is_zero() {
        return Err("a duration must be longer than zero".to_owned());
    }
    Ok(duration)
}

/// Reads `64 MiB`, `1.5 GiB` or `500 kB`, and returns the number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let size: ByteSize = text.parse().map_err(|_| format!("`{text}` is not a size"))?;
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
        assert_eq!(duration("1 month"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("1y 2mo 1d"), Ok(Duration::from_hours(24 * (365 + 60 + 1))));
        assert!(duration("30").is_err());
        assert!(duration("soon").is_err());
        assert!(duration("-1s").is_err());
        assert!(duration("0s").is_err());
        assert_eq!(size("64 MiB"), Ok(64 << 20));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        assert!(size("big").is_err());
    }
}
