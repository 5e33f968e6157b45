//! `notify` of `jobcontrol.yaml`: the receivers of messages about failed runs.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::diagnostic::nearest;
use crate::http::Host;
use crate::secret::SecretSource;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;

use super::secrets::read_command;

/// Every key of an entry.
const KEYS: &[&str] = &["command", "webhook", "secret"];
/// What an entry looks like.
const HELP: &str = "write `{ command: [PROGRAM, ..] }`, or `{ webhook: \"https://HOST/PATH\" }`";

/// A receiver of messages about failed runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// A program with its arguments. A program path that contains a `/` is relative to the folder
    /// of jobcontrol.yaml.
    Command(Vec<String>),
    /// An HTTP request to an address.
    Webhook {
        /// An `http` or `https` URL.
        url: String,
        /// The name of the secret that requests are signed with; one of `secrets`.
        secret: Option<String>,
    },
}

/// Takes `notify`. `secrets` holds all secrets, by name.
pub(super) fn read_notify(fields: &mut Fields<'_>, secrets: &BTreeMap<String, SecretSource>) -> Vec<Notify> {
    let entries = fields.list("notify").unwrap_or_default();
    entries.into_iter().filter_map(|entry| read_entry(entry, secrets, fields)).collect()
}

fn read_entry(node: Node, secrets: &BTreeMap<String, SecretSource>, fields: &mut Fields<'_>) -> Option<Notify> {
    let whole = node.span;
    let mut entry = Fields::new(fields.source, fields.problems, node, "an entry of `notify`")?;
    let (has_command, has_webhook) = (entry.peek("command").is_some(), entry.peek("webhook").is_some());
    let misspelt = ["command", "webhook"].iter().any(|key| entry.has_misspelt(key, KEYS));
    if has_command == has_webhook && !misspelt {
        let message = "an entry of `notify` has either `command` or `webhook`";
        entry.report(Code::InvalidNotification, whole, message, Some(HELP.to_owned()));
    }
    let command = read_command(&mut entry, Code::InvalidNotification, "mail-operators");
    let url = read_url(&mut entry);
    let secret = read_secret(secrets, &mut entry, has_command);
    entry.finish(KEYS, &[]);
    match (command, url) {
        (Some(command), None) => Some(Notify::Command(command)),
        (None, Some(url)) => Some(Notify::Webhook { url, secret }),
        _ => None,
    }
}

fn read_url(entry: &mut Fields<'_>) -> Option<String> {
    let (url, span) = entry.string("webhook")?;
    if !is_url(&url) {
        // The URL may contain a password, so the message does not repeat it.
        let help = Some("write `webhook: \"https://HOST/PATH\"`".to_owned());
        entry.report(Code::InvalidNotification, span, "`webhook` is not an `http` or `https` URL", help);
    }
    Some(url)
}

/// Returns whether a text is a URL that a request can be sent to. A URL with a user name and a
/// password before its host is not.
fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    Host::parse(host).is_ok() && port.is_none_or(is_port) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn read_secret(secrets: &BTreeMap<String, SecretSource>, entry: &mut Fields<'_>, has_command: bool) -> Option<String> {
    let (name, span) = entry.string("secret")?;
    if has_command {
        let message = "`secret` signs the requests of a webhook, but a command makes none";
        entry.report(Code::InvalidNotification, span, message, None);
    } else if !secrets.contains_key(&name) {
        let near = nearest(&name, secrets.keys().map(String::as_str));
        let help = near.map_or_else(
            || format!("to add it, write `secrets: {{ {name}: {{ env: VARIABLE }} }}`"),
            |near| format!("did you mean `{near}`?"),
        );
        entry.report(Code::NoSuchSecret, span, format!("there is no secret `{name}`"), Some(help));
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_and_a_host() {
        for url in ["https://hooks.example.com/a?b=c", "http://10.0.0.5:8080", "http://[::1]:80/x", "https://[::1]/x"] {
            assert!(is_url(url), "{url}");
        }
        for text in [
            "hooks.example.com",
            "https://",
            "https:///x",
            "ftp://a.com",
            "https://u:p@a.com",
            "http://a:0",
            "http://a/b c",
        ] {
            assert!(!is_url(text), "{text}");
        }
    }
}
