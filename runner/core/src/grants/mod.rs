//! What a job file lets its plugin touch.

use crate::diagnostic::Span;
use crate::value::Value;

/// What a job file lets its plugin touch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// Folders.
    pub files: Vec<FilesGrant>,
    /// Environment variables.
    pub env: Vec<EnvGrant>,
    /// Where `grants` stands, if it was given.
    pub span: Option<Span>,
}

/// A folder of the host that the plugin sees.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesGrant {
    /// The folder, relative to the manifest's.
    pub host: String,
    /// The absolute path under which the plugin sees it.
    pub guest: String,
    /// Whether it may write there.
    pub write: bool,
    /// Where `host` stands.
    pub span: Span,
}

/// An environment variable that the plugin sees.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvGrant {
    /// Its name.
    pub name: String,
    /// Its value, or none to take the runner's own at the time of the build.
    pub value: Option<String>,
    /// Where it stands.
    pub span: Span,
}

impl Grants {
    pub(crate) fn to_config(&self) -> Value {
        let files = self.files.iter().map(|grant| {
            let mode = if grant.write { "write" } else { "read" };
            Value::Map(vec![
                ("host".to_owned(), Value::string(&grant.host)),
                ("guest".to_owned(), Value::string(&grant.guest)),
                ("mode".to_owned(), Value::string(mode)),
            ])
        });
        let env =
            self.env.iter().map(|grant| (grant.name.clone(), grant.value.clone().map_or(Value::Null, Value::String)));
        Value::Map(vec![
            ("files".to_owned(), Value::List(files.collect())),
            ("env".to_owned(), Value::Map(env.collect())),
        ])
    }
}
