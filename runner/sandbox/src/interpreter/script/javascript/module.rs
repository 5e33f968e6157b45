//! The files of a script, with the imports, exports and declarations of each.

use std::collections::BTreeMap;

use jobcontrol_core::diagnostic::nearest;
use oxc_allocator::Allocator;
use oxc_ast::ast;
use oxc_ast::ast::BindingPattern;
use oxc_ast::ast::Declaration;
use oxc_ast::ast::ExportDefaultDeclarationKind;
use oxc_ast::ast::Expression;
use oxc_ast::ast::FormalParameter;
use oxc_ast::ast::FormalParameters;
use oxc_ast::ast::ImportDeclarationSpecifier;
use oxc_ast::ast::ModuleExportName;
use oxc_ast::ast::Program;
use oxc_ast::ast::Statement;
use oxc_ast::ast::TSInterfaceDeclaration;
use oxc_ast::ast::TSType;
use oxc_ast_visit::Visit;
use oxc_parser::Parser;
use oxc_span::GetSpan;
use oxc_span::SourceType;
use oxc_syntax::scope::ScopeFlags;

use super::super::place;
use super::jsdoc::Docs;
use crate::archive::Archive;
use crate::archive::joined;

/// The module name under which a script imports from the host.
pub(super) const HOST: &str = "jobcontrol";

/// All files, each after the files that it imports; the script is the last.
pub(super) struct Modules<'a> {
    pub(super) allocator: &'a Allocator,
    pub(super) all: Vec<Module<'a>>,
}

/// A file.
pub(super) struct Module<'a> {
    pub(super) path: String,
    pub(super) source: &'a str,
    /// Whether it is TypeScript.
    pub(super) is_typed: bool,
    pub(super) program: &'a Program<'a>,
    /// Its exports by name, in the order of the file.
    pub(super) exports: Vec<(String, Export<'a>)>,
    /// The types that it declares.
    pub(super) types: BTreeMap<String, Declared<'a>>,
    /// For each imported name, the file and the name there.
    pub(super) imports: BTreeMap<String, (usize, String)>,
}

/// An export of a file.
pub(super) enum Export<'a> {
    Function(Function<'a>),
    Other,
}

/// A function in the source.
#[derive(Clone)]
pub(super) struct Function<'a> {
    pub(super) params: &'a [FormalParameter<'a>],
    pub(super) has_rest: bool,
    pub(super) is_generator: bool,
    pub(super) result: Option<&'a TSType<'a>>,
    /// Whether it returns a value.
    pub(super) returns: bool,
    /// The text between `/**` and `*/` above it.
    pub(super) comment: Option<&'a str>,
}

/// A declared type.
pub(super) enum Declared<'a> {
    Interface(&'a TSInterfaceDeclaration<'a>),
    Type(&'a TSType<'a>),
}

impl<'a> Modules<'a> {
    /// Parses all files.
    ///
    /// # Errors
    ///
    /// Returns an error for a syntax error, with its position, for a missing file, and for files
    /// that import each other in a circle.
    pub(super) fn read(archive: &'a Archive, allocator: &'a Allocator) -> Result<Self, String> {
        let mut modules = Self { allocator, all: Vec::new() };
        let main = archive.files.first().map(|(name, _)| name.as_str()).unwrap_or_default();
        modules.add(archive, main, &mut Vec::new())?;
        Ok(modules)
    }

