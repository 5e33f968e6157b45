//! Decides which runs of a job's schedule to start now, and which ones were missed: a pure step
//! from the last due time that was handled.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;

use super::plan::CatchUp;
use super::plan::Schedule;
use super::plan::seconds;
use super::plan::timestamp;

/// How late a run may begin without being missed. A busy or freshly restarted service is no further
/// behind than this. A run that is a minute late is still the intended run.
pub const GRACE: Duration = Duration::from_secs(60);

/// A run to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it was due.
    pub due: Timestamp,
    /// When it should begin: the same time, or later by the schedule's jitter. Never after the
    /// moment of the decision.
    pub start: Timestamp,
}

/// Consecutive due times whose runs are not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The first of them.
    pub first: Timestamp,
    /// The last of them; equal to `first` if there is only one.
    pub last: Timestamp,
    /// Their number.
    pub count: u64,
    /// Why they are not made up now.
    pub reason: MissedReason,
}

/// Why a run that was due while no service was running is not made up later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedReason {
    /// The schedule has `catch_up: none`.
    NoCatchUp,
    /// The schedule has `catch_up: latest`, and a newer run was due.
    OnlyLatest,
    /// The schedule has `catch_up: all`, and `max` newer runs were missed as well.
    OverMax,
}

impl MissedReason {
    /// Returns the name that is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCatchUp => "no-catch-up",
            Self::OnlyLatest => "only-latest",
            Self::OverMax => "over-max",
        }
    }

    /// Returns the reason with this stored name.
    pub fn find(name: &str) -> Option<Self> {
        [Self::NoCatchUp, Self::OnlyLatest, Self::OverMax].into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for MissedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCatchUp => "no service was running, and the schedule has `catch_up: none`",
            Self::OnlyLatest => "no service was running, and the schedule has `catch_up: latest`",
            Self::OverMax => "no service was running, and more runs were missed than `max` allows",
        })
    }
}

/// The result of looking at a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The runs to start now, the oldest first.
    pub fire: Vec<Due>,
    /// The due times older than the first of these whose runs are not made.
    pub missed: Option<Missed>,
    /// The last due time that is handled once the above is done. It is stored together with that,
    /// and passed as `last` to the next look.
    pub last: Timestamp,
    /// When to look again at the latest: the start of the next run. `None` if the rule is never due
    /// again.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// Decides which runs of the schedule of `job` to start now. `last` is [`Decision::last`] of
    /// the previous look. It is `None` for a new or changed schedule, which begins now and has
    /// missed nothing.
    ///
    /// Each due time between `last` and now is either fired or missed, exactly once. `last` never
    /// goes back: if the clock is set back, nothing is due until it has passed `last` again. If the
    /// clock was years ahead, [`Decision::next`] is that far in the future.
    ///
    /// The work is bounded: a rule that is due every second takes milliseconds after a year without
    /// a look.
    pub fn decide(&self, job: &str, last: Option<Timestamp>, now: Timestamp) -> Decision {
        let look = Look { schedule: self, job, now };
        let Some(last) = last else {
            return look.over(Vec::new(), None, now);
        };
        let after = seconds(last);
        match look.newest_begun(after) {
            Some(newest) => look.begun(after, newest),
            None => look.over(Vec::new(), None, last),
        }
    }
}

/// A look at a schedule.
struct Look<'a> {
    schedule: &'a Schedule,
    job: &'a str,
    now: Timestamp,
}

