//! `retention` of `jobcontrol.yaml`: how long the store keeps logs and builds.

use crate::diagnostic::Code;
use crate::retention::DAY;
use crate::retention::MONTH;
use crate::retention::PruneTime;
use crate::retention::Retention;
use crate::retention::YEAR;
use crate::yaml::fields::Fields;

use super::keys::schedule::timezone;

pub(super) fn read_retention(mut fields: Fields<'_>, retention: &mut Retention, at: &mut PruneTime) {
    /// The levels in the order of [`Level::ALL`], then the key for all levels.
    const LOGS: &[&str] = &["debug", "info", "warning", "error", "critical", "all"];
    if let Some((_, node)) = fields.take("logs")
        && let Some(mut logs) = Fields::new(fields.source, fields.problems, node, "`logs`")
    {
        for (i, key) in LOGS.iter().enumerate() {
            if let Some(age) = take_age(&mut logs, key) {
                *retention.logs.get_mut(i).unwrap_or(&mut retention.all_logs) = age;
            }
        }
        logs.finish(LOGS, &[]);
    }
    if let Some((_, node)) = fields.take("builds")
        && let Some(mut builds) = Fields::new(fields.source, fields.problems, node, "`builds`")
    {
        retention.build_age = take_age(&mut builds, "age");
        if let Some((_, node)) = builds.take("keep") {
            match node.integer() {
                Some(keep) if keep > 0 => retention.builds = u64::try_from(keep).ok(),
                _ => {
                    let message = format!("`keep` is a number of builds above 0, found {}", node.shown());
                    builds.report(Code::InvalidRetention, node.span, message, None);
                }
            }
        }
        builds.finish(&["keep", "age"], &[]);
    }
    read_time(&mut fields, at);
    fields.finish(&["logs", "builds", "at", "timezone"], &[]);
}

/// Takes the time of day at which a service prunes.
fn read_time(fields: &mut Fields<'_>, at: &mut PruneTime) {
    if let Some((text, span)) = fields.string("at") {
        match time_of_day(&text) {
            Some(time) => (at.hour, at.minute) = time,
            None => {
                let help = Some("write `at: \"03:30\"`".to_owned());
                fields.report(Code::InvalidRetention, span, format!("`{text}` is not a time of day"), help);
            }
        }
    }
    at.timezone = timezone(fields).unwrap_or_default();
}

/// Reads `03:30`, the hour and the minute.
fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u8| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number < below)
    };
    Some((number(hour, 24)?, number(minute, 60).filter(|_| minute.len() == 2)?))
}

fn take_age(fields: &mut Fields<'_>, key: &str) -> Option<u64> {
    let (text, span) = fields.string(key)?;
    let age = age(&text);
    age.map_err(|message| {
        let help = Some("write `15 days`, `1 month` or `1 year`".to_owned());
        fields.report(Code::InvalidRetention, span, message, help);
    })
    .ok()
}

/// Reads `15 days`, `1 month` or `2y` and returns it in seconds. A month has 30 days, a year 365.
pub(crate) fn age(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not an age");
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim() {
        "s" | "second" | "seconds" => 1,
        "h" | "hour" | "hours" => DAY / 24,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "month" | "months" => MONTH,
        "y" | "year" | "years" => YEAR,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    if seconds == 0 { Err("an age must be longer than zero".to_owned()) } else { Ok(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_an_hour_and_a_minute() {
        assert_eq!((time_of_day("03:30"), time_of_day("3:30")), (Some((3, 30)), Some((3, 30))));
        for text in ["24:00", "12:60", "3", "3:3", "03:30:00", "+3:30", "a:bc", ""] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }

    #[test]
    fn ages_read_as_people_write_them() {
        assert_eq!(
            (age("15 days"), age("1 month"), age("2y"), age("36h")),
            (Ok(15 * DAY), Ok(MONTH), Ok(2 * YEAR), Ok(36 * 3600))
        );
        for text in ["", "days", "-1 day", "1 m", "0d", "99999999999999999999y", "9999999999999999y", "1.5d", "ü"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
