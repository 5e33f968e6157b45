//! Converts types in TypeScript and JSDoc into types of WIT, each with a plan. The interpreter
//! converts values in both directions by these plans.
//!
//! A plan is JSON. Values that stay as they are have null, `"n"` is nothing, `"i"` a bigint, `"f"`
//! a number, and `"y"` bytes. Types that hold others have one key: `l` a list, `t` a tuple, `o` an
//! option, `u` a value that may be undefined, `r` a record (each field's own name, its name in WIT,
//! and its plan), `v` an enum or a variant (own name, name in WIT, plan, whether it carries a
//! value).

use std::sync::Arc;

use jobcontrol_core::kebab::kebab;
use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Named;
use jobcontrol_core::types::Type;
use oxc_ast::ast::Expression;
use oxc_ast::ast::PropertyKey;
use oxc_ast::ast::TSLiteral;
use oxc_ast::ast::TSSignature;
use oxc_ast::ast::TSType;
use oxc_ast::ast::TSTypeName;
use oxc_ast::ast::TSTypeReference;
use serde_json::Value as Json;
use serde_json::json;

use super::super::typed::DEPTH;
use super::super::typed::Typed;
use super::super::typed::integer;
use super::module::Declared;
use super::module::Modules;
use super::module::parsed_type;

/// Reads types. Names are looked up in the file that uses them.
pub(super) struct Reader<'m, 'a> {
    modules: &'m Modules<'a>,
    /// Declared types that are being read. A type that contains itself would never end.
    open: Vec<String>,
    depth: usize,
}

impl<'m, 'a> Reader<'m, 'a> {
    pub(super) fn new(modules: &'m Modules<'a>) -> Self {
        Self { modules, open: Vec::new(), depth: 0 }
    }

    /// Returns the index of the script's main file.
    fn main(&self) -> usize {
        self.modules.all.len() - 1
    }

    /// Reads a type in the script. `hint` is its name if it has none.
    pub(super) fn written(&mut self, ty: &TSType<'a>, hint: &str) -> Result<Typed, String> {
        self.read(self.main(), ty, hint)
    }

    /// Reads a type in a comment of the script.
    pub(super) fn text(&mut self, text: &str, hint: &str) -> Result<Typed, String> {
        let ty = parsed_type(self.modules.allocator, text)?;
        self.written(ty, hint)
    }

    /// Reads the type that a function returns, or returns `None` if it returns nothing.
    pub(super) fn result(&mut self, ty: &TSType<'a>, hint: &str) -> Result<Option<Typed>, String> {
        match ty {
            TSType::TSVoidKeyword(_) | TSType::TSUndefinedKeyword(_) => Ok(None),
            // The interpreter waits for a promise.
            TSType::TSTypeReference(it) if plain_name(it) == Some("Promise") => match argument(it) {
                Some(inner) => self.result(inner, hint),
                None => Err("a promise needs the type of its value: write `Promise<TYPE>`".to_owned()),
            },
            ty => self.written(ty, &format!("{hint}-result")).map(Some),
        }
    }

    /// Reads the type that a function returns from a comment.
    pub(super) fn result_text(&mut self, text: &str, hint: &str) -> Result<Option<Typed>, String> {
        let ty = parsed_type(self.modules.allocator, text)?;
        self.result(ty, hint)
    }

    /// Returns the type of a parameter's default, for a parameter without a type.
    pub(super) fn default(&self, value: Option<&Expression<'a>>) -> Result<Typed, String> {
        match value {
            Some(Expression::NumericLiteral(_)) => Ok(Typed::of(Type::F64, "f")),
            Some(Expression::UnaryExpression(it)) if matches!(it.argument, Expression::NumericLiteral(_)) => {
                Ok(Typed::of(Type::F64, "f"))
            }
            Some(Expression::StringLiteral(_) | Expression::TemplateLiteral(_)) => {
                Ok(Typed::of(Type::String, Json::Null))
            }
            Some(Expression::BooleanLiteral(_)) => Ok(Typed::of(Type::Bool, Json::Null)),
            Some(Expression::BigIntLiteral(_)) => Ok(Typed::of(Type::Int(IntType::S64), "i")),
            _ if self.modules.main().is_typed => Err("it has no type: write `NAME: TYPE`".to_owned()),
            _ => {
                Err("it has no type: write `@param {TYPE} NAME` in a comment `/** .. */` above the function".to_owned())
            }
        }
    }

