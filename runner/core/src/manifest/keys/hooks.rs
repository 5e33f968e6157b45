//! `cleanup_function` and `repr_function`: other functions of a job's own plugin.

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::job::FunctionRef;
use crate::job::Hook;
use crate::job::Job;
use crate::schema::parts::described;
use crate::value::Value;
use crate::yaml::fields::Fields;

use super::job_key::Draft;
use super::job_key::JobKey;

pub(crate) const CLEANUP: JobKey = JobKey {
    name: "cleanup_function",
    decisive: false,
    packed_at: 14,
    read: |draft, fields| draft.job.hooks.cleanup = read("cleanup_function", draft, fields),
    pack: |job| pack(job, job.hooks.cleanup.as_ref()),
    unpack: |packed, job| job.hooks.cleanup = unpack_hook(packed),
    schema: |_| described("Called with the return value when a build is deleted.", name()),
};

pub(crate) const REPR: JobKey = JobKey {
    name: "repr_function",
    decisive: false,
    packed_at: 15,
    read: |draft, fields| draft.job.hooks.repr = read("repr_function", draft, fields),
    pack: |job| pack(job, job.hooks.repr.as_ref()),
    unpack: |packed, job| job.hooks.repr = unpack_hook(packed),
    schema: |_| described("Makes the text that is shown for the return value.", name()),
};

fn read(key: &str, draft: &Draft<'_>, fields: &mut Fields<'_>) -> Option<Hook> {
    // If the job's own function could not be read, the hook may belong to any plugin.
    let function = Some(&draft.job.function).filter(|function| !function.plugin.is_empty());
    let (text, span) = fields.string(key)?;
    let plugin = function.map_or("plugin", |function| function.plugin.as_str());
    let named = FunctionRef::parse(&text).ok().and_then(|named| Some((named.plugin, named.export?)));
    let Some((named, export)) = named else {
        let help = Some(format!("write `{plugin}:function`"));
        fields.report(Code::FunctionSyntax, span, format!("`{text}` does not name a function of a plugin"), help);
        return None;
    };
    if function.is_some_and(|function| function.plugin != named) {
        let message = format!("`{key}` must be a function of the job's own plugin");
        let help = Some(format!("write `{plugin}:{export}`: a build keeps its plugin and no other"));
        fields.report(Code::HookOfOtherPlugin, span, message, help);
        return None;
    }
    Some(Hook { export, span })
}

fn pack(job: &Job, hook: Option<&Hook>) -> Option<Value> {
    Some(Value::string(format!("{}:{}", job.function.plugin, hook?.export)))
}

/// Reads the function that a build config names under [`CLEANUP`] or [`REPR`].
pub(crate) fn unpack(packed: &Value) -> Option<FunctionRef> {
    FunctionRef::parse(packed.as_str()?).ok()
}

fn unpack_hook(packed: &Value) -> Option<Hook> {
    Some(Hook { export: unpack(packed)?.export?, span: Span::default() })
}

fn name() -> serde_json::Value {
    json!({ "type": "string", "minLength": 1 })
}
