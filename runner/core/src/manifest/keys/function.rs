//! `function`: the function that a job calls.

use crate::diagnostic::Code;
use crate::job::FunctionRef;
use crate::schema::functions::names;
use crate::schema::parts::described;
use crate::value::Value;
use crate::yaml::fields::Fields;

use super::job_key::Draft;
use super::job_key::JobKey;

pub(crate) const FUNCTION: JobKey = JobKey {
    name: "function",
    decisive: true,
    packed_at: 2,
    read,
    pack: |job| Some(Value::string(job.function.to_string())),
    unpack: |packed, job| job.function = unpack(Some(packed)).unwrap_or_default(),
    schema: |functions| {
        described("What the job calls: `PLUGIN:FUNCTION`, or `PLUGIN` alone for a command.", names(functions))
    },
};

fn read(draft: &mut Draft<'_>, fields: &mut Fields<'_>) {
    let is_written = fields.peek(FUNCTION.name).is_some();
    let Some((text, span)) = fields.string(FUNCTION.name) else {
        if !is_written && !fields.has_misspelt(FUNCTION.name, draft.names) {
            let help = Some("write `plugin:function`, such as `sales:fetch-orders`".to_owned());
            fields.report(Code::MissingFunction, fields.span, "the job has no `function`", help);
        }
        return;
    };
    match FunctionRef::parse(&text) {
        Ok(function) => {
            draft.job.function = function;
            draft.job.place.function = span;
        }
        Err(reason) => fields.report(Code::FunctionSyntax, span, reason, Some(meant(&text))),
    }
}

/// Reads the function from a build config.
///
/// # Errors
///
/// Returns the reason why the job cannot be called, as text.
pub(crate) fn unpack(packed: Option<&Value>) -> Result<FunctionRef, String> {
    match packed.and_then(Value::as_str) {
        Some(function) => FunctionRef::parse(function),
        None => Err("its configuration does not name a function".to_owned()),
    }
}

/// Suggests what the author may have meant by a text that is not `plugin:function`.
fn meant(text: &str) -> String {
    if text.contains("@sha256:") {
        return "write `PLUGIN@sha256:DIGEST:FUNCTION`; `jobcontrol inspect PLUGIN` shows the whole digest".to_owned();
    }
    let general = "write `plugin:function`, such as `sales:fetch-orders`".to_owned();
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    let trimmed = text.trim_end_matches([':', '/', '#', '.']);
    if text.starts_with(':') || trimmed.is_empty() {
        return general;
    }
    let file = [".wasm", ".wat"].iter().any(|ending| trimmed.ends_with(ending));
    let parts = trimmed.rsplit_once("::").or_else(|| trimmed.rsplit_once(['.', '/', '#', ' ']));
    match parts {
        Some((plugin, export)) if !file && plain(plugin.trim()) && plain(export) && !plugin.ends_with('.') => {
            format!("did you mean `{}:{export}`? write a colon between the plugin and its function", plugin.trim())
        }
        _ if plain(trimmed) => {
            format!("write `{trimmed}:FUNCTION`; `jobcontrol inspect {trimmed}` lists the functions")
        }
        _ => general,
    }
}