    fn read(&mut self, module: usize, ty: &TSType<'a>, hint: &str) -> Result<Typed, String> {
        if self.depth == DEPTH {
            return Err(format!("types are nested more than {DEPTH} deep"));
        }
        self.depth += 1;
        let read = self.one(module, ty, hint);
        self.depth -= 1;
        read
    }

    fn one(&mut self, module: usize, ty: &TSType<'a>, hint: &str) -> Result<Typed, String> {
        Ok(match ty {
            TSType::TSStringKeyword(_) => Typed::of(Type::String, Json::Null),
            TSType::TSNumberKeyword(_) => Typed::of(Type::F64, "f"),
            TSType::TSBooleanKeyword(_) => Typed::of(Type::Bool, Json::Null),
            TSType::TSBigIntKeyword(_) => Typed::of(Type::Int(IntType::S64), "i"),
            TSType::TSArrayType(it) => self.list(module, &it.element_type, hint)?,
            TSType::TSParenthesizedType(it) => self.read(module, &it.type_annotation, hint)?,
            // `readonly T[]`
            TSType::TSTypeOperatorType(it) => self.read(module, &it.type_annotation, hint)?,
            TSType::JSDocNullableType(it) => self.read(module, &it.type_annotation, hint)?.option(),
            TSType::JSDocNonNullableType(it) => self.read(module, &it.type_annotation, hint)?,
            TSType::TSNamedTupleMember(it) => match it.element_type.as_ts_type() {
                Some(inner) => self.read(module, inner, hint)?,
                None => return Err("a tuple has no optional members and no rest in WIT".to_owned()),
            },
            TSType::TSTupleType(it) => {
                let mut all = Vec::new();
                for (at, element) in it.element_types.iter().enumerate() {
                    let element = element.as_ts_type().ok_or("a tuple has no optional members and no rest in WIT")?;
                    all.push(self.read(module, element, &format!("{hint}-{}", at + 1))?);
                }
                if all.is_empty() {
                    return Err("WIT has no empty tuple".to_owned());
                }
                Typed::tuple(all)
            }
            TSType::TSTypeLiteral(it) => self.record(module, &it.members, hint)?,
            TSType::TSLiteralType(it) if matches!(it.literal, TSLiteral::StringLiteral(_)) => {
                self.cases(module, &[ty], hint)?
            }
            TSType::TSUnionType(it) => self.union(module, &it.types.iter().collect::<Vec<_>>(), hint)?,
            TSType::TSTypeReference(it) => self.reference(module, it, hint)?,
            TSType::TSAnyKeyword(_) | TSType::TSUnknownKeyword(_) | TSType::TSObjectKeyword(_) => {
                return Err("`any`, `unknown` and `object` do not say what it is".to_owned());
            }
            _ => return Err("it is of a type that WIT does not have".to_owned()),
        })
    }

    fn list(&mut self, module: usize, ty: &TSType<'a>, hint: &str) -> Result<Typed, String> {
        Ok(self.read(module, ty, &format!("{hint}-item"))?.list())
    }

