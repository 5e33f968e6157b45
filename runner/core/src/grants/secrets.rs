//! `grants: { secrets: [..] }`: secrets that the plugin sees as environment variables.

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::secret::valid_name;
use crate::value::Value;
use crate::yaml::fields::Fields;

use super::grant::Grant;
use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// A secret that the plugin sees as an environment variable with the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretGrant {
    /// The name of the secret.
    pub name: String,
    /// The place of the name in the manifest.
    pub span: Span,
}

impl Grant for SecretGrant {
    const KEY: &'static str = "secrets";

    fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        let mut grants: Vec<Self> = Vec::new();
        for key in fields.strings(Self::KEY) {
            if !valid_name(&key.name) {
                let message = format!("`{}` cannot be the name of a secret", key.name);
                let help = "write a name that jobcontrol.yaml has under `secrets:`".to_owned();
                fields.report(Code::SecretSyntax, key.span, message, Some(help));
            } else if !grants.iter().any(|grant| grant.name == key.name) {
                grants.push(Self { name: key.name, span: key.span });
            }
        }
        grants
    }

    fn pack(grants: &[Self]) -> Option<Value> {
        let names: Vec<_> = grants.iter().map(|grant| Value::string(&grant.name)).collect();
        (!names.is_empty()).then_some(Value::List(names))
    }

    fn unpack(packed: &Value) -> Vec<Self> {
        let names = packed.items().iter().filter_map(Value::as_str).filter(|name| valid_name(name));
        names.map(|name| Self { name: name.to_owned(), span: Span::default() }).collect()
    }

    fn schema() -> serde_json::Value {
        json!({
            "description": "Secrets of jobcontrol.yaml that the plugin sees as environment variables.",
            "type": ["array", "null"], "items": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$|\\$\\{" },
        })
    }

    /// A secret is granted again if today's job still takes it. If the job no longer exists, only
    /// the operator's list decides.
    fn still_granted(granted: &[Self], _repeated: &Repeated<'_>, today: &Today<'_, [Self]>) -> Result<(), Withdrawn> {
        still_named(granted.iter().map(|grant| grant.name.as_str()), today, |grant| &grant.name)
    }
}

/// Checks whether a repeated build with these secrets in its arguments may have all of them again.
/// If the job still exists, it must pass the same secrets to its plugin.
///
/// # Errors
///
/// Returns the first secret that today's job does not name.
pub fn secrets_still_named(named: &[(&str, Span)], today: &Today<'_, [(&str, Span)]>) -> Result<(), Withdrawn> {
    still_named(named.iter().map(|(name, _)| *name), today, |(name, _)| name)
}

fn still_named<'a, T>(
    mut named: impl Iterator<Item = &'a str>,
    today: &Today<'_, [T]>,
    name: impl Fn(&T) -> &str,
) -> Result<(), Withdrawn> {
    let now = match today {
        Today::Gone => return Ok(()),
        Today::Grants(now) => *now,
        Today::Unknown(_) => &[],
    };
    match named.find(|wanted| !now.iter().any(|one| name(one) == *wanted)) {
        Some(wanted) => Err(today.withdrawn(format!("the secret `{wanted}`"), None)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_granted_again_where_todays_job_takes_it_too() {
        let grant = |name: &str| SecretGrant { name: name.to_owned(), span: Span::default() };
        let repeated = Repeated { folder: "", operator_lists_files: false, operator_lists_http: false };
        let still = |today: Today<'_, [SecretGrant]>| {
            SecretGrant::still_granted(&[grant("TOKEN")], &repeated, &today).map_err(|refused| refused.to_string())
        };
        assert_eq!(still(Today::Grants(&[grant("OTHER"), grant("TOKEN")])), Ok(()));
        let no_longer = "it was granted the secret `TOKEN`, but its job no longer grants that";
        assert_eq!(still(Today::Grants(&[grant("OTHER")])), Err(no_longer.to_owned()));
        assert_eq!(still(Today::Gone), Ok(()));
        assert!(still(Today::Unknown("why")).is_err());
    }
}
