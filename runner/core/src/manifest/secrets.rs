//! `secrets` of `jobcontrol.yaml`: where the value of each secret comes from.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::secret::SecretSource;
use crate::secret::valid_name;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;

/// The keys of a source. A source has exactly one of them.
const SOURCES: &[&str] = &["env", "file", "command"];

/// What a source looks like.
const HELP: &str = "write `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [PROGRAM, ..] }`";

/// Takes `secrets` of `jobcontrol.yaml`. `environment` lists the variables that manifests may take.
pub(super) fn read_secrets(fields: &mut Fields<'_>, environment: &[String]) -> BTreeMap<String, SecretSource> {
    let mut secrets = BTreeMap::new();
    for (key, node) in fields.mapping("secrets", "{ TOKEN: { env: API_TOKEN } }") {
        let name = key_text(&key);
        if !valid_name(&name) {
            let help = Some("a name is at most 64 letters, digits and `_`, and does not begin with a digit".to_owned());
            let message = format!("`{name}` cannot be the name of a secret");
            fields.report(Code::InvalidSecret, key.span, message, help);
        } else if let Some(source) = read_source(node, &name, environment, fields) {
            secrets.insert(name, source);
        }
    }
    secrets
}

fn read_source(node: Node, name: &str, environment: &[String], fields: &mut Fields<'_>) -> Option<SecretSource> {
    let whole = node.span;
    if !matches!(node.kind, NodeKind::Map(_)) {
        // The text may be the secret value itself, so the message does not repeat it.
        fields.report(Code::InvalidSecret, whole, format!("`{name}` needs a source"), Some(HELP.to_owned()));
        return None;
    }
    let mut source = Fields::new(fields.source, fields.problems, node, "a source")?;
    let given = SOURCES.iter().filter(|key| source.peek(key).is_some()).count();
    let misspelt = SOURCES.iter().any(|key| source.has_misspelt(key, SOURCES));
    if given > 1 || given == 0 && !misspelt {
        let message = format!("`{name}` has {} sources, but needs one", if given == 0 { "no" } else { "several" });
        source.report(Code::InvalidSecret, whole, message, Some(HELP.to_owned()));
    }
    let variable = source.string("env");
    if let Some((variable, span)) = variable.as_ref().filter(|(variable, _)| environment.contains(variable)) {
        let message = format!("`{variable}` holds the value of a secret, but `environment` gives it to every manifest");
        source.report(Code::InvalidSecret, *span, message, Some("remove it from `environment`".to_owned()));
    }
    let file = source.string("file");
    let command = read_command(&mut source, Code::InvalidSecret, "pass, show, api/token");
    source.finish(SOURCES, &[]);
    match (variable, file) {
        _ if given != 1 => None,
        (Some((variable, _)), _) => Some(SecretSource::Env(variable)),
        (None, Some((path, _))) => Some(SecretSource::File(path)),
        (None, None) => command.map(SecretSource::Command),
    }
}

/// Reads a program with its arguments. Mistakes are reported with `code`; `example` shows the
/// contents of such a list.
pub(super) fn read_command(source: &mut Fields<'_>, code: Code, example: &str) -> Option<Vec<String>> {
    let node = source.peek("command")?;
    let (span, text) = (node.span, matches!(node.kind, NodeKind::Scalar(_)).then(|| node.text.clone()));
    let command: Vec<_> = match &text {
        Some(_) => source.take("command").map(|_| Vec::new()).unwrap_or_default(),
        None => source.strings("command").into_iter().map(|key| key.name).collect(),
    };
    if command.first().is_none_or(String::is_empty) {
        let words = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(", ");
        let words = if words.is_empty() { example.to_owned() } else { words };
        let message = "`command` is a list of a program and its arguments";
        source.report(code, span, message, Some(format!("write `command: [{words}]`")));
    }
    Some(command)
}