    /// Returns the script's main file.
    pub(super) fn main(&self) -> &Module<'a> {
        &self.all[self.all.len() - 1]
    }

    /// Returns the index of the file with this path.
    fn at(&self, path: &str) -> Option<usize> {
        self.all.iter().position(|module| module.path == path)
    }

    /// Returns the index of the file that another file imports by this text.
    pub(super) fn imported(&self, from: &str, to: &str) -> Option<usize> {
        self.at(&joined(from, to)?)
    }

    fn add(&mut self, archive: &'a Archive, path: &str, above: &mut Vec<String>) -> Result<(), String> {
        let Some((_, source)) = archive.files.iter().find(|(name, _)| name == path) else { return Ok(()) };
        above.push(path.to_owned());
        let program = parsed(self.allocator, path, source)?;
        let mut module = Module {
            path: path.to_owned(),
            source,
            is_typed: path.ends_with(".ts"),
            program,
            exports: Vec::new(),
            types: BTreeMap::new(),
            imports: BTreeMap::new(),
        };
        for (from, at, is_type) in sources(program) {
            if from == HOST {
                continue;
            }
            let place = module.place(at);
            let to = joined(path, from).ok_or_else(|| {
                format!("imports `{from}` ({place}): a script imports `{HOST}` and files of its folder, such as `./other.js`")
            })?;
            // An import of only types leaves nothing that must be evaluated first.
            if is_type && above.contains(&to) {
                continue;
            }
            if above.contains(&to) {
                return Err(format!("imports `{from}` ({place}), which imports it in turn: a circle"));
            }
            if self.at(&to).is_none() {
                self.add(archive, &to, above)?;
            }
            if self.at(&to).is_none() {
                let near = nearest(&to, archive.files.iter().map(|(name, _)| name.as_str()));
                let near = near.map(|near| format!("; did you mean `./{near}`?")).unwrap_or_default();
                return Err(format!(
                    "imports `{from}` ({place}), which does not exist, or is not a `.js`, `.mjs` or `.ts` file{near}"
                ));
            }
        }
        above.pop();
        self.names(&mut module);
        self.all.push(module);
        Ok(())
    }

    /// Finds the imports, declarations and exports of a file.
    fn names(&self, module: &mut Module<'a>) {
        let program = module.program;
        let mut functions: BTreeMap<&str, Function<'a>> = BTreeMap::new();
        for statement in &program.body {
            let at = statement.span().start;
            match statement {
                Statement::ImportDeclaration(import) => {
                    let from = self.imported(&module.path, &import.source.value);
                    for specifier in import.specifiers.iter().flatten() {
                        let (local, imported) = match specifier {
                            ImportDeclarationSpecifier::ImportSpecifier(it) => (&it.local, exported(&it.imported)),
                            ImportDeclarationSpecifier::ImportDefaultSpecifier(it) => (&it.local, "default"),
                            ImportDeclarationSpecifier::ImportNamespaceSpecifier(it) => (&it.local, "*"),
                        };
                        if let Some(from) = from {
                            module.imports.insert(local.name.to_string(), (from, imported.to_owned()));
                        }
                    }
                }
                Statement::ExportDeclaration(export) => {
                    declared(&export.declaration, program, at, &mut functions, &mut module.types);
                }
                statement => {
                    if let Some(declaration) = statement.as_declaration() {
                        declared(declaration, program, at, &mut functions, &mut module.types);
                    }
                }
            }
        }
        self.typedefs(module);
        let found =
            |name: &str| functions.get(name).map_or(Export::Other, |function| Export::Function(function.clone()));
        for statement in &program.body {
            match statement {
                Statement::ExportDeclaration(export) => {
                    let names = bound(&export.declaration);
                    module.exports.extend(names.into_iter().map(|name| (name.to_owned(), found(name))));
                }
                Statement::ExportNamedDeclaration(export) if export.export_kind.is_value() => {
                    let values = export.specifiers.iter().filter(|specifier| specifier.export_kind.is_value());
                    let named = values.map(|it| (exported(&it.exported).to_owned(), found(exported(&it.local))));
                    module.exports.extend(named);
                }
                Statement::ExportDefaultDeclaration(export) => {
                    let comment = comment(program, export.span.start);
                    let function = match &export.declaration {
                        ExportDefaultDeclarationKind::FunctionDeclaration(it) => Some(of_function(it, comment)),
                        it => it.as_expression().and_then(|it| of_expression(it, comment)),
                    };
                    module.exports.push(("default".to_owned(), function.map_or(Export::Other, Export::Function)));
                }
                _ => {}
            }
        }
    }

    /// Adds the types that comments declare.
    fn typedefs(&self, module: &mut Module<'a>) {
        for comment in &module.program.comments {
            let Some(text) = jsdoc(module.program, comment.span.start, comment.span.end) else { continue };
            for typedef in Docs::of(text).typedefs {
                if let Ok(ty) = parsed_type(self.allocator, &typedef.text) {
                    module.types.insert(typedef.name, Declared::Type(ty));
                }
            }
        }
    }
}

/// Parses a single type.
///
/// # Errors
///
/// Returns an error if the text is not a type.
pub(super) fn parsed_type<'a>(allocator: &'a Allocator, text: &str) -> Result<&'a TSType<'a>, String> {
    let bad = || format!("`{text}` is not a type");
    let source = allocator.alloc_str(&format!("type T = {text};"));
    let parsed = Parser::new(allocator, source, SourceType::ts()).parse();
    if !parsed.diagnostics.is_empty() {
        return Err(bad());
    }
    let program: &Program<'_> = allocator.alloc(parsed.program);
    match program.body.first() {
        Some(Statement::TSTypeAliasDeclaration(alias)) if program.body.len() == 1 => Ok(&alias.type_annotation),
        _ => Err(bad()),
    }
}

fn parsed<'a>(allocator: &'a Allocator, path: &str, source: &'a str) -> Result<&'a Program<'a>, String> {
    let kind = if path.ends_with(".ts") { SourceType::ts() } else { SourceType::mjs() };
    let parsed = Parser::new(allocator, source, kind).parse();
    let program: &Program<'_> = allocator.alloc(parsed.program);
    let Some(first) = parsed.diagnostics.first() else { return Ok(program) };
    let at = first.labels.first().map_or(0, |label| label.offset() as usize);
    Err(format!("has a mistake ({}): {}", place(path, source, at), first.message))
}

/// Returns the imports of a file with their positions, and whether each imports only types.
fn sources<'a>(program: &'a Program<'a>) -> impl Iterator<Item = (&'a str, u32, bool)> {
    program.body.iter().filter_map(|statement| {
        let (source, kind) = match statement {
            Statement::ImportDeclaration(it) => (&it.source, it.import_kind),
            Statement::ExportFromDeclaration(it) => (&it.source, it.export_kind),
            Statement::ExportAllDeclaration(it) => (&it.source, it.export_kind),
            _ => return None,
        };
        Some((source.value.as_str(), source.span.start, kind.is_type()))
    })
}

