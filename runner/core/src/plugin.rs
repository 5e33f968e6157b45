//! What a plugin's binary says about itself, read without compiling it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::diagnostic::Code;
use crate::diagnostic::listed;
use crate::diagnostic::nearest;
use crate::diagnostic::some_of;
use crate::functions::Functions;
use crate::kebab::kebab;
use crate::types::Signature;
use crate::types::same_name;

/// The kind of a plugin's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginKind {
    /// A component.
    Component,
    /// A core module that carries its WIT.
    WitModule,
    /// A core module whose exports take and return plain numbers.
    NumericModule,
    /// A core module that is a WASI preview1 command.
    CommandModule,
    /// A script that an interpreter runs.
    Script,
}

impl PluginKind {
    /// Returns whether it is called as a core module instead of being turned into a component.
    pub fn stays_core(self) -> bool {
        matches!(self, Self::NumericModule | Self::CommandModule)
    }

    /// Returns the kind in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::WitModule => "core module with WIT",
            Self::NumericModule => "core module with numeric exports",
            Self::CommandModule => "WASI preview1 command",
            Self::Script => "script",
        }
    }
}

/// A plugin after it was read.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The path of the file, as a person would type it.
    pub path: PathBuf,
    /// The kind of the file.
    pub kind: PluginKind,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: Arc<str>,
    /// The file's bytes.
    pub bytes: Arc<[u8]>,
    /// The functions it exports.
    pub functions: Functions,
    /// Exports that cannot be called, each with the reason.
    pub refused: Vec<(String, String)>,
    /// The interfaces it imports, such as `wasi:cli/environment@0.2.6`. For a plugin that stays a
    /// core module: the functions, such as `wasi_snapshot_preview1.fd_write`.
    pub imports: Vec<String>,
    /// Why an import cannot be linked although its name is known, as words that follow the plugin's
    /// name.
    pub misfit: Option<String>,
    /// Whether its toolchain included the stock adapter for preview1, which cannot hold a large
    /// variable.
    pub stock_adapter: bool,
    /// The language that it was written in and its compiler, according to the file.
    pub language: Option<String>,
    /// What its interpreter runs, if it is a script. `bytes` is then an archive of its files.
    pub script: Option<Arc<Script>>,
}

/// The parts of a script that an interpreter runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// SHA-256 of the interpreter, in hexadecimal.
    pub interpreter: String,
    /// All its files as one text.
    pub program: String,
    /// For each function, by its name in kebab case: a plan of how its values are passed and
    /// returned, as JSON.
    pub plans: Vec<(String, String)>,
}

/// The error for an export that was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchExport {
    /// The kind of mistake.
    pub code: Code,
    /// In words.
    pub message: String,
    /// A hint that fixes it.
    pub help: Option<String>,
}

impl Plugin {
    /// Returns the digest of the code that is compiled for it: the plugin's own, or that of its
    /// interpreter.
    pub fn code_digest(&self) -> &str {
        self.script.as_ref().map_or(&*self.digest, |script| &*script.interpreter)
    }

    /// Returns the function that `export` names: `f`, `iface#f` or `ns:pkg/iface#f`; the version
    /// may be left out. `None` means the function of a command.
    ///
    /// # Errors
    ///
    /// Returns an error if no function has this name, or more than one.
    pub fn find(&self, export: Option<&str>) -> Result<&Arc<Signature>, NoSuchExport> {
        let Some(export) = export else {
            return self.functions.iter().find(|f| f.command).ok_or_else(|| self.no_command());
        };
        // The author of a script writes names in the style of its language.
        let own = self.script.as_ref().map(|_| kebab(export));
        let export = own.as_deref().unwrap_or(export);
        match self.functions.named(export).as_slice() {
            [one] => Ok(one),
            [] => Err(self.missing(export, export.rsplit('#').next().unwrap_or(export))),
            several => {
                let names = several.iter().map(|f| format!("`{}`", self.shortest(f))).collect::<Vec<_>>();
                Err(NoSuchExport {
                    code: Code::AmbiguousFunction,
                    message: format!("`{export}` is exported by {} interfaces", several.len()),
                    help: Some(format!("write one of {}", some_of(names.iter().map(ToString::to_string)))),
                })
            }
        }
    }

    /// Returns the shortest name by which [`Plugin::find`] finds this function and no other. Empty
    /// for a command.
    pub fn shortest(&self, function: &Signature) -> String {
        self.functions.shortest(function)
    }

