//! Converts annotations into types of WIT, each with a plan. The interpreter converts values in
//! both directions by these plans.
//!
//! A plan is JSON. Values that stay as they are have null, `"n"` is None, `"i"` an int, `"f"` a
//! float, `"y"` bytes; `"date"` and its like are text for the host. Types that hold others have one
//! key: `l` a list, `t` a tuple, `d` a dict (a list of pairs), `o` a value that may be None, `r` a
//! dataclass (each field's own name, its name in WIT, its plan, and whether it may be omitted), `e`
//! an enum, `s` a result, `n` one of several strings, `v` one of several dataclasses. `c` and `m`
//! are a class and its module.

use std::sync::Arc;

use jobcontrol_core::kebab::kebab;
use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Named;
use jobcontrol_core::types::Type;
use ruff_python_ast::Expr;
use ruff_python_ast::Number;
use ruff_python_ast::Operator;
use ruff_python_ast::Stmt;
use ruff_python_ast::StmtClassDef;
use ruff_python_parser::parse_expression;
use serde_json::Value as Json;
use serde_json::json;

use super::super::typed::DEPTH;
use super::super::typed::Typed;
use super::super::typed::integer;
use super::module::Meaning;
use super::module::Module;
use super::module::Modules;

/// Types of the standard library that are text for the host, with their plans.
const TEXTS: [(&str, &str); 5] = [
    ("datetime.datetime", "datetime"),
    ("datetime.date", "date"),
    ("datetime.time", "time"),
    ("decimal.Decimal", "decimal"),
    ("uuid.UUID", "uuid"),
];

/// Makes a parameter optional; an omitted argument takes the default.
pub(super) fn left_out(typed: Typed) -> Typed {
    match typed.ty {
        Type::Option(_) => typed,
        ty => Typed::of(Type::Option(Arc::new(ty)), typed.plan),
    }
}

/// Fields with their types, and their plans.
type Fields = (Vec<(String, Type)>, Vec<Json>);

/// Reads annotations. Names are looked up in the file that uses them.
pub(super) struct Reader<'m> {
    modules: &'m Modules,
    /// Classes that are being read. A class that contains itself would never end.
    open: Vec<String>,
    depth: usize,
}

impl<'m> Reader<'m> {
    pub(super) fn new(modules: &'m Modules) -> Self {
        Self { modules, open: Vec::new(), depth: 0 }
    }

    /// Reads an annotation in the script. `hint` is the type's name if it has none.
    pub(super) fn written(&mut self, written: &Expr, hint: &str) -> Result<Typed, String> {
        self.read(self.modules.main(), written, hint)
    }

    /// Reads the type that a function returns, or returns `None` if it returns nothing.
    pub(super) fn result(&mut self, written: &Expr, hint: &str) -> Result<Option<Typed>, String> {
        match written {
            Expr::NoneLiteral(_) => Ok(None),
            Expr::StringLiteral(text) if text.value.to_str().trim() == "None" => Ok(None),
            written => self.written(written, &format!("{hint}-result")).map(Some),
        }
    }

    /// Returns the type of a parameter's default, for a parameter without an annotation.
    pub(super) fn default(&self, value: Option<&Expr>) -> Result<Typed, String> {
        match value {
            Some(Expr::BooleanLiteral(_)) => Ok(Typed::of(Type::Bool, Json::Null)),
            Some(Expr::StringLiteral(_)) => Ok(Typed::of(Type::String, Json::Null)),
            Some(Expr::NumberLiteral(it)) if matches!(it.value, Number::Int(_)) => {
                Ok(Typed::of(Type::Int(IntType::S64), "i"))
            }
            Some(Expr::NumberLiteral(it)) if matches!(it.value, Number::Float(_)) => Ok(Typed::of(Type::F64, "f")),
            _ => Err("it has no type: write `NAME: TYPE`".to_owned()),
        }
    }

    fn read(&mut self, module: &'m Module, written: &Expr, hint: &str) -> Result<Typed, String> {
        if self.depth == DEPTH {
            return Err(format!("types are nested more than {DEPTH} deep"));
        }
        self.depth += 1;
        let read = match written {
            Expr::Name(_) | Expr::Attribute(_) => self.name(module, written, hint),
            Expr::Subscript(it) => self.generic(module, &it.value, &it.slice, hint),
            Expr::BinOp(it) if it.op == Operator::BitOr => self.union(module, &alternatives(written), hint),
            Expr::StringLiteral(text) => match parse_expression(text.value.to_str()) {
                Ok(parsed) => self.read(module, &parsed.into_syntax().body, hint),
                Err(_) => Err(format!("`{}` is not a type", text.value.to_str())),
            },
            _ => Err("it is of a type that WIT does not have".to_owned()),
        };
        self.depth -= 1;
        read
    }

    fn name(&mut self, module: &'m Module, written: &Expr, hint: &str) -> Result<Typed, String> {
        let name = dotted(written).ok_or("it is of a type that WIT does not have")?;
        match self.modules.meaning(module, &name) {
            Meaning::Class(owner, class) => self.class(owner, class),
            Meaning::Alias(owner, expression) => {
                self.read(owner, expression, &kebab(name.rsplit('.').next().unwrap_or(hint)))
            }
            Meaning::Foreign(name) => plain(&name),
        }
    }

