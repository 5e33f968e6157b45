//! Turns an argument of a manifest into the argument of a call.
//!
//! The same walk serves two purposes. It checks arguments before anything runs, when return values
//! have a type but no value yet. It creates the value when the call is due. So the call accepts
//! what the check accepts.

use std::sync::Arc;

use crate::argument::Arg;
use crate::argument::ArgNode;
use crate::argument::Reference;
use crate::diagnostic::Code;
use crate::diagnostic::Span;
use crate::diagnostic::listed;
use crate::diagnostic::nearest;
use crate::value::JSON_EXACT;
use crate::value::Name;
use crate::value::Value;
use crate::value::shortest;
use crate::yaml::key::Key;

use super::convert::convert;
use super::convert::some;
use super::fits::fits;
use super::ty::Named;
use super::ty::Type;
use super::ty::same_name;

/// A source of the return values of other jobs.
pub trait Retvals {
    /// Returns the type of `job`'s return value and, once the job is built, the value. Returns
    /// `None` if the type is not known; this is reported elsewhere.
    fn retval(&self, job: &str) -> Option<(&Type, Option<&Value>)>;

    /// Returns the value of a secret; `None` before an attempt starts.
    fn secret(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// Something in an argument that does not fit its parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of mistake.
    pub code: Code,
    /// The position in the manifest.
    pub span: Span,
    /// The place in the argument, from the parameter's name inwards: `orders[2].total`.
    pub path: String,
    /// What is wrong, in a few words: `expected u32, found a string`.
    pub reason: String,
    /// Hints that fix it.
    pub help: Vec<String>,
    /// The job whose return value does not fit, with a short label for the place that uses it.
    pub origin: Option<(String, String)>,
    /// The value that was found: its kind, as named in the reason, and the value itself. If it was
    /// filled in from a variable, it may be a secret.
    pub found: Option<(&'static str, String)>,
}

impl Problem {
    /// Returns the reason with the value that was found.
    pub fn reason_with_value(&self) -> String {
        match &self.found {
            Some((kind, value)) => self.reason.replacen(&format!("found {kind}"), &format!("found {value}"), 1),
            None => self.reason.clone(),
        }
    }
}

/// Turns `arg` into a value of type `ty`, and reports everything that does not fit. The value is
/// meaningless if anything was reported, or if the value of a `!retval` was not known yet.
pub fn resolve(arg: &Arg, name: &str, ty: &Type, retvals: &dyn Retvals, problems: &mut Vec<Problem>) -> Value {
    let mut walk = Walk { retvals, problems, path: name.to_owned() };
    walk.arg(arg, ty)
}

/// Largest float that is certainly the integer that was written.
const F64_EXACT: f64 = JSON_EXACT as f64;

struct Walk<'a> {
    retvals: &'a dyn Retvals,
    problems: &'a mut Vec<Problem>,
    path: String,
}

impl Walk<'_> {
    fn arg(&mut self, arg: &Arg, ty: &Type) -> Value {
        match (&arg.node, ty) {
            (ArgNode::Retval(reference), ty) => self.retval(arg, reference, ty),
            (ArgNode::Secret(name), ty) => self.secret(arg, name, ty),
            (_, Type::Unsupported(what)) => {
                self.problem(Code::WrongType, arg.span, format!("{what} cannot be given"), None)
            }
            (node, Type::Option(inner)) => self.option(arg, node, inner),
            (ArgNode::Scalar(value), ty) => self.scalar(arg, value, ty),
            (ArgNode::List(items), Type::List(item)) => {
                let list = items.iter().enumerate().map(|(i, arg)| self.inside(&format!("[{i}]"), arg, item));
                let list: Vec<_> = list.collect();
                if ty.is_bytes() { bytes(list) } else { Value::List(list) }
            }
            (ArgNode::List(items), Type::Tuple(types)) => {
                if items.len() != types.len() {
                    let found = format!("expected {ty}, found a list of {}", items.len());
                    return self.problem(
                        Code::WrongType,
                        arg.span,
                        found,
                        Some(format!("{ty} takes {} values", types.len())),
                    );
                }
                let items = items.iter().zip(types.iter()).enumerate();
                Value::List(items.map(|(i, (arg, t))| self.inside(&format!("[{i}]"), arg, t)).collect())
            }
            (ArgNode::List(items), Type::Flags(flags)) => self.flags(items, flags),
            (ArgNode::Map(entries), Type::Record(record)) => self.record(arg, entries, record),
            (ArgNode::Map(entries), Type::Variant(variant)) => {
                let names: Vec<_> = variant.names().collect();
                self.case(arg, entries, ty, &names, |case| variant.get(case).map(|(n, t)| (n, t.as_ref())))
            }
            (ArgNode::Map(entries), Type::Result(ok, err)) => {
                self.case(arg, entries, ty, &["ok", "err"], |case| match case {
                    "ok" => Some(("ok", ok.as_deref())),
                    "err" => Some(("err", err.as_deref())),
                    _ => None,
                })
            }
            (ArgNode::List(_), ty) => self.mismatch(arg, ty, "a list"),
            (ArgNode::Map(_), ty) => self.mismatch(arg, ty, "a mapping"),
        }
    }

