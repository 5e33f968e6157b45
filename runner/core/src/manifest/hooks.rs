//! `cleanup_function` and `repr_function` of a job.

use crate::diagnostic::Code;
use crate::job::FunctionRef;
use crate::job::Hook;
use crate::job::Hooks;
use crate::yaml::fields::Fields;

pub(super) fn hooks(fields: &mut Fields<'_>, function: Option<&FunctionRef>) -> Hooks {
    Hooks { cleanup: hook(fields, "cleanup_function", function), repr: hook(fields, "repr_function", function) }
}

fn hook(fields: &mut Fields<'_>, key: &str, function: Option<&FunctionRef>) -> Option<Hook> {
    let (text, span) = fields.string(key)?;
    let plugin = function.map_or("plugin", |function| function.plugin.as_str());
    let named = FunctionRef::parse(&text).ok().and_then(|named| Some((named.plugin, named.export?)));
    let Some((named, export)) = named else {
        let help = Some(format!("write `{plugin}:function`"));
        fields.report(Code::FunctionSyntax, span, format!("`{text}` names no function of a plugin"), help);
        return None;
    };
    if function.is_some_and(|function| function.plugin != named) {
        let message = format!("`{key}` is a function of the job's own plugin");
        let help = Some(format!("write `{plugin}:{export}`: a build keeps its plugin and no other"));
        fields.report(Code::HookOfOtherPlugin, span, message, help);
        return None;
    }
    Some(Hook { export, span })
}
