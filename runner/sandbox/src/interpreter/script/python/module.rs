//! The files of a script, with the imports and definitions of each.

use std::collections::BTreeMap;

use ruff_python_ast::Expr;
use ruff_python_ast::Stmt;
use ruff_python_ast::StmtClassDef;
use ruff_python_ast::StmtFunctionDef;
use ruff_python_ast::StmtImport;
use ruff_python_ast::StmtImportFrom;
use ruff_python_ast::statement_visitor::StatementVisitor;
use ruff_python_ast::statement_visitor::walk_stmt;
use ruff_python_parser::parse_module;
use serde_json::json;

use super::super::place;
use crate::archive::Archive;

/// All files; the script is the first.
pub(super) struct Modules {
    all: Vec<Module>,
}

/// A file.
pub(super) struct Module {
    /// The name to import it by: `lib.price`.
    pub(super) name: String,
    path: String,
    source: String,
    body: Vec<Stmt>,
    /// What each imported name refers to: a module, or a name in one.
    imports: BTreeMap<String, String>,
}

/// What a name in a file refers to.
pub(super) enum Meaning<'m> {
    Class(&'m Module, &'m StmtClassDef),
    /// Another name for a type.
    Alias(&'m Module, &'m Expr),
    /// A name that no file of the script defines: `typing.List`.
    Foreign(String),
}

impl Modules {
    /// Parses all files.
    ///
    /// # Errors
    ///
    /// Returns an error for a syntax error, with its position.
    pub(super) fn read(archive: &Archive) -> Result<Self, String> {
        let mut all = Vec::new();
        for (path, source) in &archive.files {
            let parsed = parse_module(source).map_err(|mistake| {
                let at = usize::from(mistake.location.start());
                format!("has a mistake ({}): {}", place(path, source, at), mistake.error)
            })?;
            let body: Vec<Stmt> = parsed.into_syntax().body.into_iter().collect();
            let name = module_name(path);
            let imports = imports(&body, &name, path.ends_with("__init__.py"));
            all.push(Module { name, path: path.clone(), source: source.clone(), body, imports });
        }
        Ok(Self { all })
    }

    /// Returns the script's main file.
    pub(super) fn main(&self) -> &Module {
        &self.all[0]
    }

    /// Returns the program for the interpreter.
    pub(super) fn program(&self) -> String {
        let mut modules: BTreeMap<String, [&str; 2]> = BTreeMap::new();
        for module in &self.all {
            modules.insert(module.name.clone(), [&module.path, &module.source]);
        }
        // A folder without its own file is also a package.
        for module in &self.all {
            for (at, _) in module.name.match_indices('.') {
                modules.entry(module.name[..at].to_owned()).or_insert(["__init__.py", ""]);
            }
        }
        json!({ "main": self.main().name, "modules": modules }).to_string()
    }

    /// Returns what a name in a file refers to: `Order`, `lib.Order`, `typing.List`.
    pub(super) fn meaning<'m>(&'m self, module: &'m Module, name: &str) -> Meaning<'m> {
        let (mut module, mut name) = (module, name.to_owned());
        // At most as many steps as there are files, because imports may form a circle.
        for _ in 0..=self.all.len() {
            if let Some(meaning) = module.defined(&name) {
                return meaning;
            }
            let (first, rest) = name.split_once('.').map_or((name.as_str(), None), |(first, rest)| (first, Some(rest)));
            let Some(whole) = module.imports.get(first) else { return Meaning::Foreign(name) };
            let whole = rest.map_or_else(|| whole.clone(), |rest| format!("{whole}.{rest}"));
            let Some((owner, inner)) = self.owner(&whole) else { return Meaning::Foreign(whole) };
            (module, name) = (owner, inner);
        }
        Meaning::Foreign(name)
    }

