//! What a job may use and touch: its limits and its grants.

use crate::diagnostic::Code;
use crate::grants::EnvGrant;
use crate::grants::FilesGrant;
use crate::grants::Grants;
use crate::limits::Limits;
use crate::limits::Unit;
use crate::limits::show_bytes;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;
use crate::yaml::quantity::number;

use super::ceiling::Ceiling;
use super::timing;

/// Every key below `grants`.
pub(crate) const GRANT_KEYS: &[&str] = &["files", "env"];

/// Every key of an entry of `grants.files`.
pub(crate) const FILES_GRANT_KEYS: &[&str] = &["host", "guest", "mode"];

/// `timeout` and `limits` of a job.
pub(super) fn limits(ceiling: &Ceiling, fields: &mut Fields<'_>) -> Limits {
    let mut limits = read_limits(ceiling, fields);
    ceiling.mark(&mut limits);
    limits
}

fn read_limits(ceiling: &Ceiling, fields: &mut Fields<'_>) -> Limits {
    let mut limits = ceiling.defaults();
    let written = timing::timeouts(&ceiling.timeouts, fields);
    limits.timeout = written.attempt.unwrap_or(limits.timeout);
    limits.build_timeout = written.build.or(limits.build_timeout);
    limits.no_progress = written.no_progress.or(limits.no_progress);
    let Some((_, node)) = fields.take("limits") else {
        return limits;
    };
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`limits`") else {
        return limits;
    };
    for key in Limits::KEYS {
        let Some((_, node)) = inner.take(key) else {
            continue;
        };
        if let Some(number) = limit(&node, key, &mut limits, &mut inner)
            && let Some(max) = ceiling.limit(key).filter(|max| number > *max)
        {
            let unit = limits.by_key(key).map(|limit| limit.unit);
            let most = if unit == Some(Unit::Bytes) { show_bytes(max) } else { max.to_string() };
            let help = format!("jobcontrol.yaml allows {most} at most");
            inner.report(
                Code::AboveCeiling,
                node.span,
                format!("`{key}` of {} is above the ceiling", node.text),
                Some(help),
            );
        }
    }
    inner.finish(Limits::KEYS, &[]);
    limits
}

/// `grants` of a job.
pub(super) fn grants(fields: &mut Fields<'_>) -> Grants {
    let Some((key, node)) = fields.take("grants") else {
        return Grants::default();
    };
    let mut grants = Grants { span: Some(key.span), ..Grants::default() };
    let Some(mut inner) = Fields::new(fields.source, fields.problems, node, "`grants`") else {
        return grants;
    };
    for item in inner.list("files").unwrap_or_default() {
        let problems = &mut *inner.problems;
        let Some(mut file) = Fields::new(fields.source, problems, item, "an entry of `files`") else {
            continue;
        };
        let place = |guest: &str| guest.trim_end_matches('/').to_owned();
        if let Some(grant) = files_grant(&mut file) {
            if grants.files.iter().any(|other: &FilesGrant| place(&other.guest) == place(&grant.guest)) {
                let message = format!("`guest` path `{}` is given twice", grant.guest);
                file.report(
                    Code::GuestPathTwice,
                    grant.span,
                    message,
                    Some("give each folder a path of its own".to_owned()),
                );
            }
            grants.files.push(grant);
        }
        file.finish(FILES_GRANT_KEYS, &[]);
    }
    if let Some((_, node)) = inner.take("env") {
        env_grants(node, &mut inner, &mut grants.env);
    }
    inner.finish(GRANT_KEYS, &["http", "secrets"]);
    grants
}

/// Reads one limit into its place; also used for the operator's ceiling.
pub(super) fn limit(node: &Node, key: &str, limits: &mut Limits, fields: &mut Fields<'_>) -> Option<u64> {
    let limit = limits.by_key(key)?;
    let number = number(node, key, limit.unit, limit.max, fields)?;
    *limit.value = number;
    Some(number)
}

/// What `mode` says of a folder, which is for reading unless it says otherwise.
pub(super) fn is_for_writing(fields: &mut Fields<'_>) -> bool {
    match fields.string("mode") {
        None => false,
        Some((mode, _)) if mode == "read" => false,
        Some((mode, _)) if mode == "write" => true,
        Some((other, span)) => {
            fields.report(Code::GrantMode, span, format!("`mode` is `read` or `write`, found `{other}`"), None);
            false
        }
    }
}

fn files_grant(fields: &mut Fields<'_>) -> Option<FilesGrant> {
    let host = fields.string("host");
    let guest = fields.string("guest");
    let write = is_for_writing(fields);
    let (Some((host, span)), Some((guest, guest_span))) = (host, guest) else {
        let span = fields.span;
        let help = Some("write `{ host: ./data, guest: /data, mode: read }`".to_owned());
        fields.report(Code::FilesGrantIncomplete, span, "a files grant needs `host` and `guest`", help);
        return None;
    };
    if !guest.starts_with('/') {
        fields.report(
            Code::GuestPath,
            guest_span,
            format!("`guest` is an absolute path, found `{guest}`"),
            Some("write `/data`".into()),
        );
    }
    Some(FilesGrant { host, guest, write, span })
}

fn env_grants(node: Node, fields: &mut Fields<'_>, out: &mut Vec<EnvGrant>) {
    let span = node.span;
    let help = || Some("write `[NAME]`, or `{NAME: value}`".to_owned());
    match node.kind {
        NodeKind::Seq(items) => {
            for item in items {
                match item.kind {
                    NodeKind::Scalar(Value::String(name)) if valid_variable(&name) => {
                        out.push(EnvGrant { name, value: None, span: item.span });
                    }
                    _ => fields.report(Code::VariableName, item.span, "this is no name of a variable", help()),
                }
            }
        }
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                let name = key_text(&key);
                match value.kind {
                    _ if !valid_variable(&name) => {
                        fields.report(Code::VariableName, key.span, "this is no name of a variable", help());
                    }
                    NodeKind::Scalar(Value::String(text)) => {
                        out.push(EnvGrant { name, value: Some(text), span: key.span });
                    }
                    NodeKind::Scalar(Value::Null) => out.push(EnvGrant { name, value: None, span: key.span }),
                    _ => fields.report(
                        Code::WrongKind,
                        value.span,
                        "a variable's value is a string",
                        Some("write it in quotes".into()),
                    ),
                }
            }
        }
        _ => fields.report(Code::WrongKind, span, "`env` is a list of names or a mapping", help()),
    }
}

fn valid_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
