//! Where the operator stores the value of a secret.

use std::fmt;

/// Minimum bytes of a secret: shorter values appear in every other text by chance.
pub const SHORTEST: usize = 8;

/// Maximum bytes of a secret: a key with its chain of certificates has a few thousand.
pub const MOST: usize = 64 << 10;

/// Where the operator stores the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the runner's environment.
    Env(String),
    /// A file that only its owner can read, relative to the folder of jobcontrol.yaml.
    File(String),
    /// The standard output of a command, given by its argv.
    Command(Vec<String>),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable `{name}`"),
            Self::File(path) => write!(f, "the file `{path}`"),
            Self::Command(argv) => write!(f, "the command `{}`", argv.first().map_or("", String::as_str)),
        }
    }
}
