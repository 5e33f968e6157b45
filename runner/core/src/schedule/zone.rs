//! Time zones by their IANA names, and the periods between changes of their clocks.

use std::fmt;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jiff::tz::TimeZoneDatabase;

use crate::clock;

/// The time zones that this program was built with. Those of the host are not used: this crate
/// reads no files, and services on different machines must agree on when a job is due. If a
/// government changes its clocks, the next version of the program contains the change.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Maximum number of names that a message suggests.
const PROPOSED: usize = 3;
/// How similar a name must be to be suggested; 1 means equal.
const NEAR: f64 = 0.88;

/// A time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// There is no time zone with this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`")]
pub struct UnknownZone {
    /// As it was written.
    pub name: String,
    /// The most similar names, nearest first.
    pub near: Vec<String>,
}

impl Zone {
    /// Returns Coordinated Universal Time, the default.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Returns the zone with an IANA name such as `Europe/Rome`, in upper or lower case.
    ///
    /// # Errors
    ///
    /// A name that no zone has, with those most like it.
    pub fn find(name: &str) -> Result<Self, UnknownZone> {
        let zone = ZONES.get(name).ok().filter(|zone| !zone.is_unknown());
        let zone = zone.ok_or_else(|| UnknownZone { name: name.to_owned(), near: near(name) })?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, zone })
    }

    /// Returns its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Formats a moment in local time, with the offset from UTC: `2027-03-28T03:00:00+02:00`.
    pub fn show(&self, at: clock::Timestamp) -> String {
        let Ok(moment) = Timestamp::from_microsecond(at.0) else {
            return at.to_string();
        };
        moment.display_with_offset(self.zone.to_offset(moment)).to_string()
    }

    /// Returns the period that contains the second `at`; `None` outside the supported years.
    pub(super) fn period(&self, at: i64) -> Option<Period> {
        let moment = Timestamp::from_second(at).ok()?;
        let offset = |moment| i64::from(self.zone.to_offset(moment).seconds());
        let next = self.zone.following(moment).next();
        // A change exactly at `at` counts.
        let reached = Timestamp::from_second(at + 1).ok()?;
        let start = self.zone.preceding(reached).next().map(|change| change.timestamp().as_second());
        let before = start.and_then(|start| Timestamp::from_second(start - 1).ok()).map(offset);
        Some(Period {
            start: start.unwrap_or(i64::MIN),
            end: next.map_or(i64::MAX, |change| change.timestamp().as_second()),
            offset: offset(moment),
            before: before.unwrap_or_else(|| offset(moment)),
        })
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A period in which the clocks of a zone do not change. All numbers are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// Its first second since 1970-01-01 UTC.
    pub(super) start: i64,
    /// The first second after it.
    pub(super) end: i64,
    /// The offset of the clocks from UTC.
    pub(super) offset: i64,
    /// The offset in the previous period.
    pub(super) before: i64,
}

/// Returns the names most similar to `name`, as a whole or in their last part: `Rome` is near
/// `Europe/Rome`.
fn near(name: &str) -> Vec<String> {
    let plain = |name: &str| name.to_ascii_lowercase().replace([' ', '-'], "_");
    let place = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let wanted = plain(name);
    let like = |candidate: &str| {
        let candidate = plain(candidate);
        let whole = strsim::jaro_winkler(&wanted, &candidate);
        whole.max(strsim::jaro_winkler(&place(&wanted), &place(&candidate)))
    };
    let mut all: Vec<_> = ZONES.available().map(|known| (like(known.as_str()), known.as_str().to_owned())).collect();
    all.retain(|(score, _)| *score >= NEAR);
    all.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.cmp(second)));
    all.into_iter().map(|(_, name)| name).take(PROPOSED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_by_its_name_in_any_case() {
        assert_eq!(Zone::find("europe/rome").unwrap().name(), "Europe/Rome");
        assert_eq!(Zone::find("utc").unwrap(), Zone::utc());
        for name in ["", "local", "Etc/Unknown", "+02:00", "../Europe/Rome"] {
            assert!(Zone::find(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_nearest_names_are_proposed() {
        let near = |name: &str| Zone::find(name).unwrap_err().near;
        assert_eq!(near("Rome").first().map(String::as_str), Some("Europe/Rome"));
        assert_eq!(near("Europe/Rmoe").first().map(String::as_str), Some("Europe/Rome"));
        assert_eq!(near("America/New York").first().map(String::as_str), Some("America/New_York"));
        assert_eq!(near("xyzzy"), Vec::<String>::new());
        assert!(near("Europe").len() <= PROPOSED);
    }

    #[test]
    fn a_moment_is_shown_with_its_offset() {
        let moment = clock::Timestamp::parse("2027-03-28T01:00:00Z").unwrap();
        assert_eq!(Zone::find("Europe/Rome").unwrap().show(moment), "2027-03-28T03:00:00+02:00");
        assert_eq!(Zone::utc().show(clock::Timestamp(i64::MAX)), "9223372036854775807 us");
    }
}
