//! A cron rule on calendar dates and times of day. It knows nothing about time zones: its moments
//! are local times, in seconds since 1970-01-01 00:00 on the same clock.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::days::Days;
use super::piece::CronError;
use super::piece::Piece;
use super::unit::HOUR;
use super::unit::MINUTE;
use super::unit::MONTH;
use super::unit::SECOND;
use super::unit::smaller;
use super::unit::smallest;

/// Seconds of a day on a clock.
const DAY: i64 = 24 * 60 * 60;
/// The longest rule that is read: longer than any that a person writes, and short enough to show
/// where its mistakes are.
const MAX_LENGTH: usize = 1_000;
/// The fields of a rule, as named in hints.
const FIELDS: &str = "minute, hour, day of the month, month, day of the week";
/// Named rules.
const NAMED: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A cron rule: the times of day and the dates at which something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    seconds: u64,
    minutes: u64,
    hours: u64,
    months: u64,
    days: Days,
    interval: bool,
    never: bool,
}

impl Cron {
    /// Reads five fields (minute, hour, day of the month, month, day of the week), six with the
    /// seconds before them, or a name such as `@daily`.
    ///
    /// # Errors
    ///
    /// Returns all mistakes in the rule, each with its position.
    pub fn parse(text: &str) -> Result<Self, Vec<CronError>> {
        Self::read(text).map_err(|mut errors| {
            errors.iter_mut().for_each(|error| error.range = widened(text, error.range.clone()));
            errors
        })
    }

    fn read(text: &str) -> Result<Self, Vec<CronError>> {
        let whole = Piece::whole(text);
        if text.len() > MAX_LENGTH {
            return Err(vec![whole.error(format!("a cron rule has at most {MAX_LENGTH} characters"), None)]);
        }
        let words = whole.words();
        match words[..] {
            [name] if name.text.starts_with('@') => Self::named(name),
            [minute, hour, day, month, week] => Self::fields(text, None, [minute, hour, day, month, week]),
            [second, minute, hour, day, month, week] => {
                Self::fields(text, Some(second), [minute, hour, day, month, week])
            }
            _ => {
                let message = format!("a cron rule has 5 fields, or 6 with seconds, found {}", words.len());
                Err(vec![whole.error(message, format!("the fields are {FIELDS}: `0 6 * * MON-FRI`"))])
            }
        }
    }

