//! `protected`: whether a person has to confirm before a job runs.

use serde_json::json;

use crate::schema::parts::described;
use crate::schema::parts::or_variable;
use crate::value::Value;

use super::job_key::JobKey;

pub(super) const PROTECTED: JobKey = JobKey {
    name: "protected",
    decisive: false,
    packed_at: 9,
    read: |draft, fields| draft.job.protected = fields.boolean("protected").unwrap_or(false),
    pack: |job| Some(Value::Bool(job.protected)),
    unpack: |packed, job| job.protected = *packed == Value::Bool(true),
    schema: |_| {
        described(
            "Whether a person has to confirm before it runs. `false` by default.",
            or_variable(&json!({ "type": "boolean" })),
        )
    },
};
