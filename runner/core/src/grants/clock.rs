//! `grants: { clock: fixed(TIME) }` and `grants: { random: seeded(N) }`: a clock and random numbers
//! that are the same in each build, for tests of jobs.

use serde_json::json;

use crate::clock::Timestamp;
use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::value::Value;
use crate::yaml::fields::Fields;

use super::grant::Grant;
use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// The time that the plugin's clock shows for as long as the plugin runs. It gives the plugin no
/// additional rights, only a different clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockGrant {
    /// The time; never before 1970.
    pub time: Timestamp,
}

/// The source of the plugin's random numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomGrant {
    /// The seed; the same seed gives the same numbers.
    pub seed: u64,
}

/// Returns the text inside `NAME(TEXT)`.
fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(str::trim)
}

impl ClockGrant {
    fn parse(text: &str) -> Result<Self, String> {
        let time = inside(text, "fixed").ok_or_else(|| format!("`{text}` is not a clock"))?;
        let time = Timestamp::parse(time)?;
        if time.0 < 0 { Err("a clock cannot be before 1970".to_owned()) } else { Ok(Self { time }) }
    }
}

impl RandomGrant {
    fn parse(text: &str) -> Result<Self, String> {
        let seed = inside(text, "seeded").and_then(|seed| seed.parse().ok());
        seed.map(|seed| Self { seed }).ok_or_else(|| format!("`{text}` is not a source of random numbers"))
    }
}

/// Takes the text of a key and parses it.
fn read<T>(fields: &mut Fields<'_>, key: &str, parse: fn(&str) -> Result<T, String>, help: &str) -> Vec<T> {
    let Some((text, span)): Option<(String, Span)> = fields.text_or_nothing(key) else {
        return Vec::new();
    };
    match parse(&text) {
        Ok(grant) => vec![grant],
        Err(reason) => {
            fields.report(Code::InvalidClock, span, reason, Some(help.to_owned()));
            Vec::new()
        }
    }
}

impl Grant for ClockGrant {
    const KEY: &'static str = "clock";

    fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        read(fields, Self::KEY, Self::parse, "write `fixed(2026-01-01T00:00:00Z)`")
    }

    fn pack(grants: &[Self]) -> Option<Value> {
        grants.first().map(|grant| Value::string(format!("fixed({})", grant.time)))
    }

    fn unpack(packed: &Value) -> Vec<Self> {
        packed.as_str().and_then(|text| Self::parse(text).ok()).into_iter().collect()
    }

    fn schema() -> serde_json::Value {
        json!({
            "description": "The time that the plugin's clock shows, for tests of jobs: `fixed(2026-01-01T00:00:00Z)`.",
            "type": ["string", "null"], "pattern": "^fixed\\(.+\\)$|\\$\\{",
        })
    }

    fn still_granted(_: &[Self], _: &Repeated<'_>, _: &Today<'_, [Self]>) -> Result<(), Withdrawn> {
        Ok(())
    }
}

impl Grant for RandomGrant {
    const KEY: &'static str = "random";

    fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        read(fields, Self::KEY, Self::parse, "write `seeded(1)`")
    }

    fn pack(grants: &[Self]) -> Option<Value> {
        grants.first().map(|grant| Value::string(format!("seeded({})", grant.seed)))
    }

    fn unpack(packed: &Value) -> Vec<Self> {
        packed.as_str().and_then(|text| Self::parse(text).ok()).into_iter().collect()
    }

    fn schema() -> serde_json::Value {
        json!({
            "description": "The source of the plugin's random numbers, for tests of jobs: `seeded(1)`.",
            "type": ["string", "null"], "pattern": "^seeded\\([0-9]+\\)$|\\$\\{",
        })
    }

    fn still_granted(_: &[Self], _: &Repeated<'_>, _: &Today<'_, [Self]>) -> Result<(), Withdrawn> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_read_as_they_are_written() {
        let clock = ClockGrant::parse(" fixed( 2026-01-01T00:00:00Z ) ").unwrap();
        assert_eq!(ClockGrant::unpack(&ClockGrant::pack(std::slice::from_ref(&clock)).unwrap()), [clock]);
        let random = RandomGrant::parse("seeded(18446744073709551615)").unwrap();
        assert_eq!(RandomGrant::unpack(&RandomGrant::pack(std::slice::from_ref(&random)).unwrap()), [random]);
        assert!(ClockGrant::parse("fixed(2026-01-01)").is_ok());
        for wrong in ["fixed", "fixed()", "fixed(now)", "2026-01-01", "fixed(1969-12-31)", "fixed(2026-01-01"] {
            assert!(ClockGrant::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["seeded", "seeded()", "seeded(-1)", "seeded(x)", "1"] {
            assert!(RandomGrant::parse(wrong).is_err(), "{wrong}");
        }
    }
}
