//! `id`: the name of a job.

use serde_json::json;

use crate::diagnostic::Code;
use crate::schema::parts::described;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::NodeKind;
use crate::yaml::node::id_text;

use super::job_key::Draft;
use super::job_key::JobKey;

/// Longest job id, in bytes: ids are part of file names and URLs.
pub(crate) const MAX_ID: usize = 128;

/// The regular expression of an id.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9_-]{1,128}$";

/// Returns whether a text can be a job's id.
pub fn valid_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

pub(super) const ID: JobKey = JobKey {
    name: "id",
    decisive: false,
    packed_at: 1,
    read,
    pack: |job| Some(Value::string(&job.id)),
    unpack: |packed, job| job.id = packed.as_str().unwrap_or_default().to_owned(),
    schema: |_| {
        described(
            "The job's name: letters, digits, `_` and `-`; unique in the folder. Defaults to the file's name if the \
             file contains only one job.",
            json!({ "anyOf": [{ "type": "string", "pattern": PATTERN }, { "type": "integer" }] }),
        )
    },
};

fn read(draft: &mut Draft<'_>, fields: &mut Fields<'_>) {
    let help = || Some(format!("an id is 1 to {MAX_ID} letters, digits, `_` and `-`"));
    let whole = fields.span;
    match (fields.take(ID.name), draft.stem) {
        (Some((_, node)), _) => {
            draft.job.place.id = node.span;
            let message = match node.kind {
                NodeKind::Scalar(Value::String(_) | Value::Int(_) | Value::Float(_)) if valid_id(&id_text(&node)) => {
                    draft.job.id = id_text(&node);
                    return;
                }
                NodeKind::Scalar(Value::String(text)) => format!("`{text}` cannot be a job's id"),
                _ => format!("`id` is a string, found {}", node.shown()),
            };
            fields.report(Code::InvalidId, node.span, message, help());
        }
        (None, Some(stem)) if valid_id(stem) => draft.job.id = stem.to_owned(),
        (None, Some(stem)) => {
            let message = format!("the file's name `{stem}` cannot be a job's id");
            fields.report(Code::InvalidId, whole, message, Some("add `id:`".into()));
        }
        (None, None) if fields.has_misspelt(ID.name, draft.names) => {}
        (None, None) => fields.report(Code::MissingId, whole, "a job in a list needs an `id`", help()),
    }
}