/// Returns the text of an imported or exported name.
pub(super) fn exported<'a>(name: &'a ModuleExportName<'a>) -> &'a str {
    match name {
        ModuleExportName::IdentifierName(it) => it.name.as_str(),
        ModuleExportName::IdentifierReference(it) => it.name.as_str(),
        ModuleExportName::StringLiteral(it) => it.value.as_str(),
    }
}

/// Returns the name of a pattern, or `None` if it is destructured.
pub(super) fn name_of<'a>(pattern: &'a BindingPattern<'a>) -> Option<&'a str> {
    match pattern {
        BindingPattern::BindingIdentifier(it) => Some(it.name.as_str()),
        _ => None,
    }
}

/// Returns the names of values that a declaration binds.
pub(super) fn bound<'a>(declaration: &'a Declaration<'a>) -> Vec<&'a str> {
    match declaration {
        Declaration::VariableDeclaration(it) if !it.declare => {
            it.declarations.iter().flat_map(|it| it.id.get_binding_identifiers()).map(|it| it.name.as_str()).collect()
        }
        Declaration::FunctionDeclaration(it) if it.body.is_some() => it.id.iter().map(|it| it.name.as_str()).collect(),
        Declaration::ClassDeclaration(it) if !it.declare => it.id.iter().map(|it| it.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn declared<'a>(
    declaration: &'a Declaration<'a>,
    program: &'a Program<'a>,
    at: u32,
    functions: &mut BTreeMap<&'a str, Function<'a>>,
    types: &mut BTreeMap<String, Declared<'a>>,
) {
    let comment = comment(program, at);
    match declaration {
        Declaration::FunctionDeclaration(it) if it.body.is_some() => {
            if let Some(id) = &it.id {
                functions.insert(id.name.as_str(), of_function(it, comment));
            }
        }
        Declaration::VariableDeclaration(it) => {
            for it in &it.declarations {
                let function = it.init.as_ref().and_then(|init| of_expression(init, comment));
                if let (Some(name), Some(function)) = (name_of(&it.id), function) {
                    functions.insert(name, function);
                }
            }
        }
        Declaration::TSInterfaceDeclaration(it) => {
            types.insert(it.id.name.to_string(), Declared::Interface(it));
        }
        Declaration::TSTypeAliasDeclaration(it) => {
            types.insert(it.id.name.to_string(), Declared::Type(&it.type_annotation));
        }
        _ => {}
    }
}

fn of_function<'a>(it: &'a ast::Function<'a>, comment: Option<&'a str>) -> Function<'a> {
    let result = it.return_type.as_ref().map(|result| &result.type_annotation);
    let returns = it.body.as_ref().is_some_and(|body| gives_back(&body.statements));
    Function { is_generator: it.generator, ..of_params(&it.params, result, returns, comment) }
}

fn of_expression<'a>(it: &'a Expression<'a>, comment: Option<&'a str>) -> Option<Function<'a>> {
    match it {
        Expression::FunctionExpression(it) => Some(of_function(it, comment)),
        Expression::ArrowFunctionExpression(it) => {
            let result = it.return_type.as_ref().map(|result| &result.type_annotation);
            let returns = match &it.body {
                ast::ArrowFunctionBody::FunctionBody(body) => gives_back(&body.statements),
                _ => true,
            };
            Some(of_params(&it.params, result, returns, comment))
        }
        _ => None,
    }
}

fn of_params<'a>(
    params: &'a FormalParameters<'a>,
    result: Option<&'a TSType<'a>>,
    returns: bool,
    comment: Option<&'a str>,
) -> Function<'a> {
    Function { params: &params.items, has_rest: params.rest.is_some(), is_generator: false, result, returns, comment }
}

/// Returns whether there is a `return` with a value, outside of nested functions.
fn gives_back<'a>(statements: &'a [Statement<'a>]) -> bool {
    #[derive(Default)]
    struct Returns(bool);
    impl<'a> Visit<'a> for Returns {
        fn visit_return_statement(&mut self, it: &ast::ReturnStatement<'a>) {
            self.0 |= it.argument.is_some();
        }

        fn visit_function(&mut self, _: &ast::Function<'a>, _: ScopeFlags) {}

        fn visit_arrow_function_expression(&mut self, _: &ast::ArrowFunctionExpression<'a>) {}
    }
    let mut returns = Returns::default();
    statements.iter().for_each(|statement| returns.visit_statement(statement));
    returns.0
}

/// Returns the last doc comment above a statement.
fn comment<'a>(program: &'a Program<'a>, at: u32) -> Option<&'a str> {
    let above = program.comments.iter().filter(|comment| comment.attached_to == at);
    above.filter_map(|comment| jsdoc(program, comment.span.start, comment.span.end)).next_back()
}

/// Returns the content of a doc comment.
fn jsdoc<'a>(program: &'a Program<'a>, start: u32, end: u32) -> Option<&'a str> {
    program.source_text.get(start as usize..end as usize)?.strip_prefix("/**")?.strip_suffix("*/")
}