    /// Returns the file that a dotted name leads into, and the rest of the name.
    fn owner(&self, name: &str) -> Option<(&Module, String)> {
        let owns = |module: &&Module| name.strip_prefix(&*module.name).is_some_and(|rest| rest.starts_with('.'));
        let owner = self.all.iter().filter(owns).max_by_key(|module| module.name.len())?;
        Some((owner, name[owner.name.len() + 1..].to_owned()))
    }
}

impl Module {
    /// Returns the public functions that it defines.
    pub(super) fn functions(&self) -> impl Iterator<Item = &StmtFunctionDef> {
        self.body.iter().filter_map(|statement| match statement {
            Stmt::FunctionDef(function) if !function.name.starts_with('_') => Some(function),
            _ => None,
        })
    }

    fn defined(&self, name: &str) -> Option<Meaning<'_>> {
        let is_name = |target: &Expr| target.as_name_expr().is_some_and(|target| target.id.as_str() == name);
        self.body.iter().rev().find_map(|statement| match statement {
            Stmt::ClassDef(class) if class.name.as_str() == name => Some(Meaning::Class(self, class)),
            Stmt::TypeAlias(alias) if is_name(&alias.name) => Some(Meaning::Alias(self, &alias.value)),
            Stmt::Assign(assign) if assign.targets.iter().any(is_name) => Some(Meaning::Alias(self, &assign.value)),
            Stmt::AnnAssign(assign) if is_name(&assign.target) => {
                assign.value.as_ref().map(|value| Meaning::Alias(self, value))
            }
            _ => None,
        })
    }
}

/// Returns the name to import a file by: `lib/price.py` as `lib.price`, `lib/__init__.py` as `lib`.
fn module_name(path: &str) -> String {
    let stem = path.strip_suffix(".py").unwrap_or(path);
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    stem.replace('/', ".")
}

/// Returns the imports anywhere in a file.
fn imports(body: &[Stmt], own: &str, is_package: bool) -> BTreeMap<String, String> {
    struct Imports<'a> {
        own: &'a str,
        is_package: bool,
        found: BTreeMap<String, String>,
    }
    impl Imports<'_> {
        fn plain(&mut self, import: &StmtImport) {
            for alias in &import.names {
                let whole = alias.name.to_string();
                let first = whole.split('.').next().unwrap_or_default().to_owned();
                match &alias.asname {
                    Some(local) => self.found.insert(local.to_string(), whole),
                    None => self.found.insert(first.clone(), first),
                };
            }
        }

        fn from(&mut self, import: &StmtImportFrom) {
            let mut package: Vec<&str> = self.own.split('.').collect();
            // One dot is the package that contains the file.
            let up = (import.level as usize).saturating_sub(usize::from(self.is_package));
            package.truncate(package.len().saturating_sub(up));
            let module = import.module.as_ref().map(|module| module.as_str());
            let parts: Vec<&str> = match import.level {
                0 => module.into_iter().collect(),
                _ => package.into_iter().chain(module).collect(),
            };
            for alias in &import.names {
                let local = alias.asname.as_ref().unwrap_or(&alias.name).to_string();
                let whole: Vec<&str> = parts.iter().copied().chain([alias.name.as_str()]).collect();
                self.found.insert(local, whole.join("."));
            }
        }
    }
    impl<'a> StatementVisitor<'a> for Imports<'_> {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::Import(import) => self.plain(import),
                Stmt::ImportFrom(import) => self.from(import),
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
                statement => walk_stmt(self, statement),
            }
        }
    }
    let mut imports = Imports { own, is_package, found: BTreeMap::new() };
    imports.visit_body(body);
    imports.found
}

/// Returns whether there is a `return` with a value, outside of nested functions.
pub(super) fn gives_back(body: &[Stmt]) -> bool {
    #[derive(Default)]
    struct Returns(bool);
    impl<'a> StatementVisitor<'a> for Returns {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::Return(it) => self.0 |= it.value.is_some(),
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
                statement => walk_stmt(self, statement),
            }
        }
    }
    let mut returns = Returns::default();
    returns.visit_body(body);
    returns.0
}