    fn inside(&mut self, step: &str, arg: &Arg, ty: &Type) -> Value {
        let outer = self.path.len();
        self.path.push_str(step);
        let value = self.arg(arg, ty);
        self.path.truncate(outer);
        value
    }

    fn problem(&mut self, code: Code, span: Span, reason: String, help: Option<String>) -> Value {
        let (path, help) = (self.path.clone(), help.into_iter().collect());
        self.problems.push(Problem { code, span, path, reason, help, origin: None, found: None });
        Value::Null
    }

    /// Adds the value that was found to the last problem.
    fn found(&mut self, nothing: Value, value: &Value) -> Value {
        if let Some(problem) = self.problems.last_mut() {
            problem.found = Some((value.kind(), value.shortened()));
        }
        nothing
    }

    /// Adds the job whose return value was used to the last problem.
    fn of_job(&mut self, value: Value, reference: &Reference, label: String) -> Value {
        if let Some(problem) = self.problems.last_mut() {
            problem.origin = Some((reference.job.clone(), label));
        }
        value
    }

    fn mismatch(&mut self, arg: &Arg, ty: &Type, found: &str) -> Value {
        let help = match ty {
            Type::Record(record) => Some(format!("`{ty}` has the fields {}", listed(record.names()))),
            Type::Variant(variant) => Some(format!("`{ty}` has the cases {}", listed(variant.names()))),
            Type::Enum(cases) => Some(format!("`{ty}` has the cases {}", listed(cases.names()))),
            Type::Flags(_) => Some(format!("`{ty}` is written as a list of names")),
            Type::List(_) | Type::Tuple(_) => {
                Some("write a list: `[.., ..]`, or lines that begin with `- `".to_owned())
            }
            Type::Bool => Some("write `true` or `false`, without quotes".to_owned()),
            _ => None,
        };
        self.problem(Code::WrongType, arg.span, format!("expected {ty}, found {found}"), help)
    }

    fn option(&mut self, arg: &Arg, node: &ArgNode, inner: &Type) -> Value {
        if matches!(node, ArgNode::Scalar(Value::Null)) {
            return Value::Null;
        }
        match (node, inner) {
            (ArgNode::Map(entries), Type::Option(_)) => match entries.as_slice() {
                [(key, arg)] if key.name == "some" => {
                    let value = self.inside(".some", arg, inner);
                    some(value, inner)
                }
                _ => self.problem(
                    Code::WrongType,
                    arg.span,
                    format!("expected option<{inner}>, found a mapping"),
                    Some("an option of an option is written `{some: x}` or null".to_owned()),
                ),
            },
            _ => {
                let value = self.arg(arg, inner);
                some(value, inner)
            }
        }
    }

