//! `on`: what starts a job automatically, besides its schedule.

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::schema::parts::described;
use crate::schema::parts::or_variable;
use crate::trigger::Trigger;
use crate::value::Value;
use crate::yaml::fields::Fields;

use super::job_key::Draft;
use super::job_key::JobKey;

pub(super) const ON: JobKey = JobKey {
    name: "on",
    decisive: false,
    packed_at: 19,
    read,
    // Packed only if there is one, so that configs from before triggers existed stay equal.
    pack: |job| job.on.map(|on| Value::string(on.name())),
    unpack: |packed, job| job.on = packed.as_str().and_then(find),
    schema: |_| {
        let names: Vec<_> = Trigger::NAMES.iter().map(|(name, _)| name).collect();
        described(
            "What starts the job under a service: `change` builds it when anything that decides its result changes.",
            or_variable(&json!({ "enum": names })),
        )
    },
};

/// Reads `on`. Must be called after `protected` was read.
fn read(draft: &mut Draft<'_>, fields: &mut Fields<'_>) {
    let Some((trigger, span)) = trigger(fields) else {
        return;
    };
    draft.job.on = Some(trigger);
    if draft.job.protected {
        let help = "remove `on`; to run the job without a person, give it a `schedule`".to_owned();
        let message = "a protected job cannot have `on: change`";
        fields.report(Code::TriggerOfProtected, span, message, Some(help));
    }
}

/// Takes `on`, of a job or of `jobcontrol.yaml`.
pub(crate) fn trigger(fields: &mut Fields<'_>) -> Option<(Trigger, Span)> {
    let (text, span) = fields.string("on")?;
    let trigger = find(&text);
    if trigger.is_none() {
        let help = Some("write `on: change`, or a `schedule` for times".to_owned());
        fields.report(Code::InvalidTrigger, span, format!("`{text}` is not a trigger"), help);
    }
    Some((trigger?, span))
}

fn find(name: &str) -> Option<Trigger> {
    Trigger::NAMES.iter().find(|(known, _)| *known == name).map(|(_, trigger)| *trigger)
}
