//! The two fields of a cron rule that choose days: the day of the month and the day of the week.

use jiff::civil::Date;

use super::piece::CronError;
use super::piece::Piece;
use super::unit::DAY;
use super::unit::WEEKDAY;

/// The days that a rule chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    of_month: OfMonth,
    of_week: OfWeek,
    /// Whether one of the two fields begins with `*` or is `?`. A day must then match both fields,
    /// otherwise either of them, as in Vixie's cron.
    both: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfMonth {
    /// Days of the month, as bits.
    days: u64,
    /// Distances from the last day, as bits: `L` is 0, `L-2` is 2.
    before_last: u64,
    /// Days whose nearest weekday is chosen, as bits: `15W`.
    near: u64,
    /// Whether the last weekday is chosen: `LW`.
    last_weekday: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfWeek {
    /// Days of the week, as bits; Sunday is 0.
    days: u64,
    /// Days of the first to the fifth week of a month, as bits: `MON#2`.
    nth: [u64; 5],
    /// Days of the week whose last one in a month is chosen, as bits: `FRIL`.
    last: u64,
}

impl Days {
    /// Reads both fields, and returns the mistakes of both.
    pub(super) fn parse(month: Piece<'_>, week: Piece<'_>) -> Result<Self, Vec<CronError>> {
        let any = |field: Piece<'_>| field.text == "?" || field.text.starts_with('*');
        let both = any(month) || any(week);
        match (OfMonth::parse(month), OfWeek::parse(week)) {
            (Ok(of_month), Ok(of_week)) => Ok(Self { of_month, of_week, both }),
            (month, week) => Err(month.err().into_iter().chain(week.err()).collect()),
        }
    }

    /// Returns the chosen days of the month that begins at `first`, as bits from bit 1 on.
    pub(super) fn of(&self, first: Date) -> u64 {
        let length = u32::from(first.days_in_month().unsigned_abs());
        let starts = u32::from(first.weekday().to_sunday_zero_offset().unsigned_abs());
        let month = Month { length, starts };
        let (a, b) = (self.of_month.of(month), self.of_week.of(month));
        if self.both { a & b } else { a | b }
    }
}

/// The properties of a month that the rules need.
#[derive(Clone, Copy)]
struct Month {
    /// Its number of days.
    length: u32,
    /// The day of the week on which it begins; Sunday is 0.
    starts: u32,
}

impl Month {
    fn weekday(self, day: u32) -> u32 {
        (self.starts + day - 1) % 7
    }

    /// Returns the weekday (Monday to Friday) nearest to a day, in the same month.
    fn nearest_weekday(self, day: u32) -> u32 {
        match self.weekday(day) {
            6 if day == 1 => 3,
            6 => day - 1,
            0 if day == self.length => day - 2,
            0 => day + 1,
            _ => day,
        }
    }
}

impl OfMonth {
    fn parse(field: Piece<'_>) -> Result<Self, CronError> {
        let mut days = Self::default();
        if field.text == "?" {
            return Ok(Self { days: DAY.entry(Piece::whole("*"))?, ..days });
        }
        for entry in field.entries() {
            let upper = entry.text.to_ascii_uppercase();
            if upper == "L" {
                days.before_last |= 1;
            } else if upper == "LW" {
                days.last_weekday = true;
            } else if let Some(before) = entry.without_prefix("L-").or_else(|| entry.without_prefix("l-")) {
                let before = DAY.number(before).ok().filter(|before| *before <= 30).ok_or_else(|| {
                    let help = "write `L-1` to `L-30`: that many days before the last one".to_owned();
                    entry.error(format!("`{}` is not {}", entry.text, DAY.one), help)
                })?;
                days.before_last |= 1 << before;
            } else if let Some(day) = entry.without_suffix("W").or_else(|| entry.without_suffix("w")) {
                days.near |= 1 << DAY.number(day)?;
            } else {
                days.days |= DAY.entry(entry)?;
            }
        }
        Ok(days)
    }

    fn of(&self, month: Month) -> u64 {
        let whole = (1 << (month.length + 1)) - 2;
        let before_last = (0..month.length).filter(|before| self.before_last >> before & 1 == 1);
        let near = (1..=month.length).filter(|day| self.near >> day & 1 == 1).map(|day| month.nearest_weekday(day));
        let last_weekday = self.last_weekday.then(|| month.nearest_weekday(month.length));
        let others = before_last.map(|before| month.length - before).chain(near).chain(last_weekday);
        others.fold(self.days & whole, |bits, day| bits | 1 << day)
    }
}

impl OfWeek {
    fn parse(field: Piece<'_>) -> Result<Self, CronError> {
        let mut days = Self::default();
        if field.text == "?" {
            return Ok(Self { days: WEEKDAY.entry(Piece::whole("*"))?, ..days });
        }
        let sunday_is_zero = |bits: u64| (bits | bits >> 7) & 0x7f;
        for entry in field.entries() {
            if entry.text.eq_ignore_ascii_case("L") {
                let help = "write `FRIL` for the last Friday of the month, or `SAT`".to_owned();
                return Err(entry.error("`L` does not name a day of the week", help));
            } else if let Some((day, nth)) = entry.split('#') {
                let week = nth.text.parse::<usize>().ok().and_then(|nth| days.nth.get_mut(nth.checked_sub(1)?));
                let week = week.ok_or_else(|| {
                    let help = "write `#1` for the first one of the month, up to `#5`".to_owned();
                    nth.error(format!("`{}` is not the number of a week", nth.text), help)
                })?;
                *week |= sunday_is_zero(1 << WEEKDAY.number(day)?);
            } else if let Some(day) = last_of(entry) {
                days.last |= sunday_is_zero(1 << WEEKDAY.number(day)?);
            } else {
                days.days |= sunday_is_zero(WEEKDAY.entry(entry)?);
            }
        }
        Ok(days)
    }

    fn of(&self, month: Month) -> u64 {
        let chosen = |day: &u32| {
            let weekday = month.weekday(*day);
            let has = |days: u64| days >> weekday & 1 == 1;
            let nth = usize::try_from((day - 1) / 7).ok().and_then(|week| self.nth.get(week));
            has(self.days) || nth.is_some_and(|days| has(*days)) || day + 7 > month.length && has(self.last)
        };
        (1..=month.length).filter(chosen).fold(0, |bits, day| bits | 1 << day)
    }
}

/// Returns the day of `FRIL` or `5L`.
fn last_of(entry: Piece<'_>) -> Option<Piece<'_>> {
    entry.without_suffix("L").or_else(|| entry.without_suffix("l"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(month: &str, week: &str) -> Result<Days, Vec<CronError>> {
        Days::parse(Piece::whole(month), Piece::whole(week))
    }

    fn days(month: &str, week: &str, (year, number): (i16, i8)) -> Vec<u32> {
        let bits = parse(month, week).unwrap().of(Date::new(year, number, 1).unwrap());
        (0..64).filter(|day| bits >> day & 1 == 1).collect()
    }

    /// A month that begins on a Monday and has 28 days.
    const FEBRUARY: (i16, i8) = (2027, 2);
    /// A month that begins on a Saturday and ends on a Sunday.
    const MAY: (i16, i8) = (2027, 5);

    #[test]
    fn a_day_of_the_month_may_be_counted_from_its_end_or_be_a_weekday() {
        assert_eq!(days("L", "*", FEBRUARY), [28]);
        assert_eq!(days("L-2,1", "?", FEBRUARY), [1, 26]);
        assert!(days("L-30,31", "*", FEBRUARY).is_empty());
        assert_eq!(days("1W,15W,31W", "*", MAY), [3, 14, 31]);
        assert_eq!(days("LW,30W", "*", MAY), [31]);
        assert_eq!(days("LW", "*", (2027, 10)), [29]);
        assert_eq!(days("31W", "*", (2027, 10)), [29]);
    }

    #[test]
    fn a_day_of_the_week_may_be_counted_in_the_month() {
        assert_eq!(days("*", "MON#1,fri#4", FEBRUARY), [1, 26]);
        assert!(days("*", "MON#5", FEBRUARY).is_empty());
        assert_eq!(days("*", "MON#5", MAY), [31]);
        assert_eq!(days("?", "0L", MAY), [30]);
        assert_eq!(days("?", "7,SatL", MAY), [2, 9, 16, 23, 29, 30]);
    }

    #[test]
    fn both_fields_have_to_match_only_where_one_begins_with_a_star() {
        assert_eq!(days("1,2", "MON", FEBRUARY), [1, 2, 8, 15, 22]);
        assert_eq!(days("*/14", "MON", FEBRUARY), [1, 15]);
        assert_eq!(days("1-8", "*/2", FEBRUARY), [2, 4, 6, 7]);
        assert_eq!(days("*", "*", FEBRUARY).len(), 28);
    }

    #[test]
    fn what_is_wrong_with_either_field_is_said() {
        let said = |month: &str, week: &str| {
            let errors = parse(month, week).unwrap_err();
            errors.into_iter().map(|e| format!("{} at {:?}", e.message, e.range)).collect::<Vec<_>>()
        };
        assert_eq!(
            said("L-31", "MON#6"),
            ["`L-31` is not a day of the month at 0..4", "`6` is not the number of a week at 4..5"]
        );
        assert_eq!(
            said("32W", "L"),
            ["`32` is not a day of the month at 0..2", "`L` does not name a day of the week at 0..1"]
        );
        assert_eq!(said("0", "#1"), ["`0` is not a day of the month at 0..1", "`` is not a day of the week at 0..0"]);
    }
}
