//! `retry`: how often a failed build is tried, and when.

use std::time::Duration;

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::diagnostic::nearest;
use crate::limits::show_duration;
use crate::retry::Backoff;
use crate::retry::MAX_ATTEMPTS;
use crate::retry::MAX_DELAY;
use crate::retry::Retry;
use crate::retry::RetryOn;
use crate::retry::parse_on;
use crate::schema::parts::described;
use crate::schema::parts::duration as any_duration;
use crate::schema::parts::or_variable;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::quantity::duration;

use super::job_key::JobKey;

/// Every key below `retry`.
const KEYS: &[&str] = &["attempts", "backoff", "initial", "max", "jitter", "on"];

pub(crate) const RETRY: JobKey = JobKey {
    name: "retry",
    decisive: false,
    packed_at: 12,
    read: |draft, fields| draft.job.retry = read(fields),
    pack: |job| Some(job.retry.to_config()),
    unpack: |packed, job| job.retry = Retry::from_config(packed),
    schema: |_| described("How often a failed build is tried, including the first attempt.", schema()),
};

impl Retry {
    /// Packs the policy for a build config; null for a single attempt.
    pub fn to_config(&self) -> Value {
        if self.attempts <= 1 {
            return Value::Null;
        }
        let millis = |duration: Duration| Value::string(format!("{}ms", duration.as_millis()));
        Value::map([
            ("attempts", Value::Int(self.attempts.into())),
            ("backoff", Value::string(self.backoff.name())),
            ("initial", millis(self.initial)),
            ("max", millis(self.max)),
            ("jitter", Value::Bool(self.jitter)),
            ("on", Value::List(self.on.iter().map(|on| Value::string(on.to_string())).collect())),
        ])
    }

    /// Reads what [`Retry::to_config`] wrote, lowered to what a manifest can ask for today. Returns
    /// a single attempt if it cannot be read.
    pub fn from_config(config: &Value) -> Self {
        let read = || {
            let text = |key: &str| config.get(key).and_then(Value::as_str);
            let time = |key: &str| {
                let time = Duration::from_millis(text(key)?.strip_suffix("ms")?.parse().ok()?);
                Some(time.min(MAX_DELAY))
            };
            let (Value::Int(attempts), Value::Bool(jitter)) = (config.get("attempts")?, config.get("jitter")?) else {
                return None;
            };
            let Value::List(on) = config.get("on")? else {
                return None;
            };
            let backoff =
                [Backoff::Fixed, Backoff::Exponential].into_iter().find(|b| text("backoff") == Some(b.name()));
            Some(Self {
                attempts: u32::try_from(*attempts).ok()?.min(MAX_ATTEMPTS),
                backoff: backoff?,
                initial: time("initial")?,
                max: time("max")?,
                jitter: *jitter,
                on: on.iter().filter_map(Value::as_str).filter_map(|text| parse_on(text, Span::default())).collect(),
            })
        };
        read().unwrap_or_else(Self::never)
    }
}

