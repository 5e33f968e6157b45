//! How long the store keeps its data.

use crate::clock::Timestamp;
use crate::event::Level;
use crate::schedule::Cron;
use crate::schedule::Schedule;
use crate::schedule::Zone;

/// Seconds of a day.
pub const DAY: u64 = 24 * 60 * 60;
/// Seconds of a month of 30 days.
pub const MONTH: u64 = 30 * DAY;
/// Seconds of a year of 365 days.
pub const YEAR: u64 = 365 * DAY;

/// How long the store keeps its data, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Ages for log records by level, in the order of [`Level::ALL`]. Each age applies to records
    /// from that level up to, but not including, the next.
    pub logs: [u64; Level::ALL.len()],
    /// Maximum age of all log records, regardless of their level.
    pub all_logs: u64,
    /// How many finished builds of a job are kept; `None` for all.
    pub builds: Option<u64>,
    /// How old a finished build may become; `None` for any age.
    pub build_age: Option<u64>,
}

impl Default for Retention {
    /// Records that are written often and read soon are deleted first. Builds are kept until the
    /// operator says otherwise.
    fn default() -> Self {
        Self { logs: [15 * DAY, MONTH, 3 * MONTH, 6 * MONTH, 6 * MONTH], all_logs: YEAR, builds: None, build_age: None }
    }
}

impl Retention {
    /// Returns for each level: its name, the range of record levels (above the first, up to the
    /// second), and their maximum age.
    pub fn classes(&self) -> impl Iterator<Item = (&'static str, (Option<i64>, Option<i64>), u64)> + '_ {
        Level::ALL.into_iter().enumerate().map(|(i, level)| {
            let above = (i > 0).then(|| level as i64 - 1);
            let upto = Level::ALL.get(i + 1).map(|next| *next as i64 - 1);
            (level.name(), (above, upto), self.logs[i].min(self.all_logs))
        })
    }
}

/// The time of day at which a service prunes the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneTime {
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The minute, 0 to 59.
    pub minute: u8,
    /// The time zone of both.
    pub timezone: Zone,
}

impl Default for PruneTime {
    /// Returns 03:30 UTC, when few jobs run and most clock changes are over.
    fn default() -> Self {
        Self { hour: 3, minute: 30, timezone: Zone::utc() }
    }
}

impl PruneTime {
    /// Returns the first such time after a moment. Returns `None` for an hour or minute that does
    /// not exist.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let cron = Cron::parse(&format!("{} {} * * *", self.minute, self.hour)).ok()?;
        Schedule { timezone: self.timezone.clone(), ..Schedule::new(cron) }.next_after(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_pruned_once_a_day() {
        let at = PruneTime { timezone: Zone::find("Europe/Rome").unwrap(), ..PruneTime::default() };
        let next = at.next_after(Timestamp::parse("2027-03-28T00:00:00Z").unwrap()).unwrap();
        assert_eq!(at.timezone.show(next), "2027-03-28T03:30:00+02:00");
        assert_eq!(PruneTime { hour: 24, ..at }.next_after(next), None);
    }
}
