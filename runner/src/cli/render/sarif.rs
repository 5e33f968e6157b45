//! Diagnostics as SARIF 2.1.0, which code hosts and editors show beside the lines.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Component;
use std::path::Path;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Label;
use serde_json::Value;
use serde_json::json;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Builds a log of one run with all diagnostics, and a rule for each code among them.
pub(crate) fn log(problems: &[Diagnostic]) -> Value {
    let codes: BTreeSet<Code> = problems.iter().map(|problem| problem.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let results: Vec<_> = problems.iter().map(|problem| result(problem, &codes)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "jobcontrol",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().copied().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    let explanation = code.explanation();
    let meaning = explanation.meaning.replace('\n', " ");
    json!({
        "id": code.id(),
        "name": format!("{code:?}"),
        "shortDescription": { "text": format!("{}.", code.title()) },
        "fullDescription": { "text": meaning },
        "help": { "text": format!("{meaning} `jobcontrol explain {code}` has an example."), "markdown": explanation.markdown },
        "defaultConfiguration": { "level": code.severity().name() },
    })
}

fn result(problem: &Diagnostic, codes: &[Code]) -> Value {
    let mut text = problem.message.clone();
    for help in &problem.help {
        let _ = write!(text, "\nhelp: {help}");
    }
    let mut result = json!({
        "ruleId": problem.code.id(),
        "ruleIndex": codes.iter().position(|code| *code == problem.code),
        "level": problem.severity().name(),
        "message": { "text": text },
        "locations": location(problem).into_iter().collect::<Vec<_>>(),
    });
    if !problem.related.is_empty() {
        let related = problem.related.iter().enumerate().map(|(id, label)| {
            let mut place = at(label);
            place["id"] = id.into();
            place["message"] = json!({ "text": label.text });
            place
        });
        result["relatedLocations"] = related.collect();
    }
    result
}

fn location(problem: &Diagnostic) -> Option<Value> {
    match (&problem.label, problem.path()) {
        (Some(label), _) => Some(at(label)),
        (None, Some(path)) => Some(json!({ "physicalLocation": { "artifactLocation": { "uri": uri(path) } } })),
        (None, None) => None,
    }
}

fn at(label: &Label) -> Value {
    let (line, column) = label.source.position(label.span.start);
    let (end_line, end_column) = label.source.position(label.span.end);
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&label.source.path) },
        "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
    }})
}

/// Writes a path as a URI: relative to the working directory, or with `file:` if it is absolute.
/// Unusual bytes are written as `%XX`.
fn uri(path: &str) -> String {
    let path = Path::new(path);
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(encoded(name.as_encoded_bytes())),
        Component::ParentDir => Some("..".to_owned()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    let joined = parts.collect::<Vec<_>>().join("/");
    if path.is_absolute() { format!("file:///{joined}") } else { joined }
}

fn encoded(name: &[u8]) -> String {
    let mut out = String::new();
    for byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./jobs/a b:ü#.yaml"), "jobs/a%20b%3A%C3%BC%23.yaml");
        assert_eq!(uri("../jobs/x.yaml"), "../jobs/x.yaml");
        assert_eq!(uri("/srv/jobs/x.yaml"), "file:///srv/jobs/x.yaml");
    }
}
