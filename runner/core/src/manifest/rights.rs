//! What a job may use: its limits and its grants.

use crate::diagnostic::Code;
use crate::grants::Grants;
use crate::limits::Limits;
use crate::limits::Unit;
use crate::limits::show_bytes;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::quantity::number;

use super::ceiling::Ceiling;
use super::timing;

/// `timeout` and `limits` of a job.
pub(super) fn limits(ceiling: &Ceiling, fields: &mut Fields<'_>) -> Limits {
    let mut limits = read_limits(ceiling, fields);
    ceiling.mark(&mut limits);
    limits
}

fn read_limits(ceiling: &Ceiling, fields: &mut Fields<'_>) -> Limits {
    let mut limits = ceiling.defaults();
    let written = timing::timeouts(&ceiling.timeouts, fields);
    limits.timeout = written.attempt.unwrap_or(limits.timeout);
    limits.build_timeout = written.build.or(limits.build_timeout);
    limits.no_progress = written.no_progress.or(limits.no_progress);
    let Some((_, node)) = fields.take("limits") else {
        return limits;
    };
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`limits`") else {
        return limits;
    };
    for key in Limits::KEYS {
        let Some((_, node)) = inner.take(key) else {
            continue;
        };
        if let Some(number) = limit(&node, key, &mut limits, &mut inner)
            && let Some(max) = ceiling.limit(key).filter(|max| number > *max)
        {
            let unit = limits.by_key(key).map(|limit| limit.unit);
            let most = if unit == Some(Unit::Bytes) { show_bytes(max) } else { max.to_string() };
            let help = format!("jobcontrol.yaml allows {most} at most");
            inner.report(
                Code::AboveCeiling,
                node.span,
                format!("`{key}` of {} is above the ceiling", node.text),
                Some(help),
            );
        }
    }
    inner.finish(Limits::KEYS, &[]);
    limits
}

/// Reads one limit into its place; also used for the operator's ceiling.
pub(super) fn limit(node: &Node, key: &str, limits: &mut Limits, fields: &mut Fields<'_>) -> Option<u64> {
    let limit = limits.by_key(key)?;
    let number = number(node, key, limit.unit, limit.max, fields)?;
    *limit.value = number;
    Some(number)
}

/// `grants` of a job.
pub(super) fn grants(fields: &mut Fields<'_>) -> Grants {
    let Some((key, node)) = fields.take("grants") else {
        return Grants::default();
    };
    match Fields::new(fields.source, fields.problems, node, "`grants`") {
        Some(inner) => Grants::read(inner, key.span),
        None => Grants { span: Some(key.span), ..Grants::default() },
    }
}
