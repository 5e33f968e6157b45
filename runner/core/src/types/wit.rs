//! Types out of decoded WIT, and types as WIT text and back.

use std::collections::BTreeSet;
use std::fmt::Write;

use wit_parser::Handle;
use wit_parser::Resolve;
use wit_parser::Type as WitType;
use wit_parser::TypeDefKind;

use super::signature::Signature;
use super::ty::IntType;
use super::ty::MAX_TYPE_NODES;
use super::ty::Named;
use super::ty::Type;

/// How deep a type may nest: every later walk over it recurses.
const MAX_TYPE_DEPTH: usize = 100;

/// What cannot be the name of a WIT item unless `%` stands before it.
const KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// The type that decoded WIT describes.
///
/// # Errors
///
/// A type of more than [`MAX_TYPE_NODES`] nodes, or one that nests deeper than 100 levels.
pub fn from_wit(resolve: &Resolve, ty: &WitType) -> Result<Type, String> {
    Reader { resolve, nodes: 0 }.read(ty, 0)
}

/// The signature that decoded WIT describes; `interface` is where the function stands, if not in the world itself.
///
/// # Errors
///
/// As [`from_wit`], naming the function.
pub fn signature_from_wit(
    resolve: &Resolve,
    interface: Option<String>,
    function: &wit_parser::Function,
) -> Result<Signature, String> {
    let mut reader = Reader { resolve, nodes: 0 };
    let mut read = |ty: &WitType| reader.read(ty, 0).map_err(|e| format!("function `{}`: {e}", function.name));
    let mut params = Vec::with_capacity(function.params.len());
    for param in &function.params {
        params.push((param.name.clone(), read(&param.ty)?));
    }
    let result = function.result.as_ref().map(read).transpose()?;
    let docs = function.docs.contents.clone();
    Ok(Signature { interface, name: function.name.clone(), params, result, docs, command: false })
}

struct Reader<'a> {
    resolve: &'a Resolve,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_TYPE_NODES {
            return Err(format!("a type has more than {MAX_TYPE_NODES} parts"));
        }
        Ok(())
    }

    fn read(&mut self, ty: &WitType, depth: usize) -> Result<Type, String> {
        self.count()?;
        if depth > MAX_TYPE_DEPTH {
            return Err(format!("a type nests deeper than {MAX_TYPE_DEPTH} levels"));
        }
        Ok(match ty {
            WitType::Bool => Type::Bool,
            WitType::S8 => Type::Int(IntType::S8),
            WitType::S16 => Type::Int(IntType::S16),
            WitType::S32 => Type::Int(IntType::S32),
            WitType::S64 => Type::Int(IntType::S64),
            WitType::U8 => Type::Int(IntType::U8),
            WitType::U16 => Type::Int(IntType::U16),
            WitType::U32 => Type::Int(IntType::U32),
            WitType::U64 => Type::Int(IntType::U64),
            WitType::F32 => Type::F32,
            WitType::F64 => Type::F64,
            WitType::Char => Type::Char,
            WitType::String => Type::String,
            WitType::ErrorContext => Type::Unsupported("error-context"),
            WitType::Id(id) => {
                let def = &self.resolve.types[*id];
                let name = def.name.clone().unwrap_or_default();
                self.kind(&def.kind, name, depth + 1)?
            }
        })
    }

    fn kind(&mut self, mut kind: &'a TypeDefKind, mut name: String, depth: usize) -> Result<Type, String> {
        // An alias keeps the name of what it stands for, so that two uses of one type read alike. Each step is
        // counted as a part, and none is a call: a plugin may chain as many aliases as it has room for.
        while let TypeDefKind::Type(WitType::Id(id)) = kind {
            self.count()?;
            let target = &self.resolve.types[*id];
            if let Some(target) = &target.name {
                name.clone_from(target);
            }
            kind = &target.kind;
        }
        Ok(match kind {
            TypeDefKind::Type(ty) => self.read(ty, depth)?,
            TypeDefKind::List(item) => Type::List(Box::new(self.read(item, depth)?)),
            TypeDefKind::Option(inner) => Type::Option(Box::new(self.read(inner, depth)?)),
            TypeDefKind::Tuple(tuple) => {
                let items = tuple.types.iter().map(|t| self.read(t, depth));
                Type::Tuple(items.collect::<Result<_, _>>()?)
            }
            TypeDefKind::Result(result) => {
                Type::Result(self.side(result.ok.as_ref(), depth)?, self.side(result.err.as_ref(), depth)?)
            }
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|f| Ok((f.name.clone(), self.read(&f.ty, depth)?)));
                Type::Record(named(name, fields.collect::<Result<_, String>>()?)?)
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| {
                    let payload = case.ty.as_ref().map(|t| self.read(t, depth)).transpose()?;
                    Ok((case.name.clone(), payload))
                });
                Type::Variant(named(name, cases.collect::<Result<_, String>>()?)?)
            }
            TypeDefKind::Enum(cases) => {
                Type::Enum(named(name, cases.cases.iter().map(|c| (c.name.clone(), ())).collect())?)
            }
            TypeDefKind::Flags(flags) => {
                Type::Flags(named(name, flags.flags.iter().map(|f| (f.name.clone(), ())).collect())?)
            }
            TypeDefKind::Handle(Handle::Own(_) | Handle::Borrow(_)) | TypeDefKind::Resource => {
                Type::Unsupported("resource")
            }
            TypeDefKind::Future(_) => Type::Unsupported("future"),
            TypeDefKind::Stream(_) => Type::Unsupported("stream"),
            TypeDefKind::Map(..) => Type::Unsupported("map"),
            TypeDefKind::FixedLengthList(..) => Type::Unsupported("fixed-length list"),
            TypeDefKind::Unknown => Type::Unsupported("unknown type"),
        })
    }

    fn side(&mut self, ty: Option<&WitType>, depth: usize) -> Result<Option<Box<Type>>, String> {
        ty.map(|t| self.read(t, depth).map(Box::new)).transpose()
    }
}

