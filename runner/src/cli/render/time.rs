//! Moments as people see them: in their own time zone, with its offset. Programs get UTC.

use jiff::tz::TimeZone;
use jobcontrol_core::clock::Timestamp;

/// A moment, to the second.
pub(crate) fn local(moment: Timestamp) -> String {
    shown(moment, "%Y-%m-%d %H:%M:%S%:z")
}

/// A moment, to the millisecond, for what happens several times a second.
pub(crate) fn local_millis(moment: Timestamp) -> String {
    shown(moment, "%Y-%m-%d %H:%M:%S%.3f%:z")
}

fn shown(moment: Timestamp, form: &str) -> String {
    match jiff::Timestamp::from_microsecond(moment.0) {
        Ok(stamp) => stamp.to_zoned(TimeZone::system()).strftime(form).to_string(),
        // Outside of the years that a calendar knows.
        Err(_) => moment.to_string(),
    }
}
