//! `needs`: what a worker must have to run the job.

use serde_json::json;

use crate::diagnostic::Code;
use crate::labels::Labels;
use crate::labels::MOST;
use crate::labels::PATTERN;
use crate::labels::RULE;
use crate::labels::valid_label;
use crate::schema::parts::described;
use crate::schema::parts::object;
use crate::schema::parts::or_variable;
use crate::value::Value;
use crate::yaml::fields::Fields;

use super::job_key::JobKey;

const KEYS: &[&str] = &["labels"];

pub(crate) const NEEDS: JobKey = JobKey {
    name: "needs",
    decisive: false,
    packed_at: 20,
    read: |draft, fields| draft.job.needs = read(fields),
    // Packed only if there are any, so that configs from before labels existed stay equal.
    pack: |job| {
        let labels = || Value::List(job.needs.iter().map(Value::string).collect());
        (!job.needs.is_empty()).then(|| Value::map([("labels", labels())]))
    },
    unpack: |packed, job| job.needs = unpack(packed),
    schema: |_| {
        let label = or_variable(&json!({ "type": "string", "pattern": PATTERN }));
        let labels = json!({ "type": "array", "items": label, "maxItems": MOST });
        let labels = described("Labels that the worker must have, as `worker --label` gives them.", labels);
        described("What a worker must have to run the job.", object(json!({ "labels": labels }), &[]))
    },
};

pub(crate) fn unpack(packed: &Value) -> Labels {
    let labels = packed.get("labels").into_iter().flat_map(Value::strings);
    Labels::of(labels.map(str::to_owned))
}

fn read(fields: &mut Fields<'_>) -> Labels {
    let Some((_, node)) = fields.take(NEEDS.name) else { return Labels::default() };
    let whole = node.span;
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`needs`") else {
        return Labels::default();
    };
    let labels = inner.strings("labels");
    for label in labels.iter().filter(|label| !valid_label(&label.name)) {
        let help = Some(RULE.to_owned());
        inner.report(Code::InvalidLabel, label.span, format!("`{}` cannot be a label", label.name), help);
    }
    let labels: Vec<_> = labels.into_iter().map(|label| label.name).collect();
    if labels.len() > MOST {
        let message = format!("a job needs at most {MOST} labels, found {}", labels.len());
        inner.report(Code::InvalidLabel, whole, message, None);
    }
    inner.finish(KEYS, &[]);
    Labels::of(labels)
}
