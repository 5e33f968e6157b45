//! A function that a plugin exports: its parameters and its result.

use std::fmt;
use std::sync::Arc;

use super::ty::Type;

/// A function that a plugin exports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The interface that exports it, such as `ns:pkg/iface@1.0.0`; `None` for the world itself.
    pub interface: Option<String>,
    /// The function's name in kebab-case.
    pub name: String,
    /// Parameter names and types in declared order.
    pub params: Vec<(String, Type)>,
    /// What it returns, as declared.
    pub result: Option<Type>,
    /// The documentation that its author wrote in WIT, if the binary contains it.
    pub docs: Option<String>,
    /// Whether this is a WASI command: its only parameter, a list of strings, is its argv.
    pub command: bool,
}

impl Signature {
    /// Creates the only function of a plugin that is a WASI command. `interface` is where a
    /// component exports it.
    pub fn command(interface: Option<String>) -> Self {
        let params = vec![("args".to_owned(), Type::List(Arc::new(Type::String)))];
        Self { interface, name: "run".to_owned(), params, result: None, docs: None, command: true }
    }

    /// Returns the type of the return value that a build keeps: the `ok` side if the function
    /// returns a result.
    pub fn retval(&self) -> Option<&Type> {
        match &self.result {
            Some(Type::Result(ok, _)) => ok.as_deref(),
            other => other.as_ref(),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.command {
            return f.write_str("a command, whose `args` are strings");
        }
        write!(f, "{}: func(", self.name)?;
        for (i, (name, t)) in self.params.iter().enumerate() {
            write!(f, "{}{name}: {t}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(")")?;
        match &self.result {
            Some(result) => write!(f, " -> {result}"),
            None => Ok(()),
        }
    }
}
