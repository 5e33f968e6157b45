//! Where the operator says that a secret's value is.

use std::fmt;

/// The least bytes of a secret: what is shorter stands in every other text by chance.
pub const SHORTEST: usize = 8;

/// The most bytes of a secret: a key with its chain of certificates has a few thousand.
pub const MOST: usize = 64 << 10;

/// Where the operator says that a secret's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the runner's environment.
    Env(String),
    /// A file, relative to where jobcontrol.yaml stands, that nobody but its owner can read.
    File(String),
    /// What a command writes on its standard output, by its argv.
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
