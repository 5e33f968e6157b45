//! `grants: { files: [..] }`: folders of the host that the plugin sees.

use std::path::Path;
use std::path::PathBuf;

use serde_json::json;

use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::limits::Unit;
use crate::schema::parts::described;
use crate::schema::parts::object;
use crate::schema::parts::or_variable;
use crate::value::Value;
use crate::yaml::fields::Fields;
use crate::yaml::quantity::number;

use super::grant::Grant;
use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// Every key of an entry.
const KEYS: &[&str] = &["host", "guest", "mode", "quota"];

/// Largest quota, in bytes: more than any disk holds.
const MAX_QUOTA: u64 = 1 << 60;

/// A folder of the host that the plugin sees.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesGrant {
    /// The folder, relative to the manifest's folder.
    pub host: String,
    /// The absolute path under which the plugin sees it.
    pub guest: String,
    /// Whether the plugin may write there.
    pub write: bool,
    /// Bytes that an attempt may write there, if there is a limit.
    pub quota: Option<u64>,
    /// The place of `host` in the manifest.
    pub span: Span,
}

impl FilesGrant {
    /// Returns the path of the folder, for a job whose paths are relative to `folder`. Links are
    /// not followed.
    pub fn path(&self, folder: &str) -> PathBuf {
        Path::new(folder).join(&self.host).components().collect()
    }

    fn mode(&self) -> &'static str {
        if self.write { "write" } else { "read" }
    }

    /// Returns whether this grants everything that `wanted` asks for.
    fn covers(&self, wanted: &Self) -> bool {
        let room = self.quota.is_none_or(|most| !wanted.write || wanted.quota.is_some_and(|quota| quota <= most));
        self.host == wanted.host && self.guest == wanted.guest && (self.write || !wanted.write) && room
    }
}

impl Grant for FilesGrant {
    const KEY: &'static str = "files";

    fn read(fields: &mut Fields<'_>) -> Vec<Self> {
        let mut grants: Vec<Self> = Vec::new();
        for item in fields.list(Self::KEY).unwrap_or_default() {
            let Some(mut file) = Fields::new(fields.source, fields.problems, item, "an entry of `files`") else {
                continue;
            };
            if let Some(grant) = read_entry(&mut file) {
                let place = |guest: &str| guest.trim_end_matches('/').to_owned();
                if grants.iter().any(|other| place(&other.guest) == place(&grant.guest)) {
                    let message = format!("`guest` path `{}` is given twice", grant.guest);
                    let help = Some("give each folder a different path".to_owned());
                    file.report(Code::GuestPathTwice, grant.span, message, help);
                }
                grants.push(grant);
            }
            file.finish(KEYS, &[]);
        }
        grants
    }

    fn pack(grants: &[Self]) -> Option<Value> {
        let entry = |grant: &Self| {
            let mut entry = vec![
                ("host", Value::string(&grant.host)),
                ("guest", Value::string(&grant.guest)),
                ("mode", Value::string(grant.mode())),
            ];
            entry.extend(grant.quota.map(|quota| ("quota", Value::Int(quota.into()))));
            Value::map(entry)
        };
        Some(Value::List(grants.iter().map(entry).collect()))
    }

    fn unpack(packed: &Value) -> Vec<Self> {
        let entry = |grant: &Value| {
            let text = |key| grant.get(key).and_then(Value::as_str).map(str::to_owned);
            let write = text("mode").as_deref() == Some("write");
            let quota = match grant.get("quota") {
                Some(Value::Int(quota)) => u64::try_from(*quota).ok(),
                _ => None,
            };
            Some(Self { host: text("host")?, guest: text("guest")?, write, quota, span: Span::default() })
        };
        packed.items().iter().filter_map(entry).collect()
    }

    fn schema() -> serde_json::Value {
        let folder = json!({
            "host": { "description": "A folder of this machine, relative to the manifest.", "type": "string" },
            "guest": { "description": "The path at which the plugin sees it.", "type": "string", "pattern": "^/|\\$\\{" },
            "mode": described(
                "Whether the plugin may also write. `read` by default.", or_variable(&json!({ "enum": ["read", "write"] }))
            ),
            "quota": {
                "description": "Bytes that an attempt may write there, such as `1 GiB`; unbounded by default.",
                "type": "string", "pattern": "[0-9]|\\$\\{",
            },
        });
        json!({
            "description": "Folders that the plugin sees.",
            "type": ["array", "null"], "items": object(folder, &["host", "guest"]),
        })
    }

