//! The moments at which a cron rule is due in a time zone, in seconds since 1970-01-01 UTC.
//!
//! A rule with a `*` or a step in its minute or hour follows elapsed time. It is due whenever the
//! clocks show a time that it matches. If the clocks are set back, it is due in both passes. If
//! they are set forward, the skipped times are not due.
//!
//! Any other rule names times of day, and a person who writes `30 2 * * *` wants one run a day. If
//! the clocks are set back, only the first pass counts. If they are set forward, a skipped time is
//! due at the first moment after the gap. Several skipped times are due only once, at that moment.

use super::cron::Cron;
use super::zone::Period;
use super::zone::Zone;

/// How many due times are walked through one by one before they are counted instead. Counting costs
/// as much as a few dozen of these steps.
const WALKED: usize = 64;
/// How far ahead a due time is searched for: 100 years. The dates of a rule are at most 40 years
/// apart (29 February on one day of the week). A rule may still never be due if each of its times
/// falls into a gap.
const HORIZON: i64 = 100 * 366 * 24 * 60 * 60;
/// The maximum difference between the local times of two zones, or of one zone in two years, with a
/// margin.
const OFFSETS: i64 = 3 * 24 * 60 * 60;

/// A rule in a time zone.
#[derive(Clone, Copy)]
pub(super) struct Times<'a> {
    pub(super) cron: &'a Cron,
    pub(super) zone: &'a Zone,
}

