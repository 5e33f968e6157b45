//! Removes types and module syntax from a file. Each line, and nearly each column, stays where it
//! was, so that errors have the positions of the author's file.
//!
//! The interpreter runs no promises by itself, so `async` functions become generators: `await x` is
//! `(yield x)`, and the function returns the promise that `__started` makes of its generator. At
//! the top level of a file `await x` is `__awaited(x)`, which returns once `x` is settled.

use std::fmt::Write;

use oxc_ast::ast;
use oxc_ast::ast::Declaration;
use oxc_ast::ast::ExportDefaultDeclarationKind;
use oxc_ast::ast::ImportDeclarationSpecifier;
use oxc_ast::ast::Statement;
use oxc_ast_visit::Visit;
use oxc_ast_visit::walk;
use oxc_span::GetSpan;
use oxc_syntax::scope::ScopeFlags;

use super::module;
use super::module::HOST;
use super::module::Module;
use super::module::Modules;

/// The result for one file.
pub(super) struct Erased {
    pub(super) text: String,
    /// Each exported name, with the expression for its value.
    pub(super) exports: Vec<(String, String)>,
    /// The files whose names it all exports again.
    pub(super) all_of: Vec<usize>,
}

/// Removes what the interpreter does not support.
///
/// # Errors
///
/// Returns the first construct that cannot be removed, with its position.
pub(super) fn erased(modules: &Modules<'_>, module: &Module<'_>) -> Result<Erased, String> {
    let mut eraser = Eraser {
        module,
        modules,
        edits: Vec::new(),
        exports: Vec::new(),
        all_of: Vec::new(),
        is_async: false,
        is_arrow: false,
        wrong: None,
    };
    eraser.visit_program(module.program);
    if let Some((what, why, at)) = eraser.wrong {
        return Err(format!("has {what} ({}), {why}", module.place(at)));
    }
    // An insertion comes before a change at the same position. Insertions keep the order in which
    // they were found.
    eraser.edits.sort_by_key(|edit| (edit.start, edit.start != edit.end, std::cmp::Reverse(edit.end)));
    let source = module.source;
    let (mut text, mut at) = (String::with_capacity(source.len()), 0);
    for edit in &eraser.edits {
        // An edit inside of a removed part has no effect.
        if edit.start < at {
            continue;
        }
        text.push_str(&source[at..edit.start]);
        let gone = &source[edit.start..edit.end];
        match &edit.with {
            None => text.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
            Some(with) => {
                text.push_str(with);
                text.extend(gone.chars().filter(|c| *c == '\n'));
            }
        }
        at = edit.end;
    }
    text.push_str(&source[at..]);
    Ok(Erased { text, exports: eraser.exports, all_of: eraser.all_of })
}

/// A part that is replaced with blanks, or with other text.
struct Edit {
    start: usize,
    end: usize,
    with: Option<String>,
}

struct Eraser<'m, 'a> {
    module: &'m Module<'a>,
    modules: &'m Modules<'a>,
    edits: Vec<Edit>,
    exports: Vec<(String, String)>,
    all_of: Vec<usize>,
    /// Whether the visitor is inside an `async` function, and whether that is an arrow function.
    is_async: bool,
    is_arrow: bool,
    /// An unsupported construct, the reason, and its position.
    wrong: Option<(&'static str, &'static str, u32)>,
}

/// Why some TypeScript is refused.
const MORE: &str = "which is more than a type: write it in JavaScript";

/// Why some JavaScript is refused.
const UNKNOWN: &str = "which scripts do not support";

impl Eraser<'_, '_> {
    fn blank(&mut self, start: u32, end: u32) {
        if start < end {
            self.edits.push(Edit { start: start as usize, end: end as usize, with: None });
        }
    }

    /// Removes a statement. A semicolon stays in its place, to end the statement before it.
    fn without(&mut self, span: oxc_span::Span) {
        self.replace(span.start, span.start + 1, ";".to_owned());
        self.blank(span.start + 1, span.end);
    }