    fn named(name: Piece<'_>) -> Result<Self, Vec<CronError>> {
        if let Some((_, fields)) = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.text)) {
            return Ok(Self { text: name.text.to_owned(), ..Self::read(fields)? });
        }
        let names = NAMED.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(vec![name.error(format!("there is no rule `{}`", name.text), format!("the named rules are {names}"))])
    }

    fn fields(text: &str, second: Option<Piece<'_>>, fields: [Piece<'_>; 5]) -> Result<Self, Vec<CronError>> {
        let [minute, hour, day, month, week] = fields;
        let seconds = second.map_or(Ok(1), |second| SECOND.field(second));
        let (minutes, hours, months) = (MINUTE.field(minute), HOUR.field(hour), MONTH.field(month));
        let days = Days::parse(day, week);
        let (seconds, minutes, hours, months, days) = match (seconds, minutes, hours, months, days) {
            (Ok(seconds), Ok(minutes), Ok(hours), Ok(months), Ok(days)) => (seconds, minutes, hours, months, days),
            (seconds, minutes, hours, months, days) => {
                let parts = [seconds.err(), minutes.err(), hours.err(), months.err()];
                let mut errors: Vec<_> = parts.into_iter().flatten().chain(days.err().into_iter().flatten()).collect();
                errors.sort_by_key(|error| error.range.start);
                return Err(errors);
            }
        };
        let repeats = |field: Piece<'_>| field.text.contains(['*', '/']);
        let text = text.trim().to_owned();
        let interval = repeats(minute) || repeats(hour);
        let mut rule = Self { text, seconds, minutes, hours, months, days, interval, never: false };
        rule.never = rule.has_no_date();
        Ok(rule)
    }

    /// Returns whether the rule is never due, such as on 30 February.
    pub fn never_fires(&self) -> bool {
        self.never
    }

    /// Returns whether the rule has a `*` or a step in the minute or the hour. Such a rule follows
    /// elapsed time. Any other rule names times of day.
    pub(super) fn is_interval(&self) -> bool {
        self.interval
    }

    /// Returns the first local time from `from` on that the rule matches; `None` after the year
    /// 9999.
    pub(super) fn next(&self, from: i64) -> Option<i64> {
        if self.never {
            return None;
        }
        let (today, time) = date_and_time(from)?;
        if self.matches(today)
            && let Some(time) = self.time_from(time)
        {
            return Some(midnight(today)? + i64::from(time));
        }
        let mut day = today.tomorrow().ok()?;
        loop {
            if let Some(found) = smallest(self.days_of(day), day.day().unsigned_abs().into()) {
                let date = Date::new(day.year(), day.month(), i8::try_from(found).ok()?).ok()?;
                return Some(midnight(date)? + i64::from(self.time_from(0)?));
            }
            day = day.first_of_month().checked_add(1.month()).ok()?;
        }
    }

    /// Returns how many local times from `from` up to, but not including, `to` the rule matches.
    pub(super) fn count(&self, from: i64, to: i64) -> u64 {
        let (Some((first, start)), Some((last, end))) = (date_and_time(from), date_and_time(to)) else {
            return 0;
        };
        if from >= to || self.never {
            return 0;
        }
        let part = |date: Date, time: u32| if self.matches(date) { self.times_before(time) } else { 0 };
        let each = self.times_before(u32::MAX);
        (self.dates(first, last) * each + part(last, end)) - part(first, start)
    }

    /// Returns how many dates from `from` up to, but not including, `to` the rule matches.
    fn dates(&self, from: Date, to: Date) -> u64 {
        let mut count = 0;
        let mut month = from;
        while month < to {
            let days = self.days_of(month) & (u64::MAX << month.day());
            let same = month.first_of_month() == to.first_of_month();
            count += smaller(days, if same { to.day().unsigned_abs().into() } else { u64::BITS });
            let Ok(next) = month.first_of_month().checked_add(1.month()) else {
                break;
            };
            month = next;
        }
        count
    }

    fn matches(&self, date: Date) -> bool {
        self.days_of(date) >> date.day() & 1 == 1
    }

    /// Returns the matching days of a date's month, as bits.
    fn days_of(&self, date: Date) -> u64 {
        if self.months >> date.month() & 1 == 1 { self.days.of(date.first_of_month()) } else { 0 }
    }

    /// Returns the first matching time of day from `time` on, in seconds since midnight.
    fn time_from(&self, time: u32) -> Option<u32> {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = smallest(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = smallest(self.minutes, minute + 1) {
                return Some(hour * 3600 + minute * 60 + smallest(self.seconds, 0)?);
            }
        }
        let hour = smallest(self.hours, hour + 1)?;
        Some(hour * 3600 + smallest(self.minutes, 0)? * 60 + smallest(self.seconds, 0)?)
    }

    /// Returns how many matching times of a day come before `time`.
    fn times_before(&self, time: u32) -> u64 {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let whole_minute = smaller(self.seconds, u64::BITS);
        let whole_hour = smaller(self.minutes, u64::BITS) * whole_minute;
        let before = smaller(self.hours, hour) * whole_hour;
        if hour >= u64::BITS || self.hours >> hour & 1 == 0 {
            return before;
        }
        let in_minute = if self.minutes >> minute & 1 == 1 { smaller(self.seconds, second) } else { 0 };
        before + smaller(self.minutes, minute) * whole_minute + in_minute
    }

    /// Returns whether no date matches. The calendar repeats after 400 years, including the days of
    /// the week, so 400 years cover all dates.
    fn has_no_date(&self) -> bool {
        let firsts = (2000..2400).flat_map(|year| (1..=12).filter_map(move |month| Date::new(year, month, 1).ok()));
        firsts.into_iter().all(|first| self.days_of(first) == 0)
    }
}