    /// Reads a name with parameters: `list[int]`.
    fn generic(&mut self, module: &'m Module, name: &Expr, inner: &Expr, hint: &str) -> Result<Typed, String> {
        let name = dotted(name).ok_or("it is of a type that WIT does not have")?;
        let Meaning::Foreign(name) = self.modules.meaning(module, &name) else {
            return Err(format!("`{name}` takes no parameters here"));
        };
        let inner: Vec<&Expr> = match inner {
            Expr::Tuple(it) => it.elts.iter().collect(),
            one => vec![one],
        };
        match (bare(&name), inner.as_slice()) {
            ("list" | "List" | "Sequence" | "Iterable" | "Collection", [item]) => self.list(module, item, hint),
            ("tuple" | "Tuple", [item, Expr::EllipsisLiteral(_)]) => self.list(module, item, hint),
            ("tuple" | "Tuple", items) => {
                let all =
                    items.iter().enumerate().map(|(at, item)| self.read(module, item, &format!("{hint}-{}", at + 1)));
                let all = all.collect::<Result<Vec<_>, _>>()?;
                Ok(Typed::tuple(all))
            }
            ("dict" | "Dict" | "Mapping", [key, value]) => {
                let key = self.read(module, key, &format!("{hint}-key"))?;
                let value = self.read(module, value, &format!("{hint}-value"))?;
                let pair = Type::Tuple([key.ty, value.ty].into());
                Ok(Typed::of(Type::List(Arc::new(pair)), json!({ "d": [key.plan, value.plan] })))
            }
            ("Result", [ok, err]) if name.starts_with("jobcontrol.") => self.sides(module, ok, err, hint),
            ("Optional", [inner]) => Ok(self.read(module, inner, hint)?.option()),
            ("Annotated", [inner, ..]) => self.read(module, inner, hint),
            ("Union", several) => self.union(module, several, hint),
            ("Literal", texts) => literal(texts, hint),
            _ => Err(format!("WIT has no type like `{name}`")),
        }
    }

    fn list(&mut self, module: &'m Module, item: &Expr, hint: &str) -> Result<Typed, String> {
        Ok(self.read(module, item, &format!("{hint}-item"))?.list())
    }

    /// Reads the type of a value or an error; either may be None.
    fn sides(&mut self, module: &'m Module, ok: &Expr, err: &Expr, hint: &str) -> Result<Typed, String> {
        let mut side = |written: &Expr, hint: String| match written {
            Expr::NoneLiteral(_) => Ok((None, json!("n"))),
            written => self.read(module, written, &hint).map(|typed| (Some(Arc::new(typed.ty)), typed.plan)),
        };
        let (ok, ok_plan) = side(ok, format!("{hint}-ok"))?;
        let (err, err_plan) = side(err, format!("{hint}-err"))?;
        Ok(Typed::of(Type::Result(ok, err), json!({ "s": [ok_plan, err_plan] })))
    }

    fn union(&mut self, module: &'m Module, several: &[&Expr], hint: &str) -> Result<Typed, String> {
        let rest: Vec<&Expr> = several.iter().filter(|one| !matches!(one, Expr::NoneLiteral(_))).copied().collect();
        let typed = match rest.as_slice() {
            [] => return Err("it has no possible value".to_owned()),
            [one] => self.read(module, one, hint)?,
            several => self.variant(module, several, hint)?,
        };
        Ok(if rest.len() == several.len() { typed } else { typed.option() })
    }

    /// Reads a union of dataclasses as a variant with a case for each, named after it.
    fn variant(&mut self, module: &'m Module, several: &[&Expr], name: &str) -> Result<Typed, String> {
        let (mut cases, mut plans) = (Vec::new(), Vec::new());
        for one in several {
            let typed = self.read(module, one, name)?;
            let Type::Record(record) = &typed.ty else {
                return Err(
                    "it is one of several types: WIT distinguishes them by name, so make each a dataclass".to_owned()
                );
            };
            plans.push(json!([record.name, typed.plan]));
            cases.push((record.name.clone(), Some(typed.ty.clone())));
        }
        Ok(Typed::of(Type::Variant(Arc::new(Named::new(name.to_owned(), cases)?)), json!({ "v": plans })))
    }

