//! `dependencies`: jobs that must be built first, only for their order.

use std::collections::HashSet;

use serde_json::json;

use crate::diagnostic::Code;
use crate::schema::parts::described;
use crate::schema::parts::or_variable;
use crate::value::Value;
use crate::yaml::key::Key;

use super::id::PATTERN;
use super::job_key::JobKey;

pub(super) const DEPENDENCIES: JobKey = JobKey {
    name: "dependencies",
    decisive: true,
    packed_at: 5,
    read: |draft, fields| {
        let written = fields.ids("dependencies");
        let mut listed = HashSet::new();
        for key in &written {
            if !listed.insert(key.name.as_str()) {
                fields.report(Code::ListedTwice, key.span, format!("`{}` is listed twice", key.name), None);
            }
        }
        draft.job.dependencies = written;
    },
    // Includes the dependencies that `!retval` implies.
    pack: |job| Some(Value::List(job.dependency_ids().iter().map(|(id, _)| Value::string(*id)).collect())),
    unpack: |packed, job| job.dependencies = packed.strings().map(Key::nowhere).collect(),
    schema: |_| {
        let id = or_variable(&json!({ "type": ["string", "integer"], "pattern": PATTERN }));
        described(
            "Jobs that must be built first, only for their order; jobs in `!retval` are implied.",
            json!({ "type": ["array", "null"], "items": id, "uniqueItems": true }),
        )
    },
};
