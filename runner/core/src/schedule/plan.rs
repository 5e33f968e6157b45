//! A job's schedule: when it is due, and how missed and overlapping runs are treated.

use std::time::Duration;

use sha2::Digest;
use sha2::Sha256;

use crate::clock::Timestamp;

use super::cron::Cron;
use super::times::Times;
use super::zone::Zone;

/// How many missed runs `catch_up: all` makes up unless the job says otherwise.
pub const DEFAULT_MAX: u32 = 100;
/// The largest `max`: more runs at once would only keep a service from its current work.
pub const MAX_CATCH_UP: u32 = 10_000;
/// The largest jitter: with more, it would be unclear to which day a run belongs.
pub const MAX_JITTER: Duration = Duration::from_hours(24);

/// The seconds for which the time zones are known, with room for any offset: the years -9998 to
/// 9998.
const COUNTED: std::ops::RangeInclusive<i64> = -377_600_000_000..=253_300_000_000;
const MICROS: i64 = 1_000_000;

/// How runs are treated that were due while no service was running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// They are skipped.
    None,
    /// The newest of them is made up.
    #[default]
    Latest,
    /// They are made up, oldest first, as many as `max` allows.
    All,
}

/// How a run is treated that is due while the job's last run is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It begins when the last one is over.
    Queue,
    /// The last one is cancelled.
    Cancel,
}

/// What a scheduled run builds in addition to its job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildScope {
    /// Those of the job's dependencies that are missing, failing or outdated.
    #[default]
    Due,
    /// All of the job's dependencies.
    All,
}

macro_rules! names {
    ($($type:ident: $($variant:ident $name:literal)*;)*) => {
        $(impl $type {
            /// All values with their names, as written in a manifest.
            pub const NAMES: &[(&str, Self)] = &[$(($name, Self::$variant)),*];

            /// Returns the name as written in a manifest.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        })*
    };
}

names! {
    CatchUp: None "none" Latest "latest" All "all";
    Overlap: Skip "skip" Queue "queue" Cancel "cancel";
    BuildScope: Due "due" All "all";
}

/// When a job runs automatically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The times.
    pub cron: Cron,
    /// The time zone of these times.
    pub timezone: Zone,
    /// How missed runs are treated.
    pub catch_up: CatchUp,
    /// How many missed runs [`CatchUp::All`] makes up, 1 to [`MAX_CATCH_UP`].
    pub max: u32,
    /// How a run is treated that is due while the last one is not over.
    pub overlap: Overlap,
    /// The maximum delay between the due time of a run and its start; see [`Schedule::start_of`].
    /// Up to [`MAX_JITTER`].
    pub jitter: Duration,
    /// What a run builds in addition to the job.
    pub build: BuildScope,
}

impl Schedule {
    /// Creates a schedule in UTC with all other defaults.
    pub fn new(cron: Cron) -> Self {
        Self {
            cron,
            timezone: Zone::utc(),
            catch_up: CatchUp::default(),
            max: DEFAULT_MAX,
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
            build: BuildScope::default(),
        }
    }

    /// Returns the first due time after a moment, a whole second, or `None` if the rule is never
    /// due again. A caller that passes each result back in gets every due time once, in order.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.times().next(seconds(after)).map(timestamp)
    }

    /// Iterates over the due times after a moment, in order.
    pub fn upcoming(&self, after: Timestamp) -> Upcoming<'_> {
        Upcoming { schedule: self, last: Some(after) }
    }

    /// Returns when the run of a due time begins: at that time, or up to `jitter` later. The delay
    /// depends only on the job's id and the due time, so every service computes the same one. It
    /// ends before the next due time, so runs keep their order.
    pub fn start_of(&self, job: &str, due: Timestamp) -> Timestamp {
        let jitter = u64::try_from(self.jitter.min(MAX_JITTER).as_micros()).unwrap_or(0);
        if jitter == 0 {
            return due;
        }
        let room = self.next_after(due).map_or(jitter, |next| jitter.min(next.since(due)));
        let mut hash = Sha256::new();
        hash.update(due.0.to_be_bytes());
        hash.update(job.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
        let drawn = u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        let delay = i64::try_from((drawn * u128::from(room)) >> u64::BITS).unwrap_or(0);
        Timestamp(due.0.saturating_add(delay))
    }

    pub(super) fn times(&self) -> Times<'_> {
        Times { cron: &self.cron, zone: &self.timezone }
    }
}

/// The due times of a schedule after a moment; see [`Schedule::upcoming`].
#[derive(Clone, Debug)]
pub struct Upcoming<'a> {
    schedule: &'a Schedule,
    last: Option<Timestamp>,
}

impl Iterator for Upcoming<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.last = self.schedule.next_after(self.last?);
        self.last
    }
}

/// Returns the last whole second up to a moment, within the supported years.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(MICROS).clamp(*COUNTED.start(), *COUNTED.end())
}

/// Converts a whole second to a timestamp.
pub(super) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(MICROS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn jittered(cron: &str, jitter: Duration) -> Schedule {
        Schedule { jitter, ..Schedule::new(Cron::parse(cron).unwrap()) }
    }

    #[test]
    fn due_times_are_listed_in_order() {
        let schedule = jittered("0 6 * * 1-5", Duration::ZERO);
        let friday = Timestamp::parse("2027-01-01T06:00:00Z").unwrap();
        let days: Vec<_> = schedule.upcoming(friday).take(2).map(|due| due.to_string()).collect();
        assert_eq!(days, ["2027-01-04T06:00:00.000000Z", "2027-01-05T06:00:00.000000Z"]);
        assert_eq!(jittered("0 0 31 4 *", Duration::ZERO).upcoming(friday).count(), 0);
        // This also holds if a moment is not a whole second, or outside the supported years.
        let before = Timestamp(friday.0 - 1);
        assert_eq!(schedule.next_after(before), Some(friday));
        assert_eq!(schedule.next_after(Timestamp(i64::MAX)), schedule.next_after(Timestamp(i64::MAX)));
        assert!(schedule.next_after(Timestamp(i64::MIN)).is_some());
    }

    #[test]
    fn a_delay_stays_the_same_and_differs_between_jobs_and_days() {
        let schedule = jittered("@daily", Duration::from_mins(10));
        let days: Vec<_> = schedule.upcoming(Timestamp(0)).take(20).collect();
        let delays = |job: &str| days.iter().map(|due| schedule.start_of(job, *due).since(*due)).collect::<Vec<_>>();
        let (one, other) = (delays("one"), delays("other"));
        assert_eq!(one, delays("one"));
        assert_ne!(one, other);
        assert!(one.iter().all(|delay| *delay < 600_000_000));
        let spread = one.iter().max().unwrap() - one.iter().min().unwrap();
        assert!(spread > 300_000_000, "{one:?}");
        // It is not stored, but two versions of the program must agree on it.
        assert_eq!(one[0], 11_797_286);
    }

    proptest! {
        #[test]
        fn a_run_begins_before_the_next_one_is_due(
            cron in select(vec!["* * * * * *", "*/7 * * * *", "0 2 * * *", "@hourly"]),
            jitter in 0..200_000_000_000_u64,
            after in 0..2_000_000_000_000_000_i64,
        ) {
            let schedule = jittered(cron, Duration::from_micros(jitter));
            let due = schedule.next_after(Timestamp(after)).unwrap();
            let start = schedule.start_of("job", due);
            prop_assert!(due <= start && start < schedule.next_after(due).unwrap());
            prop_assert!(start.since(due) <= jitter.min(86_400_000_000));
        }
    }
}