fn schema() -> serde_json::Value {
    let kinds = json!({ "anyOf": [{ "enum": RetryOn::KINDS }, { "type": "string", "pattern": "^(error\\(.+\\)|plugin:.+)$" }] });
    let attempts = or_variable(&json!({ "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS }));
    let key =
        |name: &str, description: &str, schema: serde_json::Value| (name.to_owned(), described(description, schema));
    let properties = [
        key("attempts", "Attempts in all, 3 by default.", attempts.clone()),
        key(
            "backoff",
            "How the wait grows, exponential by default.",
            or_variable(&json!({ "enum": ["fixed", "exponential"] })),
        ),
        key("initial", "The wait after the first attempt, 1s by default.", any_duration()),
        key("max", "The longest wait, 1m by default.", any_duration()),
        key(
            "jitter",
            "Whether each wait is random, from zero up to its full length; true by default.",
            or_variable(&json!({ "type": "boolean" })),
        ),
        key(
            "on",
            "The failures that are tried again, every kind by default.",
            json!({ "type": "array", "minItems": 1, "items": or_variable(&kinds) }),
        ),
    ];
    let properties: serde_json::Map<_, _> = properties.into_iter().collect();
    json!({ "anyOf": [attempts, { "type": "object", "additionalProperties": false, "properties": properties }] })
}

/// Reads a number of attempts or a mapping.
fn read(fields: &mut Fields<'_>) -> Retry {
    let Some((_, node)) = fields.take("retry") else {
        return Retry::never();
    };
    let mut retry = Retry::default();
    if node.integer().is_some() {
        attempts(&node, &mut retry, fields);
        return retry;
    }
    let NodeKind::Map(_) = node.kind else {
        let message = format!("`retry` is a number of attempts or a mapping, found {}", node.shown());
        let help = "write `retry: 3`, or `retry: { attempts: 3, initial: 1s, max: 1m }`";
        fields.report(Code::WrongKind, node.span, message, Some(help.to_owned()));
        return retry;
    };
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`retry`") else {
        return retry;
    };
    if let Some((_, node)) = inner.take("attempts") {
        attempts(&node, &mut retry, &mut inner);
    }
    match inner.string("backoff") {
        Some((text, _)) if text == "fixed" => retry.backoff = Backoff::Fixed,
        Some((text, span)) if text != "exponential" => {
            let message = format!("`backoff` is `fixed` or `exponential`, found `{text}`");
            inner.report(Code::InvalidRetry, span, message, None);
        }
        _ => {}
    }
    delays(&mut retry, &mut inner);
    retry.jitter = inner.boolean("jitter").unwrap_or(retry.jitter);
    if let Some(node) = inner.peek("on") {
        let span = node.span;
        retry.on = on(span, &mut inner);
    }
    inner.finish(KEYS, &[]);
    retry
}

fn attempts(node: &Node, retry: &mut Retry, fields: &mut Fields<'_>) {
    let Some(number) = node.integer() else {
        let message = format!("`attempts` is a number, found {}", node.shown());
        fields.report(Code::WrongKind, node.span, message, None);
        return;
    };
    match u32::try_from(number) {
        Ok(number) if (1..=MAX_ATTEMPTS).contains(&number) => retry.attempts = number,
        _ => {
            let message = format!("a build has 1 to {MAX_ATTEMPTS} attempts, found {number}");
            let help = Some("the first attempt counts too".to_owned());
            fields.report(Code::InvalidRetry, node.span, message, help);
        }
    }
}

fn delays(retry: &mut Retry, fields: &mut Fields<'_>) {
    let mut read = |key: &str| {
        let (delay, span) = duration(key, fields)?;
        if delay > MAX_DELAY {
            let message = format!("`{key}` can be at most {}", show_duration(MAX_DELAY));
            fields.report(Code::InvalidRetry, span, message, None);
        }
        Some((delay, span))
    };
    let (initial, max) = (read("initial"), read("max"));
    if let Some((initial, _)) = initial {
        retry.initial = initial;
        retry.max = retry.max.max(initial);
    }
    if let Some((max, span)) = max {
        retry.max = max;
        if initial.is_none() {
            retry.initial = retry.initial.min(max);
        } else if max < retry.initial {
            let message = format!("`max` is shorter than `initial`, which is {}", show_duration(retry.initial));
            fields.report(Code::InvalidRetry, span, message, None);
        }
    }
}

fn on(span: Span, fields: &mut Fields<'_>) -> Vec<RetryOn> {
    let written = fields.strings("on");
    if written.is_empty() && !fields.problems.iter().any(|p| p.label.as_ref().is_some_and(|l| l.span == span)) {
        let help = Some("leave `on` out for every failure, or `retry` for one attempt".to_owned());
        fields.report(Code::InvalidRetry, span, "`on` does not name a failure", help);
    }
    let mut on = Vec::new();
    for key in written {
        match parse_on(&key.name, key.span) {
            Some(kind) => on.push(kind),
            None => {
                let message = format!("`{}` is not a kind of failure to retry on", key.name);
                let help = match nearest(&key.name, RetryOn::KINDS.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the kinds are {}, `error(CASE)` and `plugin:KIND`", RetryOn::KINDS.join(", ")),
                };
                fields.report(Code::InvalidRetry, key.span, message, Some(help));
            }
        }
    }
    on
}