    fn reference(&mut self, module: usize, it: &TSTypeReference<'a>, hint: &str) -> Result<Typed, String> {
        let name = plain_name(it).ok_or("WIT has no type with a dot in its name")?;
        if let Some((owner, declared)) = self.declared(module, name) {
            if self.open.iter().any(|open| open == name) {
                return Err(format!("`{name}` contains itself, which WIT does not support"));
            }
            self.open.push(name.to_owned());
            let read = match declared {
                Declared::Interface(it) if !it.extends.is_empty() || it.type_parameters.is_some() => {
                    Err(format!("`{name}` extends another or has parameters: write its fields"))
                }
                Declared::Interface(it) => self.record(owner, &it.body.body, &kebab(name)),
                Declared::Type(ty) => self.read(owner, ty, &kebab(name)),
            };
            self.open.pop();
            return read;
        }
        let inner = argument(it);
        match (name, inner) {
            ("Array" | "ReadonlyArray", Some(item)) => self.list(module, item, hint),
            ("Readonly", Some(inner)) => self.read(module, inner, hint),
            ("Uint8Array", _) => Ok(Typed::of(Type::List(Arc::new(Type::Int(IntType::U8))), "y")),
            ("f32", None) => Ok(Typed::of(Type::F32, "f")),
            ("f64", None) => Ok(Typed::of(Type::F64, "f")),
            ("char", None) => Ok(Typed::of(Type::Char, Json::Null)),
            ("String" | "Number" | "Boolean", None) => Err(format!("write `{}`", name.to_ascii_lowercase())),
            ("Map" | "Record" | "Set", _) => Err(format!("WIT has no type like `{name}`: use a list of pairs")),
            ("Result", _) => match it.type_arguments.as_ref().map(|all| all.params.as_slice()) {
                Some([ok, err]) => self.sides(module, ok, err, hint),
                _ => Err("a result needs two types: write `Result<TYPE, ERROR>`".to_owned()),
            },
            ("Promise", _) => Err("a promise is only allowed as a return type".to_owned()),
            ("Date", _) => Err("WIT has no type like `Date`: use a string or a number".to_owned()),
            _ => match integer(name) {
                Some(int @ (IntType::S64 | IntType::U64)) => Ok(Typed::of(Type::Int(int), "i")),
                Some(int) => Ok(Typed::of(Type::Int(int), Json::Null)),
                None => Err(format!("there is no type `{name}`")),
            },
        }
    }

    /// Finds the declaration of a type, in the file itself or in one that it imports from.
    fn declared(&self, module: usize, name: &str) -> Option<(usize, &'m Declared<'a>)> {
        let (mut module, mut name) = (module, name.to_owned());
        for _ in 0..=self.modules.all.len() {
            if let Some(declared) = self.modules.all[module].types.get(&name) {
                return Some((module, declared));
            }
            (module, name) = self.modules.all[module].imports.get(&name).cloned()?;
        }
        None
    }