impl Times<'_> {
    /// Returns the first due second after `after`.
    pub(super) fn next(self, after: i64) -> Option<i64> {
        let mut at = after.checked_add(1)?;
        while at - after <= HORIZON {
            let period = self.zone.period(at)?;
            if at == period.start && self.is_due_behind_gap(period) {
                return Some(at);
            }
            let due = self.cron.next(self.first_local(period, at))? - period.offset;
            if due < period.end {
                return Some(due);
            }
            // Nothing is due before the next matching time that the clocks can show from here on,
            // however they are set.
            let shown = self.cron.next(period.end + period.offset - OFFSETS)?;
            at = period.end.max(shown - period.offset - OFFSETS);
        }
        None
    }

    /// Returns how many seconds after `after` and up to `until` are due. The cost is one step for
    /// each month and each clock change, regardless of the number of due seconds.
    pub(super) fn count(self, after: i64, until: i64) -> u64 {
        let mut count = 0;
        let (Some(mut at), Some(end)) = (after.checked_add(1), until.checked_add(1)) else {
            return 0;
        };
        while at < end {
            let Some(period) = self.zone.period(at) else {
                break;
            };
            let to = period.end.min(end);
            let from = self.first_local(period, at);
            if at == period.start && self.is_due_behind_gap(period) && self.cron.next(from) != Some(from) {
                count += 1;
            }
            count += self.cron.count(from, to + period.offset);
            at = to;
        }
        count
    }

    /// Returns the last due second after `after` and up to `until`.
    pub(super) fn newest(self, after: i64, until: i64) -> Option<i64> {
        let mut newest = None;
        let mut at = after;
        for _ in 0..WALKED {
            match self.next(at) {
                Some(due) if due <= until => (newest, at) = (Some(due), due),
                _ => return newest,
            }
        }
        let last = self.next(self.before_newest(at, until, 1)).filter(|due| *due <= until);
        last.or(newest)
    }

    /// Returns the latest moment from `after` on that has at least `wanted` due seconds between it
    /// and `until`; `after` if there is none.
    pub(super) fn before_newest(self, after: i64, until: i64, wanted: u64) -> i64 {
        if wanted == 0 {
            return until;
        }
        // `low` has enough due seconds after it, or is `after`; `high` does not.
        let (mut low, mut high, mut step) = (until, until, 1);
        while low > after && self.count(low, until) < wanted {
            (low, high) = (until.saturating_sub(step).max(after), low);
            step = step.saturating_mul(2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.count(middle, until) >= wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Returns the local time from which on the rule counts in a period; `at` is the first second
    /// to look at.
    fn first_local(self, period: Period, at: i64) -> i64 {
        let local = at + period.offset;
        if self.cron.is_interval() || period.start == i64::MIN {
            return local;
        }
        // If the clocks were set back, the repeated times were due already.
        local.max(period.start + period.before)
    }

    /// Returns whether the clocks were set forward over a time of day that the rule names.
    fn is_due_behind_gap(self, period: Period) -> bool {
        let (from, to) = (period.start + period.before, period.start + period.offset);
        !self.cron.is_interval() && from < to && self.cron.next(from).is_some_and(|local| local < to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::clock::Timestamp;
    use crate::schedule::oracle::Oracle;
    use crate::schedule::oracle::rules;

    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Rome",
        "Australia/Lord_Howe",
        "America/New_York",
        "America/Santiago",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Antarctica/Troll",
    ];

    /// Returns what is due after the first moment and up to the second one, on the zone's clocks.
    fn due(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let (cron, zone) = (Cron::parse(cron).unwrap(), Zone::find(zone).unwrap());
        let times = Times { cron: &cron, zone: &zone };
        let second = |text| Timestamp::parse(text).unwrap().0 / 1_000_000;
        let (from, to) = (second(from), second(to));
        let dues = std::iter::successors(times.next(from), |due| times.next(*due)).take_while(|due| *due <= to);
        let dues: Vec<_> = dues.collect();
        assert_eq!(times.count(from, to), dues.len() as u64, "{cron}");
        assert_eq!(times.newest(from, to), dues.last().copied(), "{cron}");
        dues.into_iter().map(|due| zone.show(Timestamp(due * 1_000_000))).collect()
    }

    #[test]
    fn times_in_a_gap_are_due_once_behind_it() {
        let night = |cron| due(cron, "Europe/Rome", "2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z");
        for cron in ["15,45 2 * * *", "30 2 * * *", "0 2 28 3 *", "0 2,3 * * *", "*/20 59 2 * * *", "0-59 2 * * *"] {
            assert_eq!(night(cron), ["2027-03-28T03:00:00+02:00"], "{cron}");
        }
        assert_eq!(night("30 1,2,3 * * *").len(), 3);
        let lord_howe = |cron| due(cron, "Australia/Lord_Howe", "2027-10-02T12:00:00Z", "2027-10-03T12:00:00Z");
        assert_eq!(lord_howe("10,20 2 * * *"), ["2027-10-03T02:30:00+11:00"]);
        assert_eq!(lord_howe("10,40 2 * * *"), ["2027-10-03T02:30:00+11:00", "2027-10-03T02:40:00+11:00"]);
    }

    #[test]
    fn rules_that_repeat_go_on_over_a_gap() {
        let night = |cron| due(cron, "Europe/Rome", "2027-03-28T00:29:00Z", "2027-03-28T01:46:00Z");
        let quarters = [
            "2027-03-28T01:30:00+01:00",
            "2027-03-28T01:45:00+01:00",
            "2027-03-28T03:00:00+02:00",
            "2027-03-28T03:15:00+02:00",
            "2027-03-28T03:30:00+02:00",
            "2027-03-28T03:45:00+02:00",
        ];
        assert_eq!(night("*/15 * * * *"), quarters);
        assert_eq!(night("@hourly"), ["2027-03-28T03:00:00+02:00"]);
        assert!(night("*/15 2 * * *").is_empty());
    }

    #[test]
    fn times_that_clocks_show_twice_are_due_once_and_those_that_repeat_twice() {
        let night = |cron| due(cron, "Europe/Rome", "2027-10-30T23:59:00Z", "2027-10-31T02:10:00Z");
        assert_eq!(night("30 2 * * *"), ["2027-10-31T02:30:00+02:00"]);
        assert_eq!(night("0 2,3 * * *"), ["2027-10-31T02:00:00+02:00", "2027-10-31T03:00:00+01:00"]);
        let both = ["2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00", "2027-10-31T03:00:00+01:00"];
        assert_eq!(night("0 * * * *"), both);
        assert_eq!(night("*/30 2 * * *").len(), 4);
        assert_eq!(night("*/30 2 * * 7L").len(), 4);
        let lord_howe = |cron| due(cron, "Australia/Lord_Howe", "2027-04-03T12:00:00Z", "2027-04-04T12:00:00Z");
        assert_eq!(lord_howe("45 1 * * *"), ["2027-04-04T01:45:00+11:00"]);
        let both = ["2027-04-04T01:45:00+11:00", "2027-04-04T01:45:00+10:30"];
        assert_eq!(lord_howe("45 1/23 * * *"), both);
    }

    #[test]
    fn a_day_that_a_zone_left_out_is_due_when_the_next_begins() {
        let days = |cron| due(cron, "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z");
        let (gap, next) = ("2011-12-31T00:00:00+14:00", "2011-12-31T06:00:00+14:00");
        assert_eq!(days("0 6 * * *"), ["2011-12-29T06:00:00-10:00", gap, next]);
        assert_eq!(days("0 6,18 30 12 *"), [gap]);
        assert_eq!(days("0 0 * * *"), [gap, "2012-01-01T00:00:00+14:00"]);
        assert_eq!(days("0 */12 * * *").len(), 4);
    }

    #[test]
    fn a_rare_rule_is_found_and_one_that_is_never_due_ends() {
        let next = |cron| {
            let cron = Cron::parse(cron).unwrap();
            let zone = Zone::find("Europe/Rome").unwrap();
            let due = Times { cron: &cron, zone: &zone }.next(1_800_000_000)?;
            Some(zone.show(Timestamp(due * 1_000_000)))
        };
        assert_eq!(next("0 0 29 2 *").as_deref(), Some("2028-02-29T00:00:00+01:00"));
        assert_eq!(next("*/5 * * 2 MON#5").as_deref(), Some("2044-02-29T00:00:00+01:00"));
        assert_eq!((next("0 0 30 2 *"), next("* * 31 4 *")), (None, None));
        // The clocks skip this hour on each last Sunday of March.
        assert_eq!(next("*/15 2 * 3 7L"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn due_times_are_those_of_the_clock_on_the_wall(
            rule in rules(),
            zone in select(ZONES),
            // Any day, or a day on which many clocks change.
            day in prop_oneof![0..40_000_i64, select(vec![15_337_i64, 20_905, 20_906, 20_899, 21_094, 21_122, 21_123])],
        ) {
            let (cron, zone) = (Cron::parse(&rule).unwrap(), Zone::find(zone).unwrap());
            let times = Times { cron: &cron, zone: &zone };
            let (from, to) = ((day - 1) * 86_400, (day + 2) * 86_400);
            let expected = Oracle::new(&rule, &zone).due(from, to);
            let dues = std::iter::successors(times.next(from), |due| times.next(*due)).take_while(|due| *due <= to);
            prop_assert_eq!(dues.collect::<Vec<_>>(), expected.clone(), "{}", rule);
            prop_assert_eq!(times.count(from, to), expected.len() as u64);
            prop_assert_eq!(times.newest(from, to), expected.last().copied());
            let third = times.before_newest(from, to, 3);
            prop_assert_eq!(times.count(third, to), 3.min(expected.len() as u64));
        }

        #[test]
        fn what_is_counted_is_what_is_walked_through(
            rule in rules(), zone in select(ZONES), from in 0..4_000_000_000_i64, length in 0..20_000_000_i64,
        ) {
            let (cron, zone) = (Cron::parse(&rule).unwrap(), Zone::find(zone).unwrap());
            let times = Times { cron: &cron, zone: &zone };
            let middle = from + length / 3;
            let whole = times.count(from, from + length);
            prop_assert_eq!(whole, times.count(from, middle) + times.count(middle, from + length));
            let walked = std::iter::successors(times.next(from), |due| times.next(*due));
            let walked = walked.take_while(|due| *due <= from + length).take(500).count() as u64;
            prop_assert_eq!(walked, whole.min(500));
        }
    }
}