/// A type with members, whose names differ: the parser of WIT text accepts one name twice.
fn named<T>(name: String, members: Vec<(String, T)>) -> Result<Named<T>, String> {
    let mut seen = BTreeSet::new();
    if let Some((twice, _)) = members.iter().find(|(member, _)| !seen.insert(member)) {
        return Err(format!("`{name}` has two members named `{twice}`"));
    }
    Ok(Named { name, members })
}

/// A type as WIT text: the declarations it needs, then `type retval = ..;`.
pub fn to_text(ty: &Type) -> String {
    let mut writer = Writer::default();
    let name = writer.name(ty);
    let _ = write!(writer.text, "type retval = {name};");
    writer.text
}

#[derive(Default)]
struct Writer<'a> {
    declared: Vec<(String, &'a Type)>,
    text: String,
}

impl<'a> Writer<'a> {
    fn name(&mut self, ty: &'a Type) -> String {
        match ty {
            Type::List(t) => format!("list<{}>", self.name(t)),
            Type::Option(t) => format!("option<{}>", self.name(t)),
            Type::Tuple(items) => {
                let items: Vec<_> = items.iter().map(|t| self.name(t)).collect();
                format!("tuple<{}>", items.join(", "))
            }
            Type::Result(None, None) => "result".to_owned(),
            Type::Result(Some(ok), None) => format!("result<{}>", self.name(ok)),
            Type::Result(ok, Some(err)) => {
                let ok = ok.as_ref().map_or_else(|| "_".to_owned(), |t| self.name(t));
                format!("result<{ok}, {}>", self.name(err))
            }
            Type::Record(named) => {
                let members = named.members.iter().map(|(n, t)| format!("{}: {}", escaped(n), self.name(t)));
                let members: Vec<_> = members.collect();
                self.declare("record", &named.name, ty, &members)
            }
            Type::Variant(named) => {
                let members = named.members.iter().map(|(n, t)| match t {
                    Some(t) => format!("{}({})", escaped(n), self.name(t)),
                    None => escaped(n),
                });
                let members: Vec<_> = members.collect();
                self.declare("variant", &named.name, ty, &members)
            }
            Type::Enum(named) => {
                let members: Vec<_> = named.names().map(escaped).collect();
                self.declare("enum", &named.name, ty, &members)
            }
            Type::Flags(named) => {
                let members: Vec<_> = named.names().map(escaped).collect();
                self.declare("flags", &named.name, ty, &members)
            }
            simple => simple.to_string(),
        }
    }