impl Look<'_> {
    fn start(&self, due: i64) -> Timestamp {
        self.schedule.start_of(self.job, timestamp(due))
    }

    fn over(&self, fire: Vec<Due>, missed: Option<Missed>, last: Timestamp) -> Decision {
        let next = self.schedule.next_after(last).map(|due| self.schedule.start_of(self.job, due));
        Decision { fire, missed, last, next }
    }

    /// Returns the newest due second whose run should have begun by now.
    fn newest_begun(&self, after: i64) -> Option<i64> {
        self.newest(after, seconds(self.now), |start| start <= self.now)
    }

    /// Returns the newest due second up to `until` whose start satisfies `fits`. Each run begins
    /// before the next one is due, so it is one of the last two.
    fn newest(&self, after: i64, until: i64, fits: impl Fn(Timestamp) -> bool) -> Option<i64> {
        let times = self.schedule.times();
        let newest = times.newest(after, until)?;
        if fits(self.start(newest)) { Some(newest) } else { times.newest(after, newest - 1) }
    }

    /// Decides about everything that is due after `after` and up to `newest`.
    fn begun(&self, after: i64, newest: i64) -> Decision {
        let late = Timestamp(self.now.0.saturating_sub(i64::try_from(GRACE.as_micros()).unwrap_or(i64::MAX)));
        let oldest_late = self.newest(after, newest.min(seconds(late)), |start| start < late);
        // Regardless of how late they are, only `all` makes more than the newest of several.
        let oldest_late = match self.schedule.catch_up {
            CatchUp::All => oldest_late,
            CatchUp::None | CatchUp::Latest => oldest_late.max(self.schedule.times().newest(after, newest - 1)),
        };
        let mut fire = Vec::new();
        self.push(&mut fire, oldest_late.unwrap_or(after), newest);
        let Some(late) = oldest_late else {
            return self.over(fire, None, timestamp(newest));
        };
        let in_time = fire.len() as u64;
        let (kept, reason) = match self.schedule.catch_up {
            CatchUp::None => (0, MissedReason::NoCatchUp),
            CatchUp::Latest => (u64::from(in_time == 0), MissedReason::OnlyLatest),
            CatchUp::All => (u64::from(self.schedule.max).saturating_sub(in_time), MissedReason::OverMax),
        };
        let times = self.schedule.times();
        let dropped = times.before_newest(after, late, kept);
        let mut caught_up = Vec::new();
        self.push(&mut caught_up, dropped, late);
        caught_up.append(&mut fire);
        let missed = times.next(after).filter(|first| *first <= dropped).map(|first| Missed {
            first: timestamp(first),
            last: times.newest(first, dropped).map_or(timestamp(first), timestamp),
            count: times.count(after, dropped),
            reason,
        });
        self.over(caught_up, missed, timestamp(newest))
    }

    /// Adds everything that is due after `after` and up to `until`.
    fn push(&self, fire: &mut Vec<Due>, after: i64, until: i64) {
        let dues = self.schedule.upcoming(timestamp(after)).take_while(|due| seconds(*due) <= until);
        fire.extend(dues.map(|due| Due { due, start: self.schedule.start_of(self.job, due) }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::clock::Clock;
    use crate::clock::ManualClock;
    use crate::schedule::Cron;
    use crate::schedule::Zone;

    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;

    fn schedule(cron: &str, catch_up: CatchUp) -> Schedule {
        Schedule { catch_up, ..Schedule::new(Cron::parse(cron).unwrap()) }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn fired(decision: &Decision) -> Vec<String> {
        decision.fire.iter().map(|due| due.due.to_string()[11..16].to_owned()).collect()
    }

    #[test]
    fn a_new_schedule_begins_now() {
        let now = at("2027-01-01T06:00:00Z");
        let decision = schedule("0 * * * *", CatchUp::All).decide("job", None, now);
        assert_eq!(
            decision,
            Decision { fire: Vec::new(), missed: None, last: now, next: Some(at("2027-01-01T07:00:00Z")) }
        );
    }

    #[test]
    fn a_run_that_is_a_little_late_is_not_missed() {
        let hourly = schedule("0 * * * *", CatchUp::None);
        let six = at("2027-01-01T06:00:00Z");
        let last = Some(six);
        let early = hourly.decide("job", last, at("2027-01-01T06:59:59Z"));
        assert_eq!((fired(&early), early.last), (Vec::new(), six));
        for now in ["2027-01-01T07:00:00Z", "2027-01-01T07:01:00Z"] {
            let decision = hourly.decide("job", last, at(now));
            assert_eq!((fired(&decision), decision.missed), (vec!["07:00".to_owned()], None), "{now}");
            assert_eq!(decision.next, Some(at("2027-01-01T08:00:00Z")));
        }
        let late = hourly.decide("job", last, at("2027-01-01T07:01:01Z"));
        let seven = at("2027-01-01T07:00:00Z");
        assert!(late.fire.is_empty());
        assert_eq!(late.missed, Some(Missed { first: seven, last: seven, count: 1, reason: MissedReason::NoCatchUp }));
    }

    #[test]
    fn what_is_caught_up_is_chosen_by_the_schedule() {
        let (last, now) = (Some(at("2027-01-01T00:00:00Z")), at("2027-01-01T05:30:00Z"));
        let decide = |catch_up, max| {
            let decision = Schedule { max, ..schedule("0 * * * *", catch_up) }.decide("job", last, now);
            assert_eq!(decision.last, at("2027-01-01T05:00:00Z"));
            let missed = decision.missed.map(|m| {
                (m.first.to_string()[11..13].to_owned(), m.last.to_string()[11..13].to_owned(), m.count, m.reason)
            });
            (fired(&decision), missed)
        };
        let missed = |first: &str, last: &str, count, reason| Some((first.to_owned(), last.to_owned(), count, reason));
        assert_eq!(decide(CatchUp::None, 9), (vec![], missed("01", "05", 5, MissedReason::NoCatchUp)));
        assert_eq!(decide(CatchUp::Latest, 9), (vec!["05:00".into()], missed("01", "04", 4, MissedReason::OnlyLatest)));
        let two = vec!["04:00".to_owned(), "05:00".to_owned()];
        assert_eq!(decide(CatchUp::All, 2), (two, missed("01", "03", 3, MissedReason::OverMax)));
        assert_eq!(decide(CatchUp::All, 5).1, None);
        assert_eq!(decide(CatchUp::All, 9).0.len(), 5);
    }

    #[test]
    fn a_run_that_is_in_time_is_the_latest() {
        let last = Some(at("2027-01-01T00:00:00Z"));
        let decision = schedule("0 * * * *", CatchUp::Latest).decide("job", last, at("2027-01-01T05:00:30Z"));
        assert_eq!((fired(&decision), decision.missed.map(|missed| missed.count)), (vec!["05:00".to_owned()], Some(4)));
    }

    #[test]
    fn a_year_without_a_look_at_a_rule_of_seconds_is_counted_at_once() {
        let last = Some(at("2027-01-01T00:00:00Z"));
        let every = Schedule { timezone: Zone::find("Europe/Rome").unwrap(), ..schedule("* * * * * *", CatchUp::All) };
        let decision = every.decide("job", last, at("2028-01-01T00:00:00Z"));
        let missed = decision.missed.unwrap();
        assert_eq!((decision.fire.len(), missed.count), (100, 365 * 86_400 - 100));
        assert_eq!(missed.first, at("2027-01-01T00:00:01Z"));
        assert_eq!(missed.last, at("2027-12-31T23:58:20Z"));
    }

    #[test]
    fn a_clock_that_was_ahead_is_waited_for() {
        let daily = schedule("@daily", CatchUp::Latest);
        let ahead = daily.decide("job", Some(at("2027-01-01")), at("2030-06-01T12:00:00Z"));
        let back = daily.decide("job", Some(ahead.last), at("2027-01-02T00:00:01Z"));
        assert_eq!((back.fire.len(), back.last, back.next), (0, ahead.last, Some(at("2030-06-02"))));
        assert_eq!(daily.decide("job", Some(at("2027-01-01")), Timestamp(i64::MIN)).fire, []);
        assert_eq!(daily.decide("job", Some(Timestamp(i64::MIN)), Timestamp(i64::MAX)).fire.len(), 1);
    }

    /// Generates the schedules for the tests below.
    fn schedules() -> impl Strategy<Value = Schedule> {
        let cron =
            select(vec!["0 * * * *", "*/20 * * * *", "15,45 2 * * *", "0 0 1 * *", "7 */5 * * 1-5", "0 0 30 2 *"]);
        let zone = select(vec!["UTC", "Europe/Rome", "Australia/Lord_Howe"]);
        let catch_up = select(vec![CatchUp::None, CatchUp::Latest, CatchUp::All]);
        let jitter = prop_oneof![Just(0), 1..7_200_u64].prop_map(Duration::from_secs);
        (cron, zone, catch_up, 1..6_u32, jitter).prop_map(|(cron, zone, catch_up, max, jitter)| {
            let timezone = Zone::find(zone).unwrap();
            Schedule { timezone, max, jitter, ..schedule(cron, catch_up) }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the clock does, each due time up to the last one is fired or missed exactly
        /// once, and none before its start.
        #[test]
        fn nothing_fires_twice_and_nothing_is_lost(
            schedule in schedules(),
            steps in prop::collection::vec(prop_oneof![
                4 => 0..200 * SECOND,
                2 => 0..3 * DAY,
                2 => -DAY..0_i64,
                1 => 0..30 * DAY,
            ], 1..40),
        ) {
            let begin = at("2027-03-20");
            let clock = ManualClock::new(begin);
            let mut last = schedule.decide("job", None, clock.now()).last;
            let mut seen_to = begin;
            for step in steps {
                clock.set(Timestamp(clock.now().0 + step));
                let now = clock.now();
                let decision = schedule.decide("job", Some(last), now);
                prop_assert!(decision.last >= last);
                let mut expected = schedule.upcoming(seen_to);
                if let Some(missed) = decision.missed {
                    let mut passed = (&mut expected).take(usize::try_from(missed.count).unwrap());
                    prop_assert_eq!(passed.next(), Some(missed.first));
                    prop_assert_eq!(passed.last().unwrap_or(missed.first), missed.last);
                }
                for due in &decision.fire {
                    prop_assert_eq!(expected.next(), Some(due.due));
                    prop_assert_eq!(due.start, schedule.start_of("job", due.due));
                    prop_assert!(due.start <= now);
                }
                let next = expected.next().map(|due| schedule.start_of("job", due));
                prop_assert!(next.is_none_or(|next| next > now), "something was left to fire");
                prop_assert_eq!(decision.next, next);
                last = decision.last;
                seen_to = seen_to.max(last);
            }
        }
    }

    #[test]
    fn every_due_time_of_a_year_of_many_jobs_fires_once() {
        let crons = ["0 * * * *", "30 2 * * *", "*/30 8-17 * * 1-5", "15,45 2 * * *", "0 6 1 * *", "@weekly"];
        let zones = ["UTC", "Europe/Rome", "Australia/Lord_Howe"];
        let jobs: Vec<(String, Schedule)> = crons
            .iter()
            .enumerate()
            .flat_map(|(i, cron)| {
                zones.iter().map(move |zone| {
                    let jitter = Duration::from_secs(if i % 2 == 0 { 0 } else { 120 });
                    let timezone = Zone::find(zone).unwrap();
                    (format!("{cron} {zone}"), Schedule { timezone, jitter, ..schedule(cron, CatchUp::None) })
                })
            })
            .collect();
        let (begin, end) = (at("2027-01-01"), at("2028-01-01"));
        let clock = ManualClock::new(begin);
        let mut queue: BTreeMap<(Timestamp, usize), Timestamp> = BTreeMap::new();
        for (i, (id, schedule)) in jobs.iter().enumerate() {
            let first = schedule.decide(id, None, begin);
            queue.insert((first.next.unwrap(), i), first.last);
        }
        let mut fired: Vec<Vec<Timestamp>> = vec![Vec::new(); jobs.len()];
        while let Some(((wake, i), last)) = queue.pop_first() {
            if wake >= end {
                continue;
            }
            clock.set(wake.max(clock.now()));
            let decision = jobs[i].1.decide(&jobs[i].0, Some(last), clock.now());
            assert_eq!((decision.missed, decision.fire.len()), (None, 1), "{}", jobs[i].0);
            fired[i].extend(decision.fire.iter().map(|due| due.due));
            queue.insert((decision.next.unwrap(), i), decision.last);
        }
        for ((id, schedule), fired) in jobs.iter().zip(fired) {
            let due = schedule.upcoming(begin).take_while(|due| schedule.start_of(id, *due) < end);
            assert_eq!(fired, due.collect::<Vec<_>>(), "{id}");
            assert!(fired.len() >= 12, "{id}");
        }
    }

    #[test]
    fn of_several_that_are_a_little_late_only_all_makes_more_than_the_newest() {
        let (last, now) = (at("2026-11-29T06:00:00Z"), at("2026-11-29T06:00:05Z"));
        let decide = |catch_up| {
            let decision = schedule("* * * * * *", catch_up).decide("a", Some(last), now);
            (decision.fire.len(), decision.missed.map_or(0, |missed| missed.count), decision.last)
        };
        assert_eq!(decide(CatchUp::All), (5, 0, now));
        assert_eq!(decide(CatchUp::Latest), (1, 4, now));
        assert_eq!(decide(CatchUp::None), (1, 4, now));
    }
}
