//! `grants: { env: .. }`: environment variables that the plugin sees.

use std::sync::Arc;

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::limits::show_bytes;
use crate::plugin::Plugin;
use crate::value::Name;
use crate::value::SECRET_KEY;
use crate::value::Value;
use crate::yaml::environment::Environment;
use crate::yaml::fields::Fields;
use crate::yaml::node::Node;
use crate::yaml::node::NodeKind;
use crate::yaml::node::key_text;

use super::grant::Grant;
use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// Most bytes that all variables of a plugin take together, including the two that every plugin
/// has. The libraries of its language read all of them at once and hold no more.
const MOST: usize = 128 << 10;

/// Largest variable that the stock adapter for preview1 can read, in bytes. The adapter has one
/// page of memory for the variable and everything else.
const STOCK_ADAPTER: usize = 50_000;

/// Bytes that a variable takes besides its name and value, in the form that libraries keep.
const ENTRY: usize = "=\0".len();

/// Bytes of the variables that every plugin has.
const OWN: usize = "NO_COLOR=1\0TERM=dumb\0".len();

/// An environment variable that the plugin sees.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvGrant {
    /// The name of the variable.
    pub name: String,
    /// Its value, or `None` to take the value from the runner's environment at the time of the
    /// build.
    pub value: Option<String>,
    /// The place of the variable in the manifest.
    pub span: Span,
}

impl EnvGrant {
    /// Reports variables that are too large together, at the place of the largest one. `values` are
    /// the resolved values, one for each grant.
    pub fn too_large(grants: &[Self], values: &[(String, String)], source: &Arc<Source>) -> Option<Diagnostic> {
        let size = |(name, value): &(String, String)| name.len() + value.len() + ENTRY;
        let all = OWN + values.iter().map(size).sum::<usize>();
        let largest = values.iter().max_by_key(|variable| size(variable)).filter(|_| all > MOST)?;
        let grant = grants.iter().find(|grant| grant.name == largest.0)?;
        let most = show_bytes(MOST as u64);
        let message = format!("the granted variables take {all} bytes together, but a plugin can have at most {most}");
        let help = format!("`{}` alone takes {}; give large data to the plugin in a file", grant.name, size(largest));
        Some(Diagnostic::at(Code::EnvironmentTooLarge, source, grant.span, message).help(help))
    }

    /// Reports a variable that is too large for a plugin whose toolchain added the stock adapter
    /// for preview1.
    pub fn too_large_for_adapter(
        grants: &[Self],
        values: &[(String, String)],
        plugin: &Plugin,
        source: &Arc<Source>,
    ) -> Option<Diagnostic> {
        let size = |(name, value): &(String, String)| name.len() + value.len() + ENTRY;
        let largest = values.iter().max_by_key(|variable| size(variable));
        let largest = largest.filter(|variable| plugin.stock_adapter && size(variable) > STOCK_ADAPTER)?;
        let grant = grants.iter().find(|grant| grant.name == largest.0)?;
        let (name, bytes) = (&grant.name, size(largest));
        let message =
            format!("`{name}` takes {bytes} bytes, but a variable of this plugin can take at most {STOCK_ADAPTER}");
        let help = format!(
            "`{}` reads its variables through the preview1 adapter of its toolchain, which traps on a larger one; grant \
             several smaller ones, or give the data to the plugin in a file",
            plugin.path.display()
        );
        Some(Diagnostic::at(Code::EnvironmentTooLarge, source, grant.span, message).help(help))
    }

    /// Returns the value that the plugin sees. `source` is the manifest that contains the grant.
    ///
    /// # Errors
    ///
    /// Returns an error if the value comes from the runner's environment and the variable is not
    /// set, or if jobcontrol.yaml does not list it.
    pub fn resolve(&self, environment: &Environment, source: &Arc<Source>) -> Result<String, Diagnostic> {
        let name = &self.name;
        match (&self.value, environment.0.get(name)) {
            (Some(value), _) | (None, Some(Some(value))) => Ok(value.clone()),
            (None, Some(None)) => {
                let message = format!("the environment variable `{name}` is not set");
                Err(Diagnostic::at(Code::VariableNotSet, source, self.span, message))
            }
            (None, None) => {
                let message = format!("`{name}` may not be taken from the environment");
                let help = format!("list it in jobcontrol.yaml: `environment: [{name}]`");
                Err(Diagnostic::at(Code::VariableNotAllowed, source, self.span, message).help(help))
            }
        }
    }
}

impl Grant for EnvGrant {
    const KEY: &'static str = "env";

    fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        let Some((_, node)) = fields.take(Self::KEY) else {
            return Vec::new();
        };
        let mut grants = Vec::new();
        match node.kind {
            NodeKind::Seq(items) => {
                for item in items {
                    match item.kind {
                        _ if item.tag.is_some() => tagged(&item, fields),
                        NodeKind::Scalar(Value::String(name)) if is_name(&name) => {
                            grants.push(Self { name, value: None, span: item.span });
                        }
                        _ => not_a_name(item.span, fields),
                    }
                }
            }
            NodeKind::Map(entries) => {
                for (key, value) in entries {
                    let (name, span) = (key_text(&key), key.span);
                    match value.kind {
                        _ if value.tag.is_some() => tagged(&value, fields),
                        _ if !is_name(&name) => not_a_name(span, fields),
                        NodeKind::Scalar(Value::String(text)) => grants.push(Self { name, value: Some(text), span }),
                        NodeKind::Scalar(Value::Null) => grants.push(Self { name, value: None, span }),
                        _ => {
                            let help = Some("write it in quotes".to_owned());
                            fields.report(Code::WrongKind, value.span, "a variable's value is a string", help);
                        }
                    }
                }
            }
            _ => fields.report(Code::WrongKind, node.span, "`env` is a list of names or a mapping", syntax_help()),
        }
        grants
    }

    fn pack(grants: &[Self]) -> Option<Value> {
        let entry = |grant: &Self| (grant.name.clone(), grant.value.clone().map_or(Value::Null, Value::String));
        Some(Value::map(grants.iter().map(entry)))
    }

    fn unpack(packed: &Value) -> Vec<Self> {
        let entry = |(name, value): &(Name, Value)| Self {
            name: name.to_string(),
            value: value.as_str().map(str::to_owned),
            span: Span::default(),
        };
        packed.entries().iter().map(entry).collect()
    }

    fn schema() -> serde_json::Value {
        let variable = "^[A-Za-z0-9_]+$";
        json!({
            "description": "Variables of the environment: names that jobcontrol.yaml lists, or names with values.",
            "anyOf": [
                { "type": "array", "items": { "type": "string", "pattern": variable } },
                {
                    "type": "object",
                    "patternProperties": { variable: { "type": ["string", "null"] } },
                    "additionalProperties": false,
                },
            ],
        })
    }

    /// A variable from the runner's environment is granted again if today's job still takes it. If
    /// the job no longer exists, only the operator's list decides.
    fn still_granted(granted: &[Self], _repeated: &Repeated<'_>, today: &Today<'_, [Self]>) -> Result<(), Withdrawn> {
        let now = match today {
            Today::Gone => return Ok(()),
            Today::Grants(now) => *now,
            Today::Unknown(_) => &[],
        };
        let still = |wanted: &Self| now.iter().any(|grant| grant.name == wanted.name && grant.value.is_none());
        match granted.iter().find(|wanted| wanted.value.is_none() && !still(wanted)) {
            Some(wanted) => Err(today.withdrawn(format!("the variable `{}`", wanted.name), None)),
            None => Ok(()),
        }
    }
}

/// Reports a value with a tag, which `env` does not take. Secrets have a separate grant.
fn tagged(node: &Node, fields: &mut Fields<'_>) {
    let message = format!("`env` does not take {}", node.shown());
    let help = match node.tag.as_deref() {
        Some(SECRET_KEY) => format!("write `secrets: [{}]` beside `env` for a variable of that name", node.text),
        _ => "a text that begins with `!` must be in quotes".to_owned(),
    };
    fields.report(Code::WrongKind, node.span, message, Some(help));
}

fn not_a_name(span: Span, fields: &mut Fields<'_>) {
    fields.report(Code::VariableName, span, "this is not the name of a variable", syntax_help());
}

fn syntax_help() -> Option<String> {
    Some("write `[NAME]`, or `{NAME: value}`".to_owned())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(value: Option<&str>) -> EnvGrant {
        EnvGrant { name: "TOKEN".to_owned(), value: value.map(str::to_owned), span: Span::default() }
    }

    #[test]
    fn variables_are_counted_together() {
        let source = Arc::new(Source { path: "x.yaml".into(), text: "env: { A: .., TOKEN: .. }".into() });
        let told = |bytes: usize| {
            let values = [("A".to_owned(), "x".repeat(10)), ("TOKEN".to_owned(), "x".repeat(bytes))];
            EnvGrant::too_large(&[variable(None)], &values, &source).map(|problem| problem.message)
        };
        let room = MOST - OWN - "A=\0TOKEN=\0".len() - 10;
        assert_eq!(told(room), None);
        let message = "the granted variables take 131073 bytes together, but a plugin can have at most 128 KiB";
        assert_eq!(told(room + 1).as_deref(), Some(message));
    }

    #[test]
    fn a_variable_of_the_runner_is_granted_again_where_todays_job_takes_it_too() {
        let repeated = Repeated { folder: "", operator_lists_files: false, operator_lists_http: false };
        let still = |was: Option<&str>, today: Today<'_, [EnvGrant]>| {
            EnvGrant::still_granted(&[variable(was)], &repeated, &today).map_err(|refused| refused.to_string())
        };
        let no_longer = Err("it was granted the variable `TOKEN`, but its job no longer grants that".to_owned());
        assert_eq!(still(None, Today::Grants(&[variable(None)])), Ok(()));
        assert_eq!(still(None, Today::Grants(&[variable(Some("x"))])), no_longer);
        assert_eq!(still(None, Today::Grants(&[])), no_longer);
        assert_eq!(still(None, Today::Gone), Ok(()));
        assert!(still(None, Today::Unknown("why")).unwrap_err().ends_with("still grants that (why)"));
        assert_eq!(still(Some("x"), Today::Grants(&[])), Ok(()));
    }
}