    fn no_command(&self) -> NoSuchExport {
        let shown = self.path.display();
        let message = format!("`{shown}` is not a command, so one of its functions must be named");
        let names: Vec<_> = self.functions.iter().map(|f| self.shortest(f)).collect();
        let help = match names.as_slice() {
            [] => "it exports no functions".to_owned(),
            names => format!("write `PLUGIN:FUNCTION`; it exports {}", listed(names.iter().map(String::as_str))),
        };
        NoSuchExport { code: Code::NoSuchFunction, message, help: Some(help) }
    }

    fn missing(&self, export: &str, name: &str) -> NoSuchExport {
        let shown = self.path.display();
        if let Some((name, reason)) = self.refused.iter().find(|(refused, _)| same_name(refused, name)) {
            let message = format!("`{name}` cannot be a job's function: {reason}");
            return NoSuchExport { code: Code::NotCallable, message, help: None };
        }
        if self.functions.iter().all(|f| f.command) && !self.functions.is_empty() {
            let message = format!("`{shown}` is a command, which exports no functions");
            let help = "name the plugin alone, without a colon; its `args` are strings".to_owned();
            return NoSuchExport { code: Code::NoSuchFunction, message, help: Some(help) };
        }
        let message = format!("`{shown}` exports no function `{export}`");
        let names: Vec<_> = self.functions.iter().map(|f| self.shortest(f)).collect();
        let bare = self.functions.iter().map(|f| f.name.as_str());
        let help = match nearest(name, bare) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it exports no functions".to_owned(),
            None => format!("it exports {}", listed(names.iter().map(String::as_str))),
        };
        NoSuchExport { code: Code::NoSuchFunction, message, help: Some(help) }
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
                command: false,
            })
        });
        Plugin {
            path: "p.wasm".into(),
            kind: PluginKind::Component,
            digest: "0".into(),
            bytes: Arc::from([]),
            functions: functions.collect(),
            refused: vec![("open".into(), "resource".into())],
            imports: Vec::new(),
            misfit: None,
            stock_adapter: false,
            language: None,
            script: None,
        }
    }

    #[test]
    fn an_export_is_found_by_each_of_its_names() {
        let plugin = plugin(&[(None, "add-two"), (Some("a:b/math@1.0.0"), "mul")]);
        for name in ["add-two", "add_two", "mul", "math#mul", "a:b/math#mul", "a:b/math@1.0.0#mul"] {
            assert!(plugin.find(Some(name)).is_ok(), "{name}");
        }
        assert_eq!(plugin.find(Some("other#mul")).unwrap_err().message, "`p.wasm` exports no function `other#mul`");
    }

    #[test]
    fn what_cannot_be_found_is_explained() {
        let plugin = plugin(&[(Some("a:b/x"), "f"), (Some("a:b/y"), "f"), (None, "total")]);
        assert_eq!(plugin.find(Some("f")).unwrap_err().help.unwrap(), "write one of `x#f`, `y#f`");
        assert_eq!(plugin.find(Some("totel")).unwrap_err().help.unwrap(), "did you mean `total`?");
        assert_eq!(plugin.find(Some("open")).unwrap_err().message, "`open` cannot be a job's function: resource");
    }
    #[test]
    fn each_function_has_a_shortest_name_that_finds_it() {
        let exports = [
            (None, "f"),
            (Some("a:b/x@1.0.0"), "f"),
            (Some("a:c/x@1.0.0"), "f"),
            (Some("a:c/x@2.0.0"), "f"),
            (Some("a:b/y"), "g"),
        ];
        let plugin = plugin(&exports);
        let names: Vec<_> = plugin.functions.iter().map(|f| plugin.shortest(f)).collect();
        assert_eq!(names, ["f", "a:b/x#f", "a:c/x@1.0.0#f", "a:c/x@2.0.0#f", "g"]);
        for (function, name) in plugin.functions.iter().zip(&names) {
            assert_eq!(plugin.find(Some(name)), Ok(function));
        }
    }

    #[test]
    fn a_command_is_named_by_its_plugin_alone() {
        let mut command = plugin(&[]);
        command.functions = [Arc::new(Signature::command(None))].into_iter().collect();
        assert!(command.find(None).is_ok());
        assert!(command.find(Some("main")).unwrap_err().message.ends_with("is a command, which exports no functions"));
        let no_command = plugin(&[(None, "total")]).find(None).unwrap_err();
        assert_eq!(no_command.help.unwrap(), "write `PLUGIN:FUNCTION`; it exports `total`");
    }
}
