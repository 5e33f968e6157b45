//! Times on the reader's clock, and how long ago they were.

use askama::Template;
use jiff::tz::TimeZone;
use jobcontrol_core::clock::Timestamp;

/// A time zone, by its name in the time zone database.
#[derive(Clone, Debug)]
pub(super) struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// Finds a time zone by its name. An unknown name gives UTC.
    pub(super) fn named(name: &str) -> Self {
        // A name with odd characters would be shown on every page.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        let known = !name.is_empty() && name.len() < 64 && name.chars().all(plain);
        Self(known.then(|| TimeZone::get(name).ok()).flatten().unwrap_or(TimeZone::UTC))
    }

    /// Returns the name of the time zone.
    pub(super) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Formats a moment with a format of `strftime`.
    pub(super) fn show(&self, at: Timestamp, format: &str) -> String {
        let Ok(stamp) = jiff::Timestamp::from_microsecond(at.0) else { return at.to_string() };
        stamp.to_zoned(self.0.clone()).strftime(format).to_string()
    }

    /// Returns the first moment of a day, written `2026-11-22`, or of the day that is `later` days
    /// after it.
    pub(super) fn day(&self, text: &str, later: i64) -> Result<Timestamp, String> {
        let wrong = |_| format!("`{text}` is not a day: write `2026-11-22`");
        let date: jiff::civil::Date = text.parse().map_err(wrong)?;
        let date = date.checked_add(jiff::Span::new().days(later)).map_err(wrong)?;
        let zoned = date.to_zoned(self.0.clone()).map_err(wrong)?;
        Ok(Timestamp(zoned.timestamp().as_microsecond()))
    }

    /// Returns the full hours of the reader's clock between two moments, at multiples of `every`.
    pub(super) fn hours(&self, from: Timestamp, to: Timestamp, every: i8) -> Vec<Timestamp> {
        const HOUR: i64 = 3_600_000_000;
        let mut at = from.0.div_euclid(HOUR / 4) * (HOUR / 4);
        let mut hours = Vec::new();
        // A clock may be offset by parts of an hour, so check each quarter.
        while at <= to.0 {
            if let Ok(stamp) = jiff::Timestamp::from_microsecond(at) {
                let time = stamp.to_zoned(self.0.clone()).time();
                if at >= from.0 && time.minute() == 0 && time.hour() % every == 0 {
                    hours.push(Timestamp(at));
                }
            }
            at += HOUR / 4;
        }
        hours
    }

    /// Builds a moment for a page, shown as the given text.
    pub(super) fn time(&self, at: Timestamp, text: String) -> Time {
        let title = format!("{} {}", self.show(at, "%Y-%m-%d %H:%M:%S"), self.name());
        Time { iso: self.show(at, "%Y-%m-%dT%H:%M:%S%:z"), title, text }
    }

    /// Builds a moment for a page, shown as how long ago it was or how soon it is.
    pub(super) fn ago(&self, at: Timestamp, now: Timestamp) -> Time {
        self.time(at, ago(at, now))
    }

    /// Builds a moment for a page, shown as a time of day. The date precedes it unless it is today.
    pub(super) fn clock(&self, at: Timestamp, now: Timestamp) -> Time {
        let is_today = self.show(at, "%F") == self.show(now, "%F");
        self.time(at, self.show(at, if is_today { "%H:%M:%S" } else { "%e %b %H:%M:%S" }).trim().to_owned())
    }
}

/// A moment as a page shows it.
#[derive(Clone, Debug, Template)]
#[template(source = r#"<time datetime="{{ iso }}" title="{{ title }}">{{ text }}</time>"#, ext = "html")]
pub(super) struct Time {
    pub(super) iso: String,
    pub(super) title: String,
    pub(super) text: String,
}

/// Describes how long ago a time was, or how soon it is.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let (past, ahead) = (now.since(time) / 1_000_000, time.since(now) / 1_000_000);
    match (past, ahead) {
        (0, 0) => "just now".to_owned(),
        (0, ahead) => format!("in {}", span(ahead)),
        (past, _) => format!("{} ago", span(past)),
    }
}

/// Describes a number of seconds.
fn span(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{} h", seconds / HOUR),
        seconds => format!("{} days", seconds / DAY),
    }
}

/// Formats a number with thousands separators.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a number with the singular or plural of a noun.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn times_are_told_in_words() {
        let told = |seconds: i64| ago(Timestamp(0), Timestamp(seconds * 1_000_000));
        assert_eq!([told(0), told(59), told(61), told(7_200)], ["just now", "59 s ago", "1 min ago", "2 h ago"]);
        assert_eq!((told(172_800), told(-600)), ("2 days ago".to_owned(), "in 10 min".to_owned()));
        assert_eq!([thousands(7), thousands(1_000), thousands(1_234_567)], ["7", "1,000", "1,234,567"]);
        assert_eq!((count(1, "job", "jobs"), count(0, "job", "jobs")), ("1 job".to_owned(), "0 jobs".to_owned()));
    }

    #[test]
    fn a_time_is_the_readers_own_and_names_its_zone() {
        let rome = Zone::named("Europe/Rome");
        let time = rome.clock(at("2026-11-24T13:45:08Z"), at("2026-11-24T20:00:00Z"));
        assert_eq!(time.text, "14:45:08");
        assert_eq!(time.iso, "2026-11-24T14:45:08+01:00");
        assert_eq!(time.title, "2026-11-24 14:45:08 Europe/Rome");
        assert_eq!(rome.clock(at("2026-11-24T13:45:08Z"), at("2026-11-24T23:30:00Z")).text, "24 Nov 14:45:08");
    }

    #[test]
    fn the_two_odd_nights_have_23_and_25_hours() {
        let rome = Zone::named("Europe/Rome");
        let night = |day: &str, every| {
            let hours = rome.hours(rome.day(day, 0).unwrap(), Timestamp(rome.day(day, 1).unwrap().0 - 1), every);
            hours.into_iter().map(|hour| rome.show(hour, "%H")).collect::<Vec<_>>()
        };
        assert_eq!(night("2026-03-29", 1).len(), 23, "02 is missing");
        assert!(!night("2026-03-29", 1).contains(&"02".to_owned()));
        let autumn = night("2026-10-25", 1);
        assert_eq!((autumn.len(), autumn.iter().filter(|hour| *hour == "02").count()), (25, 2), "02 occurs twice");
        assert_eq!(night("2026-10-25", 6), ["00", "06", "12", "18"]);
        // The offset of this zone from UTC is not a whole number of hours.
        let kathmandu = Zone::named("Asia/Kathmandu");
        let hours = kathmandu.hours(at("2026-01-01"), at("2026-01-01T02:00:00Z"), 1);
        assert_eq!(hours.iter().map(|hour| kathmandu.show(*hour, "%H:%M")).collect::<Vec<_>>(), ["06:00", "07:00"]);
    }

    #[test]
    fn a_name_that_is_no_zone_is_utc() {
        for name in ["", "Nowhere/Atall", "../etc", "\"><script>", &"x".repeat(100)] {
            assert_eq!(Zone::named(name).name(), "UTC", "{name}");
        }
    }
}
