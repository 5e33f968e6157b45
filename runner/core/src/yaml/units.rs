//! Sizes and durations as people write them.

use std::time::Duration;

use bytesize::ByteSize;

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

/// Reads `64 MiB`, `1.5 GiB`, `500 kB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
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
    }
}