    fn replace(&mut self, start: u32, end: u32, with: String) {
        self.edits.push(Edit { start: start as usize, end: end as usize, with: Some(with) });
    }

    /// Inserts text at a position.
    fn insert(&mut self, at: u32, with: &str) {
        self.replace(at, at, with.to_owned());
    }

    fn wrong(&mut self, what: &'static str, at: u32) {
        self.wrong = self.wrong.or(Some((what, MORE, at)));
    }

    fn unknown(&mut self, what: &'static str, at: u32) {
        self.wrong = self.wrong.or(Some((what, UNKNOWN, at)));
    }

    /// Blanks the word `async` between two positions.
    fn no_async(&mut self, start: u32, end: u32) {
        self.mark("async", start, end);
    }

    /// Visits the inside of an `async` function, then restores the state.
    fn inside(&mut self, is_arrow: bool, walk: impl FnOnce(&mut Self)) {
        let before = (self.is_async, self.is_arrow);
        (self.is_async, self.is_arrow) = (true, is_arrow);
        walk(self);
        (self.is_async, self.is_arrow) = before;
    }

    fn between(&self, start: u32, end: u32) -> &str {
        self.module.source.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Blanks one mark between two positions.
    fn mark(&mut self, mark: &str, start: u32, end: u32) {
        if let Some(at) = self.between(start, end).find(mark) {
            let at = start + u32::try_from(at).unwrap_or(0);
            self.blank(at, at + u32::try_from(mark.len()).unwrap_or(0));
        }
    }

    /// Blanks TypeScript's modifiers before a member of a class.
    fn modifiers(&mut self, start: u32, end: u32) {
        const WORDS: [&str; 7] = ["public", "private", "protected", "readonly", "abstract", "override", "declare"];
        let text = self.between(start, end).to_owned();
        for word in WORDS {
            for (at, _) in text.match_indices(word) {
                let at = start + u32::try_from(at).unwrap_or(0);
                self.blank(at, at + u32::try_from(word.len()).unwrap_or(0));
            }
        }
    }

    /// Returns the expression for a file that another file imports.
    fn reached(&self, from: &str) -> String {
        let at = self.modules.imported(&self.module.path, from);
        at.filter(|_| from != HOST).map_or_else(|| "__host".to_owned(), |at| format!("__modules[{at}]"))
    }

    fn import(&mut self, it: &ast::ImportDeclaration<'_>) {
        if it.import_kind.is_type() {
            return self.without(it.span);
        }
        let from = self.reached(&it.source.value);
        let (mut whole, mut parts) = (String::new(), Vec::new());
        for specifier in it.specifiers.iter().flatten() {
            match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(it) if it.import_kind.is_type() => {}
                ImportDeclarationSpecifier::ImportSpecifier(it) => {
                    parts.push(format!("{:?}:{}", module::exported(&it.imported), it.local.name));
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(it) => {
                    parts.push(format!("default:{}", it.local.name));
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(it) => {
                    let _ = write!(whole, "const {}={from};", it.local.name);
                }
            }
        }
        if !parts.is_empty() {
            let _ = write!(whole, "const {{{}}}={from};", parts.join(","));
        }
        self.replace(it.span.start, it.span.end, if whole.is_empty() { ";".to_owned() } else { whole });
    }

    fn export_from(&mut self, it: &ast::ExportFromDeclaration<'_>) {
        if it.export_kind.is_value() {
            let from = self.reached(&it.source.value);
            for it in it.specifiers.iter().filter(|it| it.export_kind.is_value()) {
                let value = format!("{from}[{:?}]", module::exported(&it.local));
                self.exports.push((module::exported(&it.exported).to_owned(), value));
            }
        }
        self.without(it.span);
    }

    fn export_all(&mut self, it: &ast::ExportAllDeclaration<'_>) {
        let from = self.modules.imported(&self.module.path, &it.source.value);
        match (&it.exported, from) {
            _ if it.export_kind.is_type() => {}
            (Some(name), _) => {
                let value = self.reached(&it.source.value);
                self.exports.push((module::exported(name).to_owned(), value));
            }
            (None, Some(from)) => self.all_of.push(from),
            (None, None) => {}
        }
        self.without(it.span);
    }

    fn export_default(&mut self, it: &ast::ExportDefaultDeclaration<'_>) {
        let (start, end) = (it.span.start, it.declaration.span().start);
        let id = match &it.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(it) => it.id.as_ref(),
            ExportDefaultDeclarationKind::ClassDeclaration(it) => it.id.as_ref(),
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => return self.without(it.span),
            _ => None,
        };
        match id {
            Some(id) => {
                self.blank(start, end);
                self.exports.push(("default".to_owned(), id.name.to_string()));
            }
            None => {
                self.replace(start, end, "const __default=".to_owned());
                self.exports.push(("default".to_owned(), "__default".to_owned()));
            }
        }
    }
}

/// Returns whether a declaration leaves nothing at run time.
fn is_type(declaration: &Declaration<'_>) -> bool {
    match declaration {
        Declaration::TSInterfaceDeclaration(_) | Declaration::TSTypeAliasDeclaration(_) => true,
        Declaration::TSGlobalDeclaration(_) | Declaration::TSExternalModuleDeclaration(_) => true,
        Declaration::VariableDeclaration(it) => it.declare,
        Declaration::ClassDeclaration(it) => it.declare,
        Declaration::FunctionDeclaration(it) => it.declare || it.body.is_none(),
        _ => false,
    }
}

impl<'a> Visit<'a> for Eraser<'_, 'a> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        match it {
            Statement::ImportDeclaration(it) => return self.import(it),
            Statement::ExportFromDeclaration(it) => return self.export_from(it),
            Statement::ExportAllDeclaration(it) => return self.export_all(it),
            Statement::ExportNamedDeclaration(export) => {
                if export.export_kind.is_value() {
                    let values = export.specifiers.iter().filter(|it| it.export_kind.is_value());
                    let named = values
                        .map(|it| (module::exported(&it.exported).to_owned(), module::exported(&it.local).to_owned()));
                    self.exports.extend(named);
                }
                return self.without(export.span);
            }
            Statement::ExportDeclaration(export) if is_type(&export.declaration) => return self.without(export.span),
            Statement::ExportDeclaration(export) => {
                self.blank(export.span.start, export.declaration.span().start);
                let names = module::bound(&export.declaration);
                self.exports.extend(names.into_iter().map(|name| (name.to_owned(), name.to_owned())));
            }
            Statement::ExportDefaultDeclaration(export) => self.export_default(export),
            Statement::TSExportAssignment(it) => self.wrong("`export =`", it.span.start),
            it if it.as_declaration().is_some_and(is_type) => return self.without(it.span()),
            _ => {}
        }
        walk::walk_statement(self, it);
    }

    fn visit_function(&mut self, it: &ast::Function<'a>, flags: ScopeFlags) {
        let Some(body) = it.body.as_ref().filter(|_| it.r#async) else {
            let before = (self.is_async, self.is_arrow);
            (self.is_async, self.is_arrow) = (false, false);
            walk::walk_function(self, it, flags);
            (self.is_async, self.is_arrow) = before;
            return;
        };
        if it.generator {
            self.unknown("an `async` generator", it.span.start);
        }
        // In a method, `async` comes before the name.
        self.no_async(it.span.start, it.id.as_ref().map_or(it.params.span.start, |id| id.span.start));
        let name = it.id.as_ref().map(|id| format!("__async_{}", id.name)).unwrap_or_default();
        self.insert(it.params.span.start, &format!("(...__a){{return __started(()=>(function*{name}"));
        self.inside(false, |eraser| walk::walk_function(eraser, it, flags));
        self.insert(body.span.end, ").apply(this,__a));}");
    }

    fn visit_arrow_function_expression(&mut self, it: &ast::ArrowFunctionExpression<'a>) {
        if !it.r#async {
            return walk::walk_arrow_function_expression(self, it);
        }
        let (params, body) = (it.params.span, it.body.span());
        self.replace(it.span.start, it.span.start + 5, "(...__a)=>__started(()=>(function*".to_owned());
        let has_parens = self.between(params.start, params.end).starts_with('(');
        let returned = it.return_type.as_ref().map_or(params.end, |result| result.span.end);
        self.mark("=>", returned, body.start);
        let is_block = matches!(&it.body, ast::ArrowFunctionBody::FunctionBody(_));
        if !has_parens {
            self.insert(params.start, "(");
        }
        self.inside(true, |eraser| {
            eraser.visit_formal_parameters(&it.params);
            if !has_parens {
                eraser.insert(params.end, ")");
            }
            if !is_block {
                eraser.insert(body.start, "{return (");
            }
            walk::walk_arrow_function_body(eraser, &it.body);
        });
        if let Some(types) = &it.type_parameters {
            self.visit_ts_type_parameter_declaration(types);
        }
        if let Some(result) = &it.return_type {
            self.visit_ts_type_annotation(result);
        }
        self.insert(body.end, if is_block { ").apply(this,__a))" } else { ");}).apply(this,__a))" });
    }

    fn visit_identifier_reference(&mut self, it: &ast::IdentifierReference<'a>) {
        if self.is_arrow && it.name == "arguments" {
            self.unknown("`arguments` in an `async` arrow function", it.span.start);
        }
    }

    fn visit_super(&mut self, it: &ast::Super) {
        if self.is_async {
            self.unknown("`super` in an `async` method", it.span.start);
        }
    }

    fn visit_import_expression(&mut self, it: &ast::ImportExpression<'a>) {
        self.unknown("`import()`", it.span.start);
    }

    fn visit_object_property(&mut self, it: &ast::ObjectProperty<'a>) {
        if it.method && matches!(&it.value, ast::Expression::FunctionExpression(it) if it.r#async) {
            self.no_async(it.span.start, it.key.span().start);
        }
        walk::walk_object_property(self, it);
    }

    fn visit_await_expression(&mut self, it: &ast::AwaitExpression<'a>) {
        let wait = if self.is_async { "(yield " } else { "__awaited(" };
        self.replace(it.span.start, it.span.start + 5, wait.to_owned());
        walk::walk_await_expression(self, it);
        self.insert(it.span.end, ")");
    }

    fn visit_for_of_statement(&mut self, it: &ast::ForOfStatement<'a>) {
        if it.r#await {
            self.mark("await", it.span.start, it.left.span().start);
            self.insert(it.right.span().start, "__awaited.each(");
        }
        walk::walk_for_of_statement(self, it);
        if it.r#await {
            self.insert(it.right.span().end, ")");
        }
    }

    fn visit_ts_enum_declaration(&mut self, it: &ast::TSEnumDeclaration<'a>) {
        self.wrong("an enum", it.span.start);
    }

    fn visit_ts_namespace_declaration(&mut self, it: &ast::TSNamespaceDeclaration<'a>) {
        self.wrong("a namespace", it.span.start);
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &ast::TSImportEqualsDeclaration<'a>) {
        self.wrong("`import =`", it.span.start);
    }

    fn visit_decorator(&mut self, it: &ast::Decorator<'a>) {
        self.wrong("a decorator", it.span.start);
    }

    fn visit_ts_type_annotation(&mut self, it: &ast::TSTypeAnnotation<'a>) {
        // The colon may come before it.
        let before = self.module.source.get(..it.span.start as usize).unwrap_or_default().trim_end();
        let start = match before.strip_suffix(':') {
            Some(before) if !self.between(it.span.start, it.span.end).starts_with(':') => before.len(),
            _ => it.span.start as usize,
        };
        self.blank(u32::try_from(start).unwrap_or(it.span.start), it.span.end);
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &ast::TSTypeParameterDeclaration<'a>) {
        self.blank(it.span.start, it.span.end);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &ast::TSTypeParameterInstantiation<'a>) {
        self.blank(it.span.start, it.span.end);
    }

    fn visit_ts_as_expression(&mut self, it: &ast::TSAsExpression<'a>) {
        self.blank(it.expression.span().end, it.span.end);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &ast::TSSatisfiesExpression<'a>) {
        self.blank(it.expression.span().end, it.span.end);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_non_null_expression(&mut self, it: &ast::TSNonNullExpression<'a>) {
        self.blank(it.expression.span().end, it.span.end);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_type_assertion(&mut self, it: &ast::TSTypeAssertion<'a>) {
        self.blank(it.span.start, it.expression.span().start);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_this_parameter(&mut self, it: &ast::TSThisParameter<'a>) {
        let rest = self.module.source.get(it.span.end as usize..).unwrap_or_default();
        let comma = rest.find(|c: char| !c.is_whitespace()).filter(|at| rest[*at..].starts_with(','));
        let end = it.span.end + comma.map_or(0, |at| u32::try_from(at + 1).unwrap_or(0));
        self.blank(it.span.start, end);
    }

    fn visit_formal_parameter(&mut self, it: &ast::FormalParameter<'a>) {
        if it.accessibility.is_some() || it.readonly || it.r#override {
            self.wrong("a parameter that is a property", it.span.start);
        }
        if it.optional {
            self.mark("?", it.pattern.span().end, it.type_annotation.as_ref().map_or(it.span.end, |ty| ty.span.end));
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_variable_declarator(&mut self, it: &ast::VariableDeclarator<'a>) {
        if it.definite {
            self.mark("!", it.id.span().end, it.span.end);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_class(&mut self, it: &ast::Class<'a>) {
        if it.r#abstract {
            let head = self.between(it.span.start, it.body.span.start).find("abstract");
            if let Some(at) = head {
                let at = it.span.start + u32::try_from(at).unwrap_or(0);
                self.blank(at, at + 8);
            }
        }
        if let Some(first) = it.implements.first() {
            let before = self.module.source.get(..first.span.start as usize).and_then(|text| text.rfind("implements"));
            self.blank(before.and_then(|at| u32::try_from(at).ok()).unwrap_or(first.span.start), it.body.span.start);
        }
        walk::walk_class(self, it);
    }

    fn visit_property_definition(&mut self, it: &ast::PropertyDefinition<'a>) {
        if it.declare || it.r#type.is_abstract() {
            return self.without(it.span);
        }
        self.modifiers(it.span.start, it.key.span().start);
        let end = it.type_annotation.as_ref().map_or(it.span.end, |ty| ty.span.start);
        if it.optional {
            self.mark("?", it.key.span().end, end.max(it.key.span().end + 1));
        }
        if it.definite {
            self.mark("!", it.key.span().end, end.max(it.key.span().end + 1));
        }
        walk::walk_property_definition(self, it);
    }

    fn visit_method_definition(&mut self, it: &ast::MethodDefinition<'a>) {
        if it.value.body.is_none() {
            return self.without(it.span);
        }
        self.modifiers(it.span.start, it.key.span().start);
        if it.value.r#async {
            self.no_async(it.span.start, it.key.span().start);
        }
        if it.optional {
            self.mark("?", it.key.span().end, it.value.params.span.start);
        }
        walk::walk_method_definition(self, it);
    }

    fn visit_ts_index_signature(&mut self, it: &ast::TSIndexSignature<'a>) {
        self.without(it.span);
    }
}
