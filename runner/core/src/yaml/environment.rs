//! `${NAME}` and `${NAME:-default}` in scalars; `$${` stands for `${` itself.

use std::collections::BTreeMap;

use crate::diagnostic::Code;

/// The environment variables that a manifest may name, with their values; `None` for a variable
/// that is allowed but not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(pub BTreeMap<String, Option<String>>);

/// Why the variables of a text could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Environment {
    /// Fills in the variables of a text. Returns `None` if the text does not name any.
    pub(crate) fn fill(&self, text: &str) -> Result<Option<String>, Refusal> {
        if !text.contains("${") {
            return Ok(None);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let end = rest[at..].find('}').ok_or_else(|| Refusal {
                code: Code::VariableSyntax,
                message: "`${` has no closing `}`".to_owned(),
                help: "write `$${` for the two characters themselves".to_owned(),
            })?;
            out.push_str(&self.variable(&rest[at + 2..at + end])?);
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        Ok(Some(out))
    }

    fn variable(&self, inside: &str) -> Result<String, Refusal> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if default.is_some_and(|default| default.contains("${")) {
            return Err(Refusal {
                code: Code::VariableSyntax,
                message: "a default cannot name another variable".to_owned(),
                help: "write the value itself".to_owned(),
            });
        }
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !letters {
            return Err(Refusal {
                code: Code::VariableSyntax,
                message: format!("`{name}` is not the name of an environment variable"),
                help: "write `${NAME}` or `${NAME:-default}`".to_owned(),
            });
        }
        match (self.0.get(name), default) {
            (None, _) => Err(Refusal {
                code: Code::VariableNotAllowed,
                message: format!("`{name}` may not be taken from the environment"),
                help: format!("list it in jobcontrol.yaml: `environment: [{name}]`"),
            }),
            (Some(Some(value)), _) if !value.is_empty() || default.is_none() => Ok(value.clone()),
            (Some(_), Some(default)) => Ok(default.to_owned()),
            (Some(_), None) => Err(Refusal {
                code: Code::VariableNotSet,
                message: format!("the environment variable `{name}` is not set"),
                help: format!("set it, or give a default: `${{{name}:-default}}`"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let set = [("HOST", Some("db")), ("EMPTY", Some("")), ("UNSET", None)];
        Environment(set.into_iter().map(|(k, v)| (k.to_owned(), v.map(str::to_owned))).collect())
    }

    #[test]
    fn variables_are_filled_in() {
        let fill = |text| environment().fill(text);
        assert_eq!(fill("plain"), Ok(None));
        assert_eq!(fill("//${HOST}/x"), Ok(Some("//db/x".into())));
        assert_eq!(fill("${UNSET:-a}${EMPTY:-b}${HOST:-c}"), Ok(Some("abdb".into())));
        assert_eq!(fill("$${HOST}"), Ok(Some("${HOST}".into())));
    }

    #[test]
    fn what_may_not_be_taken_is_refused() {
        let refusal = |text| environment().fill(text).unwrap_err().message;
        assert_eq!(refusal("${PATH:-x}"), "`PATH` may not be taken from the environment");
        assert_eq!(refusal("${UNSET}"), "the environment variable `UNSET` is not set");
        assert_eq!(refusal("${HOST"), "`${` has no closing `}`");
        assert_eq!(refusal("${UNSET:-${HOST}}"), "a default cannot name another variable");
        assert_eq!(refusal("${1A}"), "`1A` is not the name of an environment variable");
        assert_eq!(refusal("${a b}"), "`a b` is not the name of an environment variable");
    }
}