    fn retval(&mut self, arg: &Arg, reference: &Reference, ty: &Type) -> Value {
        let Some((mut from, mut value)) = self.retvals.retval(&reference.job) else {
            return Value::Null;
        };
        for (depth, field) in reference.path.iter().enumerate() {
            let Some(inner) = from.field(field) else {
                let help = match from {
                    Type::Record(record) => nearest(field, record.names())
                        .map(|near| format!("did you mean `{near}`?"))
                        .or_else(|| Some(format!("`{from}` has the fields {}", listed(record.names())))),
                    _ => Some(format!("only a record has fields, but this is {from}")),
                };
                let outer = Reference { job: reference.job.clone(), path: reference.path[..depth].to_vec() };
                let reason = format!("`!retval {outer}` has no field `{field}`");
                let value = self.problem(Code::RetvalField, arg.span, reason, help);
                return self.of_job(value, reference, format!("`{outer}` is {from}"));
            };
            value = value.and_then(|v| match v {
                Value::Map(entries) => entries.iter().find(|(k, _)| same_name(k, field)).map(|(_, v)| v),
                _ => None,
            });
            from = inner;
        }
        if let Err(misfit) = fits(from, ty) {
            let at = if misfit.path.starts_with('[') || misfit.path.is_empty() { "" } else { "." };
            let outer = self.path.len();
            let label = format!("`{reference}` is {from}, and `{}` takes {ty}", self.path);
            self.path.push_str(&format!("{at}{}", misfit.path));
            let fitting = match from {
                Type::Record(record) => record.members.iter().find(|(_, field)| fits(field, ty).is_ok()),
                _ => None,
            };
            let mut help = Vec::new();
            if misfit.from != from.to_string() || misfit.to != ty.to_string() {
                help.push(format!("`{reference}` is {}", misfit.from));
                help.push(format!("expected {}", misfit.to));
            }
            help.extend(misfit.help);
            help.push(match fitting {
                Some((field, _)) => format!("did you mean `!retval {reference}.{field}`?"),
                None => "make the two functions agree, or add a job between them that converts the value".to_owned(),
            });
            let value = self.problem(Code::RetvalMisfit, arg.span, misfit.reason, None);
            if let Some(problem) = self.problems.last_mut() {
                problem.help = help;
            }
            self.path.truncate(outer);
            return self.of_job(value, reference, label);
        }
        match value {
            None => Value::Null,
            Some(value) => convert(value.clone(), from, ty).unwrap_or_else(|reason| {
                self.problem(Code::RetvalMisfit, arg.span, format!("`!retval {reference}`: {reason}"), None)
            }),
        }
    }