    fn declare(&mut self, keyword: &str, name: &str, ty: &'a Type, members: &[String]) -> String {
        if let Some((known, _)) = self.declared.iter().find(|(_, t)| *t == ty) {
            return escaped(known);
        }
        // Two types of one name can come from two interfaces; `retval` is ours.
        let mut unique = name.to_owned();
        let mut count = 1;
        while unique == "retval" || self.declared.iter().any(|(n, _)| *n == unique) {
            count += 1;
            unique = format!("{name}-n{count}");
        }
        let _ = writeln!(self.text, "{keyword} {} {{ {} }}", escaped(&unique), members.join(", "));
        self.declared.push((unique.clone(), ty));
        escaped(&unique)
    }
}

fn escaped(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

/// Reads what [`to_text`] wrote: the last type that the text declares.
///
/// # Errors
///
/// Text that is not WIT type declarations, with the parser's reason.
pub fn from_text(text: &str) -> Result<Type, String> {
    let mut resolve = Resolve::default();
    let wit = format!("package jobcontrol:stored;\ninterface types {{\n{text}\n}}\n");
    let package = resolve.push_str("retval.wit", &wit).map_err(|e| format!("{e:#}"))?;
    let interface = resolve.packages[package].interfaces.get("types").ok_or("no interface in the text")?;
    let (_, id) = resolve.interfaces[*interface].types.last().ok_or("no type in the text")?;
    from_wit(&resolve, &WitType::Id(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_gives_back_the_type() {
        let text = "enum %enum { %record, b }\nrecord order { id: string, kind: %enum, %list: list<u8> }\n\
                    variant v { a, b(tuple<order, f32>) }\nflags f { x, y }\n\
                    type retval = result<option<list<v>>, f>;";
        let ty = from_text(text).unwrap();
        assert_eq!(from_text(&to_text(&ty)).unwrap(), ty);
        assert_eq!(ty.to_string(), "result<option<list<v>>, f>");
    }

    #[test]
    fn members_have_different_names() {
        for members in
            ["record x { a: u8, b: u8, a: u8 }", "variant x { a, a(u8) }", "enum x { a, a }", "flags x { a, a }"]
        {
            let error = from_text(&format!("{members} type retval = list<x>;")).unwrap_err();
            assert!(error.contains("`x` has two members named `a`"), "{error}");
        }
    }

    #[test]
    fn a_type_that_doubles_at_every_step_is_refused() {
        let mut text = "record t0 { a: u8, b: u8 }\n".to_owned();
        for i in 1..40 {
            let _ = writeln!(text, "record t{i} {{ a: t{}, b: t{} }}", i - 1, i - 1);
        }
        assert_eq!(from_text(&text), Err(format!("a type has more than {MAX_TYPE_NODES} parts")));
    }

    #[test]
    fn a_chain_of_aliases_takes_no_stack() {
        let mut resolve = Resolve::default();
        let mut target = WitType::U8;
        for i in 0..90_000 {
            target = WitType::Id(resolve.types.alloc(wit_parser::TypeDef {
                name: Some(format!("a{i}")),
                kind: TypeDefKind::Type(target),
                owner: wit_parser::TypeOwner::None,
                docs: wit_parser::Docs::default(),
                stability: wit_parser::Stability::default(),
                span: wit_parser::Span::default(),
                external_id: None,
            }));
        }
        assert_eq!(from_wit(&resolve, &target), Ok(Type::Int(IntType::U8)));
    }

    #[test]
    fn two_types_of_one_name_are_kept_apart() {
        let one = from_text("record x { a: u8 } type t = x;").unwrap();
        let two = from_text("record x { b: u8 } type t = x;").unwrap();
        let pair = Type::Tuple(vec![one, two]);
        let Type::Tuple(read) = from_text(&to_text(&pair)).unwrap() else { panic!("a tuple was written") };
        assert!(read[0].field("a").is_some() && read[1].field("b").is_some());
    }
}