impl fmt::Display for Cron {
    /// Writes the rule as it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Widens an empty range, where something is missing, to the character before it, or to the first
/// one.
fn widened(text: &str, range: Range<usize>) -> Range<usize> {
    match range.start {
        _ if !range.is_empty() => range,
        0 => 0..text.ceil_char_boundary(1),
        start => text.floor_char_boundary(start - 1)..start,
    }
}

fn date_and_time(local: i64) -> Option<(Date, u32)> {
    let date = Offset::UTC.to_datetime(Timestamp::from_second(local).ok()?).date();
    Some((date, u32::try_from(local.rem_euclid(DAY)).ok()?))
}

fn midnight(date: Date) -> Option<i64> {
    let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(midnight.as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns each mistake with the text at its position, and its hint.
    fn wrong(text: &str) -> Vec<(String, &str, String)> {
        let errors = Cron::parse(text).unwrap_err();
        errors.into_iter().map(|e| (e.message, &text[e.range], e.help.unwrap_or_default())).collect()
    }

    fn one(text: &str) -> (String, &str, String) {
        let mut all = wrong(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn a_mistake_names_its_place_its_field_and_what_can_stand_there() {
        let said = |message: &str, at, help: &str| (message.to_owned(), at, help.to_owned());
        assert_eq!(one("0 24 * * *"), said("`24` is not an hour", "24", "hours are 0 to 23"));
        assert_eq!(one("0 6,x * * *"), said("`x` is not an hour", "x", "hours are 0 to 23"));
        assert_eq!(one("60 0 6 * * *"), said("`60` is not a second", "60", "seconds are 0 to 59"));
        assert_eq!(one("*/60 * * * *"), said("`60` is not a step of minutes", "60", "a step of minutes is 1 to 59"));
        assert_eq!(one("0 22-2 * * *"), said("the range `22-2` goes backwards", "22-2", "write `22-23,0-2`"));
        assert_eq!(one("0 0 * * FRI-MON"), said("the range `FRI-MON` goes backwards", "FRI-MON", "write `5-6,0-1`"));
        assert_eq!(one("0 0 * * mOnday"), said("`mOnday` is not a day of the week", "mOnday", "did you mean `MON`?"));
        let months = "months are 1 to 12, or JAN to DEC";
        assert_eq!(one("0 0 1 13 *"), said("`13` is not a month", "13", months));
        let days = "days of the week are 0 to 7, where 0 and 7 are Sunday, or SUN to SAT";
        assert_eq!(one("0 0 * * 8"), said("`8` is not a day of the week", "8", days));
        assert_eq!(one("? 6 * * *"), said("`?` is not a minute", "?", "minutes are 0 to 59"));
        let empty = "separate entries with one comma and no spaces";
        assert_eq!(one("0,,30 * * * *"), said("an entry of the minutes is empty", ",", empty));
        assert_eq!(one("0, * * * *").1, ",");
    }

    #[test]
    fn every_field_is_looked_at() {
        let places: Vec<_> = wrong("60 24 32 13 8").into_iter().map(|(_, at, _)| at).collect();
        assert_eq!(places, ["60", "24", "32", "13", "8"]);
    }

    #[test]
    fn a_rule_has_five_fields_or_six_or_a_name() {
        assert_eq!(one("0 6 * *").0, "a cron rule has 5 fields, or 6 with seconds, found 4");
        assert_eq!((one("").1, one("  ").1, one("0 0 6 * * * 2027").1), ("", "  ", "0 0 6 * * * 2027"));
        assert!(one("@reboot").2.contains("`@daily`"));
        assert_eq!(one(&"0 ".repeat(600)).0, "a cron rule has at most 1000 characters");
        let daily = Cron::parse("@Daily").unwrap();
        assert_eq!((daily.to_string().as_str(), daily.next(1)), ("@Daily", Some(86_400)));
        assert_eq!(Cron::parse(" 5 6  * * * ").unwrap().to_string(), "5 6  * * *");
    }

    #[test]
    fn a_rule_goes_by_time_if_its_minute_or_hour_repeats() {
        for (rule, interval) in [
            ("0 * * * *", true),
            ("*/5 2 * * *", true),
            ("0 1/2 * * *", true),
            ("@hourly", true),
            ("0 2 * * *", false),
            ("* 0 2 * * *", false),
            ("0-59 2 */2 * *", false),
        ] {
            assert_eq!(Cron::parse(rule).unwrap().is_interval(), interval, "{rule}");
        }
    }

    #[test]
    fn a_rule_that_is_never_due_is_known() {
        for (rule, never) in [
            ("0 0 30 2 *", true),
            ("0 0 31 2,4,6,9,11 *", true),
            ("0 0 31W 2-2 ?", true),
            ("0 0 29 2 *", false),
            ("0 0 30 2 MON", false),
            ("0 0 * 2 0#5", false),
            ("0 0 L-29 2 *", true),
            ("0 0 L-28 2 *", false),
        ] {
            let rule = Cron::parse(rule).unwrap();
            assert_eq!((rule.never_fires(), rule.next(0).is_none()), (never, never), "{rule}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            places_are_whole(&text);
        }

        #[test]
        fn no_rule_makes_it_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "*", "/", "-", ",", "#", "L", "W", "?", "0", "7", "59", "60", "MON", "jan", " ", " ", " ", " ", "é", "@daily",
        ]), 0..24)) {
            places_are_whole(&pieces.concat());
        }
    }

    fn places_are_whole(text: &str) {
        if let Err(errors) = Cron::parse(text) {
            assert!(!errors.is_empty());
            for error in errors {
                let place = text.get(error.range.clone());
                assert!(place.is_some_and(|place| !place.is_empty() || text.is_empty()), "{error:?} in {text:?}");
            }
        }
    }
}
