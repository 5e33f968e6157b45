//! Moments for people, in their own time zone with its offset. Programs get UTC.

use jiff::tz::TimeZone;
use jobcontrol_core::clock::Timestamp;

/// Shows a moment to the second.
pub(crate) fn local(moment: Timestamp) -> String {
    shown(moment, "%Y-%m-%d %H:%M:%S%:z")
}

/// Shows a moment to the millisecond, for events that happen several times a second.
pub(crate) fn local_millis(moment: Timestamp) -> String {
    shown(moment, "%Y-%m-%d %H:%M:%S%.3f%:z")
}

fn shown(moment: Timestamp, form: &str) -> String {
    match jiff::Timestamp::from_microsecond(moment.0) {
        Ok(stamp) => stamp.to_zoned(TimeZone::system()).strftime(form).to_string(),
        // The moment is outside the years of the calendar.
        Err(_) => moment.to_string(),
    }
}
