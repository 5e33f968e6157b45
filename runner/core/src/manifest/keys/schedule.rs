//! `schedule`: when a service runs a job.

use std::time::Duration;

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::nearest;
use crate::limits::show_duration;
use crate::schedule::BuildScope;
use crate::schedule::CatchUp;
use crate::schedule::Cron;
use crate::schedule::DEFAULT_MAX;
use crate::schedule::MAX_CATCH_UP;
use crate::schedule::MAX_JITTER;
use crate::schedule::Overlap;
use crate::schedule::Schedule;
use crate::schedule::Zone;
use crate::schema::parts::described;
use crate::schema::parts::duration as any_duration;
use crate::schema::parts::object;
use crate::schema::parts::or_variable;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::quantity::duration;

use super::job_key::JobKey;

/// Every key below `schedule`.
const KEYS: &[&str] = &["cron", "timezone", "catch_up", "max", "overlap", "jitter", "build"];
/// What a schedule looks like.
const HELP: &str =
    "write `schedule: \"0 6 * * MON-FRI\"`, or `schedule: { cron: \"0 6 * * MON-FRI\", timezone: Europe/Rome }`";

pub(super) const SCHEDULE: JobKey = JobKey {
    name: "schedule",
    decisive: false,
    packed_at: 18,
    read: |draft, fields| draft.job.schedule = read(fields),
    // Packed only if there is one, so that configs from before schedules existed stay equal.
    pack: |job| job.schedule.as_ref().map(pack),
    unpack: |packed, job| job.schedule = unpack(packed),
    schema: |_| described("When a service runs the job: a cron rule, or a mapping with more.", schema()),
};

/// Reads `schedule`, which is a rule or a mapping.
fn read(fields: &mut Fields<'_>) -> Option<Schedule> {
    let (_, node) = fields.take(SCHEDULE.name)?;
    let whole = node.span;
    match node.kind {
        NodeKind::Scalar(Value::String(_)) if node.tag.is_none() => return rule(&node, fields).map(Schedule::new),
        NodeKind::Map(_) => {}
        _ => {
            let message = format!("`schedule` is a cron rule or a mapping, found {}", node.shown());
            fields.report(Code::WrongKind, whole, message, Some(HELP.to_owned()));
            return None;
        }
    }
    let mut inner = Fields::new(fields.source, fields.problems, node, "`schedule`")?;
    let unnamed = inner.peek("cron").is_none();
    let cron = inner.take("cron").and_then(|(_, node)| cron(&node, &mut inner));
    if unnamed && !inner.has_misspelt("cron", KEYS) {
        inner.report(Code::InvalidSchedule, whole, "`schedule` has no `cron`", Some(HELP.to_owned()));
    }
    let timezone = timezone(&mut inner);
    let catch_up = choice("catch_up", CatchUp::NAMES, &mut inner);
    let max = max(&mut inner);
    let overlap = choice("overlap", Overlap::NAMES, &mut inner);
    let jitter = jitter(&mut inner);
    let build = choice("build", BuildScope::NAMES, &mut inner);
    inner.finish(KEYS, &[]);
    let schedule = Schedule::new(cron?);
    Some(Schedule {
        timezone: timezone.unwrap_or_default(),
        catch_up: catch_up.unwrap_or_default(),
        max: max.unwrap_or(DEFAULT_MAX),
        overlap: overlap.unwrap_or_default(),
        jitter: jitter.unwrap_or_default(),
        build: build.unwrap_or_default(),
        ..schedule
    })
}

fn cron(node: &Node, fields: &mut Fields<'_>) -> Option<Cron> {
    if matches!(node.kind, NodeKind::Scalar(Value::String(_))) && node.tag.is_none() {
        return rule(node, fields);
    }
    let help = Some("write `cron: \"0 6 * * MON-FRI\"`".to_owned());
    fields.report(Code::WrongKind, node.span, format!("`cron` is a cron rule, found {}", node.shown()), help);
    None
}

/// Reads a rule, which is a text, and reports each mistake at its place in the text.
fn rule(node: &Node, fields: &mut Fields<'_>) -> Option<Cron> {
    let NodeKind::Scalar(Value::String(text)) = &node.kind else {
        return None;
    };
    match Cron::parse(text) {
        Ok(cron) => {
            if cron.never_fires() {
                let help = Some("no year has a day that the rule names".to_owned());
                fields.report(Code::NeverDue, node.span, "the schedule is never due", help);
            }
            Some(cron)
        }
        // The variable may hold a secret, so the message does not show its value.
        Err(_) if node.filled => {
            fields.report(Code::InvalidCron, node.span, "the variable does not hold a cron rule", None);
            None
        }
        Err(errors) => {
            for error in errors {
                let place = node.part(fields.source, error.range);
                fields.report(Code::InvalidCron, place, error.message, error.help);
            }
            None
        }
    }
}

/// Takes the name of a time zone.
pub(crate) fn timezone(fields: &mut Fields<'_>) -> Option<Zone> {
    let filled = fields.peek("timezone").is_some_and(|node| node.filled);
    let (name, span) = fields.string("timezone")?;
    Zone::find(&name)
        .map_err(|error| {
            let message = if filled { "the variable does not name a time zone".to_owned() } else { error.to_string() };
            let near = error.near.into_iter().filter(|_| !filled).map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let help = match near.split_last() {
                None => "write the IANA name of a zone, such as `Europe/Rome`".to_owned(),
                Some((only, [])) => format!("did you mean {only}?"),
                Some((last, others)) => format!("did you mean {} or {last}?", others.join(", ")),
            };
            let problem = Diagnostic::at(Code::NoSuchTimezone, fields.source, span, message).help(help);
            fields.problems.push(problem);
        })
        .ok()
}