    fn record(&mut self, module: usize, members: &[TSSignature<'a>], name: &str) -> Result<Typed, String> {
        let (mut fields, mut plans) = (Vec::new(), Vec::new());
        for member in members {
            let TSSignature::TSPropertySignature(field) = member else {
                return Err(format!("`{name}` has members that are not fields, which WIT does not support"));
            };
            let own = field_name(&field.key).ok_or_else(|| format!("`{name}` has a field without a name"))?;
            let wit = kebab(&own);
            let written = field.type_annotation.as_ref().ok_or_else(|| format!("the field `{own}` has no type"))?;
            let typed = self.read(module, &written.type_annotation, &format!("{name}-{wit}"));
            let typed = typed.map_err(|reason| format!("the field `{own}`: {reason}"))?;
            let typed = if field.optional { left_out(typed) } else { typed };
            fields.push((wit.clone(), typed.ty));
            plans.push(json!([own, wit, typed.plan]));
        }
        Ok(Typed::of(Type::Record(Arc::new(Named::new(name.to_owned(), fields)?)), json!({ "r": plans })))
    }

    fn union(&mut self, module: usize, types: &[&TSType<'a>], hint: &str) -> Result<Typed, String> {
        let is_none = |ty: &&&TSType<'a>| matches!(ty, TSType::TSNullKeyword(_) | TSType::TSUndefinedKeyword(_));
        let rest: Vec<&TSType<'a>> = types.iter().filter(|ty| !is_none(ty)).copied().collect();
        let is_left_out = types.iter().any(|ty| matches!(ty, TSType::TSUndefinedKeyword(_)));
        let typed = match rest.as_slice() {
            [] => return Err("it has no possible value".to_owned()),
            [one] => self.read(module, one, hint)?,
            several => self.cases(module, several, hint)?,
        };
        Ok(match rest.len() == types.len() {
            true => typed,
            false if is_left_out => left_out(typed),
            false => typed.option(),
        })
    }

    /// Reads `{ ok: T } | { err: E }` as a result.
    fn either(&mut self, module: usize, types: &[&TSType<'a>], name: &str) -> Result<Option<Typed>, String> {
        let [first, second] = types else { return Ok(None) };
        let (Some((ok_name, ok)), Some((err_name, err))) = (only_field(first), only_field(second)) else {
            return Ok(None);
        };
        if (ok_name.as_str(), err_name.as_str()) != ("ok", "err") {
            return Ok(None);
        }
        self.sides(module, ok, err, name).map(Some)
    }

    fn sides(&mut self, module: usize, ok: &TSType<'a>, err: &TSType<'a>, name: &str) -> Result<Typed, String> {
        let mut side = |ty: &TSType<'a>, hint: String| match ty {
            TSType::TSVoidKeyword(_) | TSType::TSUndefinedKeyword(_) | TSType::TSNullKeyword(_) => {
                Ok((None, json!("n")))
            }
            ty => self.read(module, ty, &hint).map(|typed| (Some(Arc::new(typed.ty)), typed.plan)),
        };
        let (ok, ok_plan) = side(ok, format!("{name}-ok"))?;
        let (err, err_plan) = side(err, format!("{name}-err"))?;
        let plan = json!({ "v": [["ok", "ok", ok_plan, true], ["err", "err", err_plan, true]] });
        Ok(Typed::of(Type::Result(ok, err), plan))
    }

    /// Reads strings as an enum. With objects of one field, which carry a value, they are a
    /// variant.
    fn cases(&mut self, module: usize, types: &[&TSType<'a>], name: &str) -> Result<Typed, String> {
        if let Some(result) = self.either(module, types, name)? {
            return Ok(result);
        }
        let (mut cases, mut plans) = (Vec::new(), Vec::new());
        for ty in types {
            match ty {
                TSType::TSLiteralType(it) => {
                    let TSLiteral::StringLiteral(text) = &it.literal else {
                        return Err("only strings can be the cases of an enum".to_owned());
                    };
                    let own = text.value.to_string();
                    plans.push(json!([own, kebab(&own), null, false]));
                    cases.push((kebab(&own), None));
                }
                ty => {
                    let carried = self.read(module, ty, name)?;
                    let (Type::Record(record), Some([field])) =
                        (&carried.ty, carried.plan["r"].as_array().map(Vec::as_slice))
                    else {
                        return Err(
                            "it is one of several types: WIT distinguishes them by name, so write strings, and objects \
                                    of one field: `\"none\" | { circle: number }`"
                                .to_owned(),
                        );
                    };
                    plans.push(json!([field[0], field[1], field[2], true]));
                    cases.push((record.members[0].0.clone(), Some(record.members[0].1.clone())));
                }
            }
        }
        if cases.iter().all(|(_, carried)| carried.is_none()) {
            let cases = cases.into_iter().map(|(case, _)| (case, ())).collect();
            return Ok(Typed::of(Type::Enum(Arc::new(Named::new(name.to_owned(), cases)?)), json!({ "v": plans })));
        }
        Ok(Typed::of(Type::Variant(Arc::new(Named::new(name.to_owned(), cases)?)), json!({ "v": plans })))
    }
}

/// Returns the only field of an object type, with its type.
fn only_field<'t, 'a>(ty: &'t TSType<'a>) -> Option<(String, &'t TSType<'a>)> {
    let TSType::TSTypeLiteral(it) = ty else { return None };
    let [TSSignature::TSPropertySignature(field)] = it.members.as_slice() else { return None };
    Some((field_name(&field.key)?, &field.type_annotation.as_ref()?.type_annotation))
}

/// Makes a type optional; an omitted value is `undefined`.
pub(super) fn left_out(typed: Typed) -> Typed {
    match typed.ty {
        Type::Option(_) => Typed::of(typed.ty, json!({ "u": typed.plan.get("o").or(typed.plan.get("u")) })),
        ty => Typed::of(Type::Option(Arc::new(ty)), json!({ "u": typed.plan })),
    }
}

fn plain_name<'t>(it: &'t TSTypeReference<'_>) -> Option<&'t str> {
    match &it.type_name {
        TSTypeName::IdentifierReference(it) => Some(it.name.as_str()),
        _ => None,
    }
}

/// Returns the only argument of a generic type.
fn argument<'t, 'a>(it: &'t TSTypeReference<'a>) -> Option<&'t TSType<'a>> {
    let arguments = it.type_arguments.as_ref()?;
    arguments.params.first().filter(|_| arguments.params.len() == 1)
}

fn field_name(key: &PropertyKey<'_>) -> Option<String> {
    key.static_name().map(|name| name.into_owned())
}
