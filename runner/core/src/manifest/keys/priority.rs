//! `priority`: decides which of several waiting builds starts first.

use serde_json::json;

use crate::diagnostic::Code;
use crate::schema::parts::described;
use crate::schema::parts::or_variable;
use crate::trigger::MAX_PRIORITY;
use crate::value::Value;

use super::job_key::JobKey;

pub(crate) const PRIORITY: JobKey = JobKey {
    name: "priority",
    decisive: false,
    packed_at: 17,
    read: |draft, fields| {
        let Some((_, node)) = fields.take("priority") else {
            return;
        };
        let number = node.integer().and_then(|number| i64::try_from(number).ok());
        match number.filter(|number| number.abs() <= MAX_PRIORITY) {
            Some(number) => draft.job.priority = number,
            None => {
                let message =
                    format!("`priority` is a number from -{MAX_PRIORITY} to {MAX_PRIORITY}, found {}", node.shown());
                let help = Some("builds with a larger number start first; 0 is the default".to_owned());
                fields.report(Code::InvalidPriority, node.span, message, help);
            }
        }
    },
    // Packed only if it is not the default, so that configs from before priorities existed stay
    // equal.
    pack: |job| (job.priority != 0).then(|| Value::Int(job.priority.into())),
    unpack: |packed, job| job.priority = unpack(packed),
    schema: |_| {
        let number = json!({ "type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY });
        described(
            "Of several waiting builds, those with a larger number start first; 0 by default.",
            or_variable(&number),
        )
    },
};

/// Reads the priority from a build config.
pub(crate) fn unpack(packed: &Value) -> i64 {
    match packed {
        Value::Int(number) => i64::try_from(*number).unwrap_or(0).clamp(-MAX_PRIORITY, MAX_PRIORITY),
        _ => 0,
    }
}