    /// Resolves a secret to a string or bytes, which are empty while the value is not known.
    fn secret(&mut self, arg: &Arg, name: &str, ty: &Type) -> Value {
        let value = self.retvals.secret(name).unwrap_or_default();
        match ty {
            Type::Option(inner) => {
                let value = self.secret(arg, name, inner);
                some(value, inner)
            }
            Type::String => match std::str::from_utf8(value) {
                Ok(text) => Value::string(text),
                Err(_) => {
                    let help = Some("take it as `list<u8>`".to_owned());
                    self.problem(Code::WrongType, arg.span, format!("the secret `{name}` is not UTF-8"), help)
                }
            },
            ty if ty.is_bytes() => Value::Bytes(value.to_vec()),
            ty => {
                let help = Some("a secret is a string, or `list<u8>`".to_owned());
                self.problem(Code::WrongType, arg.span, format!("expected {ty}, found a secret"), help)
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "what is not exact is reported")]
    fn scalar(&mut self, arg: &Arg, value: &Value, ty: &Type) -> Value {
        match (value, ty) {
            (Value::Bool(_), Type::Bool) | (Value::String(_), Type::String) => value.clone(),
            (Value::Int(i), Type::Int(int)) => {
                let (min, max) = int.range();
                if (min..=max).contains(i) {
                    return value.clone();
                }
                let help = format!("{ty} holds {min} to {max}");
                self.problem(Code::OutOfRange, arg.span, format!("{i} is out of range for {ty}"), Some(help))
            }
            // `4.0` is the integer 4.
            (Value::Float(x), Type::Int(_)) if x.fract() == 0.0 && x.abs() <= F64_EXACT => {
                self.scalar(arg, &Value::Int(*x as i128), ty)
            }
            (Value::String(text), Type::Int(_)) if json_integer(text).is_some() => {
                self.scalar(arg, &Value::Int(json_integer(text).unwrap_or_default()), ty)
            }
            (Value::Float(_), Type::F64) => value.clone(),
            (Value::Float(x), Type::F32) => self.f32(arg, *x),
            (Value::Int(i), Type::F64) if *i as f64 as i128 == *i => Value::Float(*i as f64),
            (Value::Int(i), Type::F32) if *i as f32 as i128 == *i => Value::Float(shortest(*i as f32)),
            (Value::Int(i), Type::F32 | Type::F64) => self.problem(
                Code::Inexact,
                arg.span,
                format!("{i} is not exact as {ty}"),
                Some(format!("write {i}.0 to round it")),
            ),
            (Value::String(text), Type::F32 | Type::F64) if non_finite(text).is_some() => {
                non_finite(text).map_or(Value::Null, Value::Float)
            }
            (Value::String(text), Type::Char) if text.chars().count() == 1 => value.clone(),
            (Value::String(text), Type::Char) => {
                let message = format!("expected one char, found {} of them", text.chars().count());
                self.problem(Code::WrongType, arg.span, message, None)
            }
            (Value::Bytes(_), ty) if ty.is_bytes() => value.clone(),
            (Value::Bytes(bytes), Type::List(item)) if matches!(**item, Type::Int(_) | Type::F32 | Type::F64) => {
                self.bytes(arg, bytes, item)
            }
            (Value::String(case), Type::Enum(cases)) => match cases.get(case) {
                Some((name, ())) => Value::string(name),
                None => self.unknown_case(arg.span, case, ty, cases.names()),
            },
            (Value::String(case), Type::Variant(cases)) => match cases.get(case) {
                Some((name, None)) => Value::string(name),
                Some((name, Some(payload))) => {
                    let help = format!("write `{name}: ..` with a value of type {payload}");
                    self.problem(
                        Code::CasePayload,
                        arg.span,
                        format!("case `{name}` of `{ty}` carries a value"),
                        Some(help),
                    )
                }
                None => self.unknown_case(arg.span, case, ty, cases.names()),
            },
            (Value::String(case), Type::Result(None, _)) if case == "ok" => Value::entry("ok", Value::Null),
            (Value::String(case), Type::Result(_, None)) if case == "err" => Value::entry("err", Value::Null),
            (Value::Int(_) | Value::Float(_) | Value::Bool(_), Type::String) => {
                let help = Some("write it in quotes".to_owned());
                let nothing =
                    self.problem(Code::WrongType, arg.span, format!("expected string, found {}", value.kind()), help);
                self.found(nothing, value)
            }
            (Value::String(text), _) if text.starts_with("!retval ") => {
                let help = Some(format!("without the quotes, `{text}` stands for what the job returned"));
                let nothing = self.problem(Code::WrongType, arg.span, format!("expected {ty}, found a string"), help);
                self.found(nothing, value)
            }
            (Value::String(text), Type::Int(_) | Type::F32 | Type::F64) if text.parse::<f64>().is_ok() => {
                let help = Some(format!("write it without quotes: {text}"));
                let nothing = self.problem(Code::WrongType, arg.span, format!("expected {ty}, found a string"), help);
                self.found(nothing, value)
            }
            (value, ty) => {
                let nothing = self.mismatch(arg, ty, value.kind());
                self.found(nothing, value)
            }
        }
    }

    /// Converts bytes to a list of other numbers.
    fn bytes(&mut self, arg: &Arg, bytes: &[u8], item: &Type) -> Value {
        let known = self.problems.len();
        let mut items = Vec::with_capacity(bytes.len());
        for byte in bytes {
            items.push(self.scalar(arg, &Value::Int((*byte).into()), item));
            // One problem per place: only the first byte that does not fit is reported.
            if self.problems.len() > known {
                return Value::Null;
            }
        }
        Value::List(items)
    }

    #[expect(clippy::cast_possible_truncation, reason = "an f32 parameter rounds, as every language does")]
    fn f32(&mut self, arg: &Arg, x: f64) -> Value {
        let short = x as f32;
        if short.is_infinite() && x.is_finite() {
            return self.problem(Code::OutOfRange, arg.span, format!("{x:e} is out of range for f32"), None);
        }
        if short == 0.0 && x != 0.0 {
            return self.problem(Code::OutOfRange, arg.span, format!("{x:e} is too small for f32"), None);
        }
        Value::Float(shortest(short))
    }

    fn unknown_case<'n>(&mut self, span: Span, case: &str, ty: &Type, names: impl Iterator<Item = &'n str>) -> Value {
        let names: Vec<_> = names.collect();
        let help = nearest(case, names.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .unwrap_or_else(|| format!("`{ty}` has the cases {}", listed(names.into_iter())));
        self.problem(Code::UnknownCase, span, format!("`{ty}` has no case `{case}`"), Some(help))
    }

    fn flags(&mut self, items: &[Arg], flags: &Arc<Named<()>>) -> Value {
        let mut set: Vec<&str> = Vec::new();
        for arg in items {
            match &arg.node {
                ArgNode::Scalar(Value::String(name)) => match flags.get(name) {
                    Some((name, ())) => set.push(name),
                    None => {
                        self.unknown_case(arg.span, name, &Type::Flags(Arc::clone(flags)), flags.names());
                    }
                },
                _ => {
                    self.problem(
                        Code::WrongType,
                        arg.span,
                        format!("expected the name of a flag of `{}`", flags.name),
                        None,
                    );
                }
            }
        }
        let in_order = flags.names().filter(|name| set.contains(name)).map(Value::string);
        Value::List(in_order.collect())
    }

    fn record(&mut self, arg: &Arg, entries: &[(Key, Arg)], record: &Named<Type>) -> Value {
        // A misspelt field is not also reported as missing.
        let mut misspelt = Vec::new();
        for (key, _) in entries {
            if record.get(&key.name).is_none() {
                let near = nearest(&key.name, record.names());
                misspelt.extend(near);
                let help = near
                    .map(|near| format!("did you mean `{near}`?"))
                    .unwrap_or_else(|| format!("`{}` has the fields {}", record.name, listed(record.names())));
                self.problem(
                    Code::UnknownField,
                    key.span,
                    format!("`{}` has no field `{}`", record.name, key.name),
                    Some(help),
                );
            }
        }
        let mut fields = Vec::with_capacity(record.members.len());
        for (name, ty) in &record.members {
            let mut given = entries.iter().filter(|(key, _)| same_name(&key.name, name));
            let value = match (given.next(), ty) {
                (Some((_, arg)), ty) => self.inside(&format!(".{name}"), arg, ty),
                (None, Type::Option(_)) => Value::Null,
                (None, _) if misspelt.contains(&name.as_str()) => Value::Null,
                (None, ty) => {
                    let help = Some(format!("add `{name}:` with a value of type {ty}"));
                    self.problem(
                        Code::MissingField,
                        arg.span,
                        format!("field `{name}` of `{}` is missing", record.name),
                        help,
                    )
                }
            };
            if let Some((key, _)) = given.next() {
                self.problem(Code::FieldTwice, key.span, format!("field `{name}` is given twice"), None);
            }
            fields.push((Name::from(name), value));
        }
        Value::Map(fields)
    }

    fn case<'t>(
        &mut self,
        arg: &Arg,
        entries: &[(Key, Arg)],
        ty: &Type,
        names: &[&str],
        find: impl Fn(&str) -> Option<(&'t str, Option<&'t Type>)>,
    ) -> Value {
        let [(key, payload)] = entries else {
            let help = Some(format!("write one of {}", listed(names.iter().copied())));
            return self.problem(
                Code::WrongType,
                arg.span,
                format!("expected one case of {ty}, found {} keys", entries.len()),
                help,
            );
        };
        match find(&key.name) {
            Some((name, Some(ty))) => {
                let value = self.inside(&format!(".{name}"), payload, ty);
                Value::entry(name, value)
            }
            Some((name, None)) if matches!(payload.node, ArgNode::Scalar(Value::Null)) => match ty {
                Type::Result(..) => Value::entry(name, Value::Null),
                _ => Value::string(name),
            },
            Some((name, None)) => {
                self.problem(Code::CasePayload, payload.span, format!("case `{name}` of {ty} carries no value"), None)
            }
            None => self.unknown_case(key.span, &key.name, ty, names.iter().copied()),
        }
    }
}

fn bytes(list: Vec<Value>) -> Value {
    let byte = |value: &Value| match value {
        Value::Int(i) => u8::try_from(*i).ok(),
        _ => None,
    };
    list.iter().map(byte).collect::<Option<Vec<u8>>>().map_or(Value::List(list), Value::Bytes)
}

/// Reads an integer beyond 2^53, which JSON represents as a string.
fn json_integer(text: &str) -> Option<i128> {
    let int = text.parse().ok().filter(|int: &i128| int.unsigned_abs() > JSON_EXACT)?;
    (int.to_string() == text).then_some(int)
}

fn non_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
