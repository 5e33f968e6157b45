//! `limits`: what a build may use.

use serde_json::json;

use crate::diagnostic::Code;
use crate::job::Job;
use crate::limits::LimitKey;
use crate::limits::Limits;
use crate::limits::Unit;
use crate::limits::show_bytes;
use crate::schema::parts::described;
use crate::schema::parts::object;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::quantity::number;

use super::job_key::Draft;
use super::job_key::JobKey;

pub(crate) const LIMITS: JobKey = JobKey {
    name: "limits",
    decisive: false,
    packed_at: 11,
    read,
    pack: |job| Some(pack(job)),
    unpack,
    schema: |_| described("What a build may use, if the defaults do not fit.", schema()),
};

fn read(draft: &mut Draft<'_>, fields: &mut Fields<'_>) {
    let ceiling = &draft.context.ceiling;
    let limits = &mut draft.job.limits;
    let Some((_, node)) = fields.take("limits") else {
        return;
    };
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`limits`") else {
        return;
    };
    for key in Limits::KEYS {
        let Some((_, node)) = inner.take(key) else {
            continue;
        };
        limits.set_at.note(key, inner.source, node.span);
        if let Some(number) = limit(&node, key, limits, &mut inner)
            && let Some(max) = ceiling.limit(key).filter(|max| number > *max)
        {
            let unit = limits.by_key(key).map(|limit| limit.unit);
            let most = if unit == Some(Unit::Bytes) { show_bytes(max) } else { max.to_string() };
            let help = format!("{} allows at most {most}", ceiling.file);
            inner.report(
                Code::AboveCeiling,
                node.span,
                format!("`{key}` of {} is above the ceiling", node.text),
                Some(help),
            );
        }
    }
    inner.finish(Limits::KEYS, &[]);
}

/// Reads one limit into `limits`. Also used for the operator's ceiling.
pub(crate) fn limit(node: &Node, key: &str, limits: &mut Limits, fields: &mut Fields<'_>) -> Option<u64> {
    let limit = limits.by_key(key)?;
    let number = number(node, key, limit.unit, limit.max, fields)?;
    *limit.value = number;
    Some(number)
}

fn pack(job: &Job) -> Value {
    let (mut limits, mut default) = (job.limits.clone(), Limits::default());
    let entry = |key: &&'static str| {
        let value = *limits.by_key(key)?.value;
        let is_default = *default.by_key(key)?.value == value;
        (!is_default || !Limits::LATER_KEYS.contains(key)).then(|| (*key, Value::Int(value.into())))
    };
    Value::map(Limits::KEYS.iter().filter_map(entry))
}

fn unpack(packed: &Value, job: &mut Job) {
    for (name, value) in packed.entries() {
        if let (Some(limit), Value::Int(number)) = (job.limits.by_key(name), value) {
            *limit.value = u64::try_from(*number).unwrap_or(limit.max).min(limit.max);
        }
    }
}

fn schema() -> serde_json::Value {
    let mut defaults = Limits::default();
    let properties = Limits::KEYS.iter().filter_map(|key| {
        let LimitKey { value, unit, max } = defaults.by_key(key)?;
        let property = match unit {
            Unit::Bytes => json!({
                "description": format!(
                    "{}. {} by default, {} at most.", limit_key(key)?, show_bytes(*value), show_bytes(max)
                ),
                "type": "string", "pattern": "[0-9]|\\$\\{", "examples": [show_bytes(*value)],
            }),
            Unit::Count => json!({
                "description": format!("{}. {value} by default.", limit_key(key)?),
                "type": "integer", "minimum": 1, "maximum": max,
            }),
        };
        Some(((*key).to_owned(), property))
    });
    object(serde_json::Value::Object(properties.collect()), &[])
}

/// Describes what a key below `limits` restricts.
fn limit_key(key: &str) -> Option<&'static str> {
    Some(match key {
        "memory" => "All memories of the instance together",
        "retval" => "The return value, and the arguments, encoded",
        "log" => "All log messages of a build together",
        "log_records" => "Number of log records of a build",
        "progress_groups" => "Number of progress groups of a build",
        "table_elements" => "Elements of all tables together",
        "handles" => "Files, folders and streams that are open at once",
        "instances" => "Number of core instances",
        "http_requests" => "Number of HTTP requests of a build",
        "http_sent" => "Bytes that all HTTP requests of a build send",
        "http_received" => "Bytes of all HTTP responses of a build",
        "http_connections" => "HTTP connections that are open at once",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_schema() {
        for key in Limits::KEYS {
            assert!(schema()["properties"].get(key).is_some(), "`limits.{key}` is not in the schema");
        }
    }
}
