//! A key whose value is a size, a number or a duration.

use std::time::Duration;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::limits::Unit;
use crate::limits::show_bytes;
use crate::value::Value;

use super::fields::Fields;
use super::lint::leading_zero;
use super::node::Node;
use super::node::NodeKind;
use super::units;

const DURATION_HELP: &str = "write `30s`, `10m` or `1h 30m`";

/// Reads a number or a size that is above zero and at most `max`.
pub(crate) fn number(node: &Node, key: &str, unit: Unit, max: u64, fields: &mut Fields<'_>) -> Option<u64> {
    let (read, help) = match (&node.kind, unit) {
        (_, Unit::Count) if let Some(i) = node.integer() => {
            (u64::try_from(i).map_err(|_| format!("1 to {max}, found {i}")), "a number")
        }
        (NodeKind::Scalar(Value::String(text)), Unit::Bytes) => (units::size(text), "a size such as `64 MiB`"),
        (_, Unit::Count) => (Err(format!("found {}", node.shown())), "a number"),
        (_, Unit::Bytes) => (Err(format!("found {}", node.shown())), "a size such as `64 MiB`"),
    };
    match read {
        Ok(0) => fields.report(Code::LimitOutOfRange, node.span, format!("`{key}` must be above zero"), None),
        Ok(number) if number > max => {
            let max = if unit == Unit::Bytes { show_bytes(max) } else { max.to_string() };
            fields.report(Code::LimitOutOfRange, node.span, format!("`{key}` can be at most {max}"), None);
        }
        Ok(number) => {
            if unit == Unit::Bytes && !node.filled {
                fields.problems.extend(leading_zero(fields.source, &node.text, node.span));
            }
            return Some(number);
        }
        Err(reason) => fields.report(Code::InvalidLimit, node.span, format!("`{key}` is {help}: {reason}"), None),
    }
    None
}

/// Takes a duration. A number without a unit is a common mistake, so it has a separate message.
pub(crate) fn duration(key: &str, fields: &mut Fields<'_>) -> Option<(Duration, Span)> {
    let number = fields.peek(key).and_then(|node| match node.kind {
        NodeKind::Scalar(Value::Int(_)) => Some((node.integer()?.to_string(), node.span)),
        NodeKind::Scalar(Value::Float(x)) if x.is_finite() => Some((x.to_string(), node.span)),
        _ => None,
    });
    if let Some((seconds, span)) = number {
        let message = format!("`{key}` is a duration with its unit, found a number");
        let help = Some(format!("write `{seconds}s` or `{seconds}m`"));
        fields.report(Code::InvalidDuration, span, message, help);
        fields.take(key);
        return None;
    }
    let written = fields.peek(key).filter(|node| !node.filled).map(|node| node.text.clone());
    let (text, span) = fields.string(key)?;
    match units::duration(&text) {
        Ok(duration) => {
            fields.problems.extend(written.and_then(|written| leading_zero(fields.source, &written, span)));
            Some((duration, span))
        }
        Err(message) => {
            fields.report(Code::InvalidDuration, span, message, Some(DURATION_HELP.to_owned()));
            None
        }
    }
}
