//! How long a job may take, and how often it is tried: `timeout` and `retry`.

use std::time::Duration;

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
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::quantity::duration;

use super::ceiling::Timeouts;

const RETRY_KEYS: &[&str] = &["attempts", "backoff", "initial", "max", "jitter", "on"];

/// Reads `timeout`, which is one duration or a mapping of several, and compares it with a ceiling.
pub(super) fn timeouts(ceiling: &Timeouts, fields: &mut Fields<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let is_map = fields.peek("timeout").is_some_and(|node| matches!(node.kind, NodeKind::Map(_)));
    if !is_map {
        timeouts.attempt = below(ceiling, "attempt", "timeout", fields);
        return timeouts;
    }
    let Some((_, node)) = fields.take("timeout") else {
        return timeouts;
    };
    if let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`timeout`") {
        for key in Timeouts::KEYS {
            *timeouts.part(key) = below(ceiling, key, key, &mut inner);
        }
        inner.finish(Timeouts::KEYS, &[]);
    }
    timeouts
}

/// Takes a duration that may not be above the ceiling's.
fn below(ceiling: &Timeouts, part: &str, key: &str, fields: &mut Fields<'_>) -> Option<Duration> {
    let (duration, span) = duration(key, fields)?;
    if let Some(max) = ceiling.clone().part(part).filter(|max| duration > *max) {
        let help = format!("jobcontrol.yaml allows {} at most", show_duration(max));
        let message = format!("`{key}` of {} is above the ceiling", show_duration(duration));
        fields.report(Code::AboveCeiling, span, message, Some(help));
    }
    Some(duration)
}

/// Reads `retry`, which is a number of attempts or a mapping.
pub(super) fn retry(fields: &mut Fields<'_>) -> Retry {
    let Some((_, node)) = fields.take("retry") else {
        return Retry::never();
    };
    let mut retry = Retry::default();
    if let NodeKind::Scalar(Value::Int(_)) = node.kind {
        attempts(&node, &mut retry, fields);
        return retry;
    }
    let NodeKind::Map(_) = node.kind else {
        let message = format!("`retry` is a number of attempts or a mapping, found {}", node.kind_name());
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
    inner.finish(RETRY_KEYS, &[]);
    retry
}

fn attempts(node: &Node, retry: &mut Retry, fields: &mut Fields<'_>) {
    let NodeKind::Scalar(Value::Int(number)) = node.kind else {
        let message = format!("`attempts` is a number, found {}", node.kind_name());
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
            let message = format!("`{key}` can be {} at most", show_duration(MAX_DELAY));
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
        fields.report(Code::InvalidRetry, span, "`on` names no failure", help);
    }
    let mut on = Vec::new();
    for key in written {
        match parse_on(&key.name, key.span) {
            Some(kind) => on.push(kind),
            None => {
                let message = format!("`{}` is no kind of failure to retry on", key.name);
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