fn choice<T: Copy>(key: &str, choices: &[(&str, T)], fields: &mut Fields<'_>) -> Option<T> {
    let (text, span) = fields.string(key)?;
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
        let names = match names.split_last() {
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        let near = nearest(&text, choices.iter().map(|(name, _)| *name)).map(|near| format!("did you mean `{near}`?"));
        fields.report(Code::InvalidSchedule, span, format!("`{key}` is {names}, found `{text}`"), near);
    }
    found
}

fn max(fields: &mut Fields<'_>) -> Option<u32> {
    let (_, node) = fields.take("max")?;
    let number = node.integer().and_then(|number| u32::try_from(number).ok());
    let max = number.filter(|number| (1..=MAX_CATCH_UP).contains(number));
    if max.is_none() {
        let message = format!("`max` is a number of runs from 1 to {MAX_CATCH_UP}, found {}", node.shown());
        let help = (number == Some(0)).then(|| "write `catch_up: none` to leave out all missed runs".to_owned());
        fields.report(Code::InvalidSchedule, node.span, message, help);
    }
    max
}

fn jitter(fields: &mut Fields<'_>) -> Option<Duration> {
    let (jitter, span) = duration("jitter", fields)?;
    if jitter > MAX_JITTER {
        let message = format!("`jitter` can be at most {}", show_duration(MAX_JITTER));
        fields.report(Code::InvalidSchedule, span, message, None);
    }
    Some(jitter)
}

fn pack(schedule: &Schedule) -> Value {
    Value::map([
        ("cron", Value::string(schedule.cron.to_string())),
        ("timezone", Value::string(schedule.timezone.name())),
        ("catch_up", Value::string(schedule.catch_up.name())),
        ("max", Value::Int(schedule.max.into())),
        ("overlap", Value::string(schedule.overlap.name())),
        ("jitter", Value::string(format!("{}ms", schedule.jitter.as_millis()))),
        ("build", Value::string(schedule.build.name())),
    ])
}

/// Reads the schedule from a build config.
fn unpack(packed: &Value) -> Option<Schedule> {
    fn named<T: Copy + Default>(packed: &Value, key: &str, names: &[(&str, T)]) -> T {
        let text = packed.get(key).and_then(Value::as_str);
        names.iter().find(|(name, _)| Some(*name) == text).map(|(_, choice)| *choice).unwrap_or_default()
    }
    let text = |key: &str| packed.get(key).and_then(Value::as_str);
    let max = match packed.get("max") {
        Some(Value::Int(max)) => u32::try_from(*max).unwrap_or(DEFAULT_MAX).clamp(1, MAX_CATCH_UP),
        _ => DEFAULT_MAX,
    };
    let millis = text("jitter").and_then(|jitter| jitter.strip_suffix("ms")?.parse().ok());
    let jitter = millis.map(Duration::from_millis).unwrap_or_default();
    Some(Schedule {
        cron: Cron::parse(text("cron")?).ok()?,
        timezone: Zone::find(text("timezone")?).ok()?,
        catch_up: named(packed, "catch_up", CatchUp::NAMES),
        max,
        overlap: named(packed, "overlap", Overlap::NAMES),
        jitter: jitter.min(MAX_JITTER),
        build: named(packed, "build", BuildScope::NAMES),
    })
}

fn schema() -> serde_json::Value {
    fn names<T>(names: &[(&str, T)]) -> serde_json::Value {
        or_variable(&json!({ "enum": names.iter().map(|(name, _)| *name).collect::<Vec<_>>() }))
    }
    let rules = json!(["0 6 * * MON-FRI", "@daily", "*/15 * * * *", "0 30 2 1 * *"]);
    let cron = described(
        "Minute, hour, day of the month, month, day of the week; or six fields, beginning with the second; or a name \
         such as `@daily`.",
        json!({ "type": "string", "minLength": 1, "examples": rules }),
    );
    let zone = json!({ "type": "string", "minLength": 1, "examples": ["UTC", "Europe/Rome", "America/New_York"] });
    let max = or_variable(&json!({ "type": "integer", "minimum": 1, "maximum": MAX_CATCH_UP }));
    let keys = json!({
        "cron": cron.clone(),
        "timezone": described("The time zone of the rule, by its IANA name; UTC by default.", zone),
        "catch_up": described(
            "Which missed runs are made up for: only the latest (the default), all, or none.",
            names(CatchUp::NAMES),
        ),
        "max": described("How many missed runs `catch_up: all` makes; 100 by default.", max),
        "overlap": described(
            "What happens to a run that is due while the previous one is still running: it is skipped (the default), \
             it waits, or it cancels the previous one.",
            names(Overlap::NAMES),
        ),
        "jitter": described("The longest delay of each run; none by default.", any_duration()),
        "build": described(
            "Which of the jobs that this one needs are built: those that are due (the default), or all.",
            names(BuildScope::NAMES),
        ),
    });
    json!({ "anyOf": [cron, object(keys, &["cron"])] })
}
