//! Schedules: when a job is due, and which runs to start at a given time.
//!
//! - `piece`: a part of a rule's text, with its position
//! - `unit`: the numbers that a field of a rule can name
//! - `days`: the two fields that choose days
//! - `cron`: a whole rule, on calendar dates and times of day
//! - `zone`: time zones, and the periods between changes of their clocks
//! - `times`: the moments at which a rule is due in a time zone
//! - `plan`: a job's whole schedule, with jitter and the treatment of missed runs
//! - `decision`: which runs to start now, and which were missed

mod cron;
mod days;
mod decision;
#[cfg(test)]
mod oracle;
mod piece;
mod plan;
mod times;
mod unit;
mod zone;

pub use cron::Cron;
pub use decision::Decision;
pub use decision::Due;
pub use decision::GRACE;
pub use decision::Missed;
pub use decision::MissedReason;
pub use piece::CronError;
pub use plan::BuildScope;
pub use plan::CatchUp;
pub use plan::DEFAULT_MAX;
pub use plan::MAX_CATCH_UP;
pub use plan::MAX_JITTER;
pub use plan::Overlap;
pub use plan::Schedule;
pub use plan::Upcoming;
pub use zone::UnknownZone;
pub use zone::Zone;
