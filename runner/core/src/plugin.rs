//! What a plugin's binary says of itself, read without compiling it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::nearest;
use crate::types::Signature;
use crate::types::same_name;

/// A plugin as it was read.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The file, as a person would type it.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: Arc<str>,
    /// The file's bytes.
    pub bytes: Arc<[u8]>,
    /// What it exports.
    pub functions: Vec<Arc<Signature>>,
    /// What it exports that cannot be called, with the reason.
    pub refused: Vec<(String, String)>,
    /// The interfaces it imports, such as `wasi:cli/environment@0.2.6`.
    pub imports: Vec<String>,
}

/// Why an export could not be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchExport {
    /// What kind of mistake it is.
    pub code: Code,
    /// In words.
    pub message: String,
    /// What would mend it.
    pub help: Option<String>,
}

impl Plugin {
    /// The function that `export` names: `f`, `iface#f` or `ns:pkg/iface#f`, a version may be left out.
    ///
    /// # Errors
    ///
    /// None, or more than one.
    pub fn find(&self, export: &str) -> Result<&Arc<Signature>, NoSuchExport> {
        let (interface, name) = match export.rsplit_once('#') {
            Some((interface, name)) => (Some(interface), name),
            None => (None, export),
        };
        let named = self.functions.iter().filter(|f| same_name(&f.name, name));
        let found: Vec<_> = named.filter(|f| interface.is_none_or(|wanted| is_interface(f, wanted))).collect();
        let in_world = found.iter().find(|f| f.interface.is_none());
        match (found.as_slice(), in_world) {
            ([one], _) => Ok(one),
            (_, Some(function)) if interface.is_none() => Ok(function),
            ([], _) => Err(self.missing(export, name)),
            (several, _) => {
                let names = several.iter().map(|f| format!("`{}`", f.export())).collect::<Vec<_>>();
                Err(NoSuchExport {
                    code: Code::AmbiguousFunction,
                    message: format!("`{export}` is exported by {} interfaces", several.len()),
                    help: Some(format!("write one of {}", names.join(", "))),
                })
            }
        }
    }

    fn missing(&self, export: &str, name: &str) -> NoSuchExport {
        let message = format!("`{}` exports no function `{export}`", self.path.display());
        if let Some((name, reason)) = self.refused.iter().find(|(refused, _)| same_name(refused, name)) {
            let message = format!("`{name}` cannot be a job's function: {reason}");
            return NoSuchExport { code: Code::NotCallable, message, help: None };
        }
        let names: Vec<_> = self.functions.iter().map(|f| f.export()).collect();
        let bare = self.functions.iter().map(|f| f.name.as_str());
        let help = match nearest(name, bare) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it exports no function at all".to_owned(),
            None => format!("it exports {}", crate::diagnostic::listed(names.iter().map(String::as_str))),
        };
        NoSuchExport { code: Code::NoSuchFunction, message, help: Some(help) }
    }
}

fn is_interface(function: &Signature, wanted: &str) -> bool {
    let Some(full) = function.interface.as_deref() else {
        return false;
    };
    let unversioned = full.split('@').next().unwrap_or(full);
    let bare = unversioned.rsplit('/').next().unwrap_or(unversioned);
    [full, unversioned, bare].contains(&wanted)
}

impl Signature {
    /// How a manifest names it beside others: `f`, or `ns:pkg/iface#f`.
    pub fn export(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{}#{}", interface.split('@').next().unwrap_or(interface), self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(exports: &[(Option<&str>, &str)]) -> Plugin {
        let functions = exports.iter().map(|(interface, name)| {
            Arc::new(Signature {
                interface: interface.map(str::to_owned),
                name: (*name).to_owned(),
                params: Vec::new(),
                result: None,
                docs: None,
            })
        });
        Plugin {
            path: "p.wasm".into(),
            digest: "0".into(),
            bytes: Arc::from([]),
            functions: functions.collect(),
            refused: vec![("open".into(), "resource".into())],
            imports: Vec::new(),
        }
    }

    #[test]
    fn an_export_is_found_by_each_of_its_names() {
        let plugin = plugin(&[(None, "add-two"), (Some("a:b/math@1.0.0"), "mul")]);
        for name in ["add-two", "add_two", "mul", "math#mul", "a:b/math#mul", "a:b/math@1.0.0#mul"] {
            assert!(plugin.find(name).is_ok(), "{name}");
        }
        assert_eq!(plugin.find("other#mul").unwrap_err().message, "`p.wasm` exports no function `other#mul`");
    }

    #[test]
    fn what_cannot_be_found_is_explained() {
        let plugin = plugin(&[(Some("a:b/x"), "f"), (Some("a:b/y"), "f"), (None, "total")]);
        assert_eq!(plugin.find("f").unwrap_err().help.unwrap(), "write one of `a:b/x#f`, `a:b/y#f`");
        assert_eq!(plugin.find("totel").unwrap_err().help.unwrap(), "did you mean `total`?");
        assert_eq!(plugin.find("open").unwrap_err().message, "`open` cannot be a job's function: resource");
    }
}