    fn class(&mut self, module: &'m Module, class: &StmtClassDef) -> Result<Typed, String> {
        let name = class.name.as_str();
        if self.open.iter().any(|open| open == name) {
            return Err(format!("`{name}` contains itself, which WIT does not support"));
        }
        let bases: Vec<String> = class.bases().iter().filter_map(dotted).collect();
        if bases.iter().any(|base| matches!(bare(base), "Enum" | "IntEnum" | "StrEnum")) {
            return enumeration(module, class);
        }
        let of = |decorator: &Expr| match decorator {
            Expr::Call(it) => dotted(&it.func),
            other => dotted(other),
        };
        let decorated =
            class.decorator_list.iter().filter_map(|it| of(&it.expression)).any(|name| bare(&name) == "dataclass");
        if !decorated && !bases.iter().any(|base| bare(base) == "NamedTuple") {
            return Err(format!("`{name}` is a class: make it a `@dataclass`, so that its fields are known"));
        }
        self.open.push(name.to_owned());
        let fields = self.fields(module, class);
        self.open.pop();
        let (fields, plans) = fields?;
        let record = Named::new(kebab(name), fields)?;
        Ok(Typed::of(Type::Record(Arc::new(record)), json!({ "r": plans, "c": name, "m": module.name })))
    }

    /// Returns the fields of a dataclass, those of its bases first.
    fn fields(&mut self, module: &'m Module, class: &StmtClassDef) -> Result<Fields, String> {
        let (mut fields, mut plans) = (Vec::new(), Vec::new());
        for base in class.bases().iter().filter_map(dotted) {
            if let Meaning::Class(owner, base) = self.modules.meaning(module, &base) {
                let (mut of_base, mut of_plan) = self.fields(owner, base)?;
                fields.append(&mut of_base);
                plans.append(&mut of_plan);
            }
        }
        for statement in &class.body {
            let Stmt::AnnAssign(field) = statement else { continue };
            let Some(own) = dotted(&field.target) else { continue };
            if dotted(&field.annotation).is_some_and(|name| bare(&name) == "ClassVar") {
                continue;
            }
            let wit = kebab(&own);
            let typed = self.read(module, &field.annotation, &format!("{}-{wit}", kebab(&class.name)));
            let typed = typed.map_err(|reason| format!("the field `{own}`: {reason}"))?;
            plans.push(json!([own, wit, typed.plan, field.value.is_some()]));
            fields.push((wit, typed.ty));
        }
        Ok((fields, plans))
    }
}

fn plain(name: &str) -> Result<Typed, String> {
    if let Some((_, plan)) = TEXTS.iter().find(|(known, _)| *known == name) {
        return Ok(Typed::of(Type::String, *plan));
    }
    Ok(match bare(name) {
        "int" => Typed::of(Type::Int(IntType::S64), "i"),
        "float" | "f64" => Typed::of(Type::F64, "f"),
        "f32" => Typed::of(Type::F32, "f"),
        "str" => Typed::of(Type::String, Json::Null),
        "char" => Typed::of(Type::Char, Json::Null),
        "bool" => Typed::of(Type::Bool, Json::Null),
        "bytes" => Typed::of(Type::List(Arc::new(Type::Int(IntType::U8))), "y"),
        "Any" | "object" => return Err("`Any` does not say what it is".to_owned()),
        "list" | "List" | "dict" | "Dict" | "tuple" | "Tuple" | "set" => {
            return Err(format!("`{name}` of what? write `{name}[..]`"));
        }
        other => match integer(other) {
            Some(int) => Typed::of(Type::Int(int), "i"),
            None => return Err(format!("there is no type `{name}`")),
        },
    })
}

fn enumeration(module: &Module, class: &StmtClassDef) -> Result<Typed, String> {
    let (mut cases, mut plans) = (Vec::new(), Vec::new());
    for statement in &class.body {
        let Stmt::Assign(member) = statement else { continue };
        for own in member.targets.iter().filter_map(dotted).filter(|own| !own.starts_with('_')) {
            plans.push(json!([own, kebab(&own)]));
            cases.push((kebab(&own), ()));
        }
    }
    let named = Named::new(kebab(&class.name), cases)?;
    Ok(Typed::of(Type::Enum(Arc::new(named)), json!({ "e": plans, "c": class.name.as_str(), "m": module.name })))
}

fn literal(texts: &[&Expr], hint: &str) -> Result<Typed, String> {
    let (mut cases, mut plans) = (Vec::new(), Vec::new());
    for text in texts {
        let Expr::StringLiteral(text) = text else {
            return Err("only strings can be the cases of an enum".to_owned());
        };
        let own = text.value.to_str();
        plans.push(json!([own, kebab(own)]));
        cases.push((kebab(own), ()));
    }
    Ok(Typed::of(Type::Enum(Arc::new(Named::new(hint.to_owned(), cases)?)), json!({ "n": plans })))
}

/// Splits `A | B | C` into its parts.
fn alternatives(written: &Expr) -> Vec<&Expr> {
    match written {
        Expr::BinOp(it) if it.op == Operator::BitOr => {
            let mut all = alternatives(&it.left);
            all.extend(alternatives(&it.right));
            all
        }
        one => vec![one],
    }
}

/// Returns the text of a dotted name such as `a.b.c`.
fn dotted(written: &Expr) -> Option<String> {
    match written {
        Expr::Name(it) => Some(it.id.to_string()),
        Expr::Attribute(it) => Some(format!("{}.{}", dotted(&it.value)?, it.attr)),
        Expr::Subscript(it) => dotted(&it.value),
        _ => None,
    }
}

/// Returns a name without its module.
fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
