//! `title`, `notes` and `tags`: the texts of a job for people.

use serde_json::json;

use crate::diagnostic::Code;
use crate::limits::NOTES as MAX_NOTES;
use crate::limits::show_bytes;
use crate::schema::parts::described;
use crate::value::Value;

use super::job_key::JobKey;

pub(super) const TITLE: JobKey = JobKey {
    name: "title",
    decisive: false,
    packed_at: 6,
    read: |draft, fields| draft.job.title = fields.text_or_nothing("title").map(|(text, _)| text),
    pack: |job| Some(pack_text(job.title.as_ref())),
    unpack: |packed, job| job.title = packed.as_str().map(str::to_owned),
    schema: |_| described("A short text for people.", json!({ "type": ["string", "null"] })),
};

pub(super) const NOTES: JobKey = JobKey {
    name: "notes",
    decisive: false,
    packed_at: 7,
    read: |draft, fields| {
        let Some((text, span)) = fields.text_or_nothing("notes") else {
            return;
        };
        if text.len() > MAX_NOTES {
            let message = format!("`notes` is longer than {}", show_bytes(MAX_NOTES as u64));
            fields.report(Code::NotesTooLong, span, message, None);
        }
        draft.job.notes = Some(text);
    },
    pack: |job| Some(pack_text(job.notes.as_ref())),
    unpack: |packed, job| job.notes = packed.as_str().map(str::to_owned),
    schema: |_| {
        let text = json!({ "type": ["string", "null"], "maxLength": MAX_NOTES });
        described("A longer text for people, at most 64 KiB.", text)
    },
};

pub(super) const TAGS: JobKey = JobKey {
    name: "tags",
    decisive: false,
    packed_at: 8,
    read: |draft, fields| draft.job.tags = fields.strings("tags").into_iter().map(|key| key.name).collect(),
    pack: |job| Some(Value::List(job.tags.iter().map(Value::string).collect())),
    unpack: |packed, job| job.tags = packed.strings().map(str::to_owned).collect(),
    schema: |_| {
        let texts = json!({ "type": ["array", "null"], "items": { "type": "string" } });
        described("Words to find the job by.", texts)
    },
};

fn pack_text(text: Option<&String>) -> Value {
    text.map_or(Value::Null, Value::string)
}