    /// A folder is granted again if today's job still grants it, or if the operator lists the
    /// folders.
    fn still_granted(granted: &[Self], repeated: &Repeated<'_>, today: &Today<'_, [Self]>) -> Result<(), Withdrawn> {
        let still = |wanted: &Self| today.grants().is_some_and(|now| now.iter().any(|grant| grant.covers(wanted)));
        if repeated.operator_lists_files {
            return Ok(());
        }
        let Some(wanted) = granted.iter().find(|wanted| !still(wanted)) else {
            return Ok(());
        };
        let host = wanted.path(repeated.folder);
        let host = host.display();
        let lines = format!("`ceiling: {{ files: [{{ host: {host}, mode: {} }}] }}`", wanted.mode());
        Err(today.withdrawn(format!("the folder `{host}`"), Some(format!("list it in jobcontrol.yaml: {lines}"))))
    }
}

fn read_entry(fields: &mut Fields<'_>) -> Option<FilesGrant> {
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
        let message = format!("`guest` is an absolute path, found `{guest}`");
        fields.report(Code::GuestPath, guest_span, message, Some("write `/data`".into()));
    }
    let quota = read_quota(fields, write);
    Some(FilesGrant { host, guest, write, quota, span })
}

/// Reads the number of bytes that an attempt may write in a folder. Reports a quota for a read-only
/// folder.
fn read_quota(fields: &mut Fields<'_>, write: bool) -> Option<u64> {
    let (key, node) = fields.take("quota")?;
    if !write {
        let help = Some("add `mode: write`, or leave `quota` out".to_owned());
        fields.report(Code::GrantMode, key.span, "`quota` limits what is written, but the grant is read-only", help);
    }
    number(&node, "quota", Unit::Bytes, MAX_QUOTA, fields)
}

/// Reads `mode` of a folder, and returns whether it allows writing. The default is read-only.
pub(crate) fn is_for_writing(fields: &mut Fields<'_>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(host: &str, write: bool) -> FilesGrant {
        FilesGrant { host: host.to_owned(), guest: "/data".to_owned(), write, quota: None, span: Span::default() }
    }

    #[test]
    fn a_folder_is_granted_again_where_todays_job_grants_as_much() {
        let repeated = Repeated { folder: "jobs", operator_lists_files: false, operator_lists_http: false };
        let still = |was: FilesGrant, now: FilesGrant| {
            FilesGrant::still_granted(&[was], &repeated, &Today::Grants(&[now])).is_ok()
        };
        assert!(still(folder("a", false), folder("a", true)));
        assert!(!still(folder("a", true), folder("a", false)));
        assert!(!still(folder("a", false), folder("b", false)));
    }

    #[test]
    fn what_is_refused_says_why_and_what_the_operator_can_do() {
        let was = [folder("../data", true)];
        let refused = |operator_lists_files, today: &Today<'_, [FilesGrant]>| {
            FilesGrant::still_granted(
                &was,
                &Repeated { folder: "jobs", operator_lists_files, operator_lists_http: false },
                today,
            )
        };
        assert_eq!(
            refused(false, &Today::Gone).unwrap_err().to_string(),
            "it was granted the folder `jobs/../data`, but its job no longer grants that; list it in jobcontrol.yaml: \
             `ceiling: { files: [{ host: jobs/../data, mode: write }] }`"
        );
        let unknown = refused(false, &Today::Unknown("no YAML")).unwrap_err().to_string();
        let said = "and it is not known whether its job still grants that (no YAML); list it";
        assert!(unknown.contains(said), "{unknown}");
        assert_eq!(refused(true, &Today::Gone), Ok(()));
    }

    #[test]
    fn every_key_is_in_the_schema() {
        let keys = FilesGrant::schema()["items"]["properties"].clone();
        assert!(KEYS.iter().all(|key| keys.get(key).is_some()), "{keys}");
    }
}
