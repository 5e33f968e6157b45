//! A slow and obvious calculation of due times for comparison: it walks through every minute and
//! looks at the clock.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;
use proptest::sample::select;

use super::zone::Zone;

/// A rule of five fields in a zone whose offsets are whole minutes.
pub(super) struct Oracle {
    fields: Vec<String>,
    zone: TimeZone,
}

impl Oracle {
    pub(super) fn new(rule: &str, zone: &Zone) -> Self {
        let fields = rule.split(' ').map(str::to_owned).collect();
        Self { fields, zone: TimeZoneDatabase::bundled().get(zone.name()).unwrap() }
    }

    /// Returns everything that is due after the minute `from` and up to `to`.
    pub(super) fn due(&self, from: i64, to: i64) -> Vec<i64> {
        let repeats = self.fields[..2].iter().any(|field| field.contains(['*', '/']));
        let mut dues = Vec::new();
        // The latest time that the clock has shown; the walk starts far enough before `from`.
        let start = from - 3 * 86_400;
        let mut shown = self.local(start);
        for at in (start + 60..=to).step_by(60) {
            let local = self.local(at);
            let due = if repeats {
                self.matches(local)
            } else {
                let passed = std::iter::successors(Some(local), |time| minute_before(*time));
                passed.take_while(|time| *time > shown).any(|time| self.matches(time))
            };
            shown = shown.max(local);
            if due && at > from {
                dues.push(at);
            }
        }
        dues
    }

    fn local(&self, at: i64) -> DateTime {
        self.zone.to_datetime(Timestamp::from_second(at).unwrap())
    }

    fn matches(&self, time: DateTime) -> bool {
        let [minute, hour, day, month, week] = &self.fields[..] else { panic!("five fields") };
        let date = time.date();
        let days = |field: &str, matches: fn(&str, Date) -> bool| field.split(',').any(|entry| matches(entry, date));
        let (of_month, of_week) = (days(day, day_of_month), days(week, day_of_week));
        let free = day.starts_with('*') || week.starts_with('*');
        number(minute, time.minute().into(), 0, 59)
            && number(hour, time.hour().into(), 0, 23)
            && number(month, date.month().into(), 1, 12)
            && if free { of_month && of_week } else { of_month || of_week }
    }
}

fn minute_before(time: DateTime) -> Option<DateTime> {
    time.checked_sub(jiff::Span::new().minutes(1)).ok()
}

fn number(field: &str, value: i64, first: i64, last: i64) -> bool {
    let parse = |text: &str| text.parse::<i64>().unwrap();
    field.split(',').any(|entry| {
        let (range, step) = entry.split_once('/').map_or((entry, None), |(range, step)| (range, Some(parse(step))));
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (first, last),
            (_, Some((from, to))) => (parse(from), parse(to)),
            _ => (parse(range), if step.is_some() { last } else { parse(range) }),
        };
        (from..=to).contains(&value) && (value - from) % step.unwrap_or(1) == 0
    })
}

fn day_of_month(entry: &str, date: Date) -> bool {
    let length = date.days_in_month();
    let is_weekday = |day: i8| {
        (1..=5).contains(&Date::new(date.year(), date.month(), day).unwrap().weekday().to_sunday_zero_offset())
    };
    let nearest = |day: i8| {
        let near = (1..=length).filter(|day| is_weekday(*day));
        near.min_by_key(|other| ((other - day).abs(), *other)).unwrap()
    };
    if entry == "LW" {
        date.day() == nearest(length)
    } else if let Some(before) = entry.strip_prefix('L') {
        date.day() == length - before.trim_start_matches('-').parse().unwrap_or(0)
    } else if let Some(day) = entry.strip_suffix('W') {
        let day: i8 = day.parse().unwrap();
        day <= length && date.day() == nearest(day)
    } else {
        number(entry, date.day().into(), 1, 31)
    }
}

fn day_of_week(entry: &str, date: Date) -> bool {
    let weekday = date.weekday().to_sunday_zero_offset();
    let is = |day: &str| day.parse::<i8>().unwrap() % 7 == weekday;
    if let Some((day, nth)) = entry.split_once('#') {
        is(day) && (date.day() - 1) / 7 + 1 == nth.parse::<i8>().unwrap()
    } else if let Some(day) = entry.strip_suffix('L') {
        is(day) && date.day() + 7 > date.days_in_month()
    } else {
        number(entry, weekday.into(), 0, 6) || weekday == 0 && number(entry, 7, 0, 7) && !entry.contains(['*', '/'])
    }
}

fn field(first: u32, last: u32) -> impl Strategy<Value = String> {
    let one = (first..=last).prop_map(|n| n.to_string());
    let range = (first..=last, first..=last).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let step = (first..=last, 1..=(last - first)).prop_map(|(a, step)| format!("{a}/{step}"));
    let all = (1..=(last - first)).prop_map(|step| format!("*/{step}"));
    let entry = prop_oneof![4 => one, 2 => range, 1 => step, 1 => all];
    let list = prop::collection::vec(entry, 1..3).prop_map(|entries| entries.join(","));
    prop_oneof![1 => Just("*".to_owned()), 2 => list]
}

/// Generates rules of five fields; many are due around the nights on which clocks change.
pub(super) fn rules() -> impl Strategy<Value = String> {
    let hour = prop_oneof![1 => field(0, 23), 2 => select(vec!["0", "1,2", "2", "3", "1-3", "0-23", "1/1"]).prop_map(str::to_owned)];
    let day = prop_oneof![4 => Just("*".to_owned()), 1 => field(1, 31), 1 => select(vec!["L", "L-3", "LW", "15W", "1W,28", "31W"]).prop_map(str::to_owned)];
    let month = prop_oneof![4 => Just("*".to_owned()), 1 => field(1, 12)];
    let week = prop_oneof![4 => Just("*".to_owned()), 1 => field(0, 6), 1 => select(vec!["7", "0#2", "7L", "5-7", "3#5,1"]).prop_map(str::to_owned)];
    (field(0, 59), hour, day, month, week).prop_map(|(m, h, d, o, w)| format!("{m} {h} {d} {o} {w}"))
}
