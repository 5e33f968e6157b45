//! `timeout`: how long a build may take.

use std::time::Duration;

use serde_json::json;

use crate::diagnostic::Code;
use crate::job::Job;
use crate::limits::TIMEOUTS;
use crate::limits::show_duration;
use crate::manifest::ceiling::Ceiling;
use crate::manifest::ceiling::Timeouts;
use crate::schema::parts::described;
use crate::schema::parts::duration as any_duration;
use crate::schema::parts::object;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::NodeKind;
use crate::yaml::quantity::duration;

use super::job_key::JobKey;

pub(super) const TIMEOUT: JobKey = JobKey {
    name: "timeout",
    decisive: false,
    packed_at: 10,
    read: |draft, fields| {
        let span = fields.peek("timeout").map(|node| node.span);
        let written = timeouts(&draft.context.ceiling, fields);
        let limits = &mut draft.job.limits;
        let parts = [written.attempt, written.build, written.no_progress];
        for (key, _) in TIMEOUTS.into_iter().zip(parts).filter(|(_, part)| part.is_some()) {
            span.into_iter().for_each(|span| limits.set_at.note(key, fields.source, span));
        }
        limits.timeout = written.attempt.unwrap_or(limits.timeout);
        limits.build_timeout = written.build.or(limits.build_timeout);
        limits.no_progress = written.no_progress.or(limits.no_progress);
    },
    pack: |job| Some(pack(job)),
    unpack,
    schema: |_| {
        let parts = json!({
            "attempt": described("How long an attempt may take.", any_duration()),
            "build": described("How long the build with all its attempts may take.", any_duration()),
            "no_progress": described("How long an attempt may go without progress, log or output.", any_duration()),
        });
        described(
            "How long an attempt may take: `30s`, `10m`, `1h 30m`. 10 minutes by default. Or a mapping with limits for \
             an attempt, for the build with all its attempts, and for the time without any sign of progress.",
            json!({ "anyOf": [any_duration(), object(parts, &[])] }),
        )
    },
};

fn pack(job: &Job) -> Value {
    let limits = &job.limits;
    let millis = |duration: Duration| Value::string(format!("{}ms", duration.as_millis()));
    if let (None, None) = (limits.build_timeout, limits.no_progress) {
        return millis(limits.timeout);
    }
    let parts =
        [("attempt", Some(limits.timeout)), ("build", limits.build_timeout), ("no_progress", limits.no_progress)];
    Value::map(parts.into_iter().filter_map(|(key, part)| Some((key, millis(part?)))))
}

fn unpack(packed: &Value, job: &mut Job) {
    let millis = |value: &Value| Some(Duration::from_millis(value.as_str()?.strip_suffix("ms")?.parse().ok()?));
    let part = |key: &str| packed.get(key).and_then(millis);
    let limits = &mut job.limits;
    limits.timeout = millis(packed).or_else(|| part("attempt")).unwrap_or(limits.timeout);
    limits.build_timeout = part("build");
    limits.no_progress = part("no_progress");
}

/// Reads `timeout`, which is one duration or a mapping of several, and compares it with a ceiling.
pub(crate) fn timeouts(ceiling: &Ceiling, fields: &mut Fields<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let is_map = fields.peek("timeout").is_some_and(|node| matches!(node.kind, NodeKind::Map(_)));
    if !is_map {
        timeouts.attempt = below(ceiling, "attempt", "timeout", fields);
        return timeouts;
    }
    let Some((_, node)) = fields.take("timeout") else {
        return timeouts;
    };
    if let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`timeout`") {
        for key in Timeouts::KEYS {
            *timeouts.part(key) = below(ceiling, key, key, &mut inner);
        }
        inner.finish(Timeouts::KEYS, &[]);
    }
    timeouts
}

/// Takes a duration and reports one that is above the ceiling.
fn below(ceiling: &Ceiling, part: &str, key: &str, fields: &mut Fields<'_>) -> Option<Duration> {
    let (duration, span) = duration(key, fields)?;
    if let Some(max) = ceiling.timeouts.clone().part(part).filter(|max| duration > *max) {
        let help = format!("{} allows at most {}", ceiling.file, show_duration(max));
        let message = format!("`{key}` of {} is above the ceiling", show_duration(duration));
        fields.report(Code::AboveCeiling, span, message, Some(help));
    }
    Some(duration)
}
