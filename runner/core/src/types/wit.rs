//! Reads types from decoded WIT, and converts types to WIT text and back.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use wit_parser::Handle;
use wit_parser::Resolve;
use wit_parser::Type as WitType;
use wit_parser::TypeDefKind;
use wit_parser::TypeId;

use crate::limits::show_bytes;

use super::signature::Signature;
use super::ty::IntType;
use super::ty::MAX_TYPE_BYTES;
use super::ty::MAX_TYPE_NODES;
use super::ty::Named;
use super::ty::Type;

/// Maximum nesting depth of a type: every later walk over it recurses.
const MAX_TYPE_DEPTH: usize = 100;

/// Keywords that can be the name of a WIT item only with a `%` before them.
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

/// Returns the type that decoded WIT describes.
///
/// # Errors
///
/// Returns an error under the same conditions as [`TypeReader::signature`].
pub fn from_wit(resolve: &Resolve, ty: &WitType) -> Result<Type, String> {
    Ok(TypeReader::new(resolve).read(ty)?.ty)
}

/// Reads the types of one plugin, each once.
pub struct TypeReader<'a> {
    resolve: &'a Resolve,
    known: HashMap<TypeId, Read>,
    /// Bytes of all signatures so far, when written out.
    written: u64,
}

/// A type with the size it would have if it were written out.
#[derive(Clone)]
struct Read {
    ty: Type,
    parts: usize,
    bytes: u64,
    depth: usize,
}

impl Read {
    fn leaf(ty: Type) -> Self {
        Self { ty, parts: 1, bytes: PART, depth: 1 }
    }
}

/// Maximum bytes of the signatures of all functions of a plugin when written out. Showing them all
/// produces that much output.
const MAX_WRITTEN: u64 = 64 << 20;

/// Bytes of a part in addition to its names.
const PART: u64 = 8;

/// The combined size of the parts of a type.
#[derive(Default)]
struct Sum {
    parts: usize,
    bytes: u64,
    depth: usize,
}

impl Sum {
    fn add(&mut self, read: Read) -> Type {
        self.parts = self.parts.saturating_add(read.parts);
        self.bytes = self.bytes.saturating_add(read.bytes);
        self.depth = self.depth.max(read.depth);
        read.ty
    }

    fn name(&mut self, name: &str) -> String {
        self.bytes = self.bytes.saturating_add(name.len() as u64);
        name.to_owned()
    }

    fn check(&self) -> Result<(), String> {
        if self.parts > MAX_TYPE_NODES {
            return Err(format!("a type has more than {MAX_TYPE_NODES} parts"));
        }
        if self.bytes > MAX_TYPE_BYTES {
            return Err(format!("a type takes more than {} when written out", show_bytes(MAX_TYPE_BYTES)));
        }
        if self.depth > MAX_TYPE_DEPTH {
            return Err(format!("a type nests deeper than {MAX_TYPE_DEPTH} levels"));
        }
        Ok(())
    }
}

impl<'a> TypeReader<'a> {
    /// Creates a reader that has read nothing yet.
    pub fn new(resolve: &'a Resolve) -> Self {
        Self { resolve, known: HashMap::new(), written: 0 }
    }

    /// Returns the signature that decoded WIT describes. `interface` is the interface of the
    /// function, if it is not in the world itself.
    ///
    /// # Errors
    ///
    /// Returns an error that names the function if its types are too large when written out. The
    /// limits are [`MAX_TYPE_NODES`] parts, [`MAX_TYPE_BYTES`] bytes and a depth of 100 levels, for
    /// each type and for all types of the function together.
    pub fn signature(
        &mut self,
        interface: Option<String>,
        function: &wit_parser::Function,
    ) -> Result<Signature, String> {
        let failed = |e: String| format!("function `{}`: {e}", function.name);
        let (mut sum, mut params) = (Sum::default(), Vec::with_capacity(function.params.len()));
        for param in &function.params {
            let read = self.read(&param.ty).map_err(failed)?;
            params.push((sum.name(&param.name), sum.add(read)));
        }
        let result = function.result.as_ref().map(|ty| self.read(ty)).transpose().map_err(failed)?;
        let result = result.map(|read| sum.add(read));
        sum.check().map_err(failed)?;
        self.written = self.written.saturating_add(sum.bytes);
        if self.written > MAX_WRITTEN {
            let most = show_bytes(MAX_WRITTEN);
            return Err(failed(format!("its types, and those before it, take more than {most} when written out")));
        }
        let docs = function.docs.contents.clone();
        Ok(Signature { interface, name: function.name.clone(), params, result, docs, command: false })
    }

    /// Reads a type. The depth is checked on the way down, because this recurses. Parts and bytes
    /// are checked on the way up, because each type is read once.
    fn read(&mut self, ty: &WitType) -> Result<Read, String> {
        self.at(ty, 0)
    }

    fn at(&mut self, ty: &WitType, depth: usize) -> Result<Read, String> {
        let leaf = match ty {
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
            WitType::Id(id) => return self.defined(*id, depth),
        };
        Ok(Read::leaf(leaf))
    }

    /// Reads a defined type. An alias gets the name of the type it stands for, so that two uses of
    /// one type look alike. Aliases are followed in a loop, without recursion, because a plugin may
    /// chain any number of them.
    fn defined(&mut self, mut id: TypeId, depth: usize) -> Result<Read, String> {
        if depth > MAX_TYPE_DEPTH {
            return Err(format!("a type nests deeper than {MAX_TYPE_DEPTH} levels"));
        }
        let mut chain = Vec::new();
        let read = loop {
            if let Some(known) = self.known.get(&id) {
                break known.clone();
            }
            chain.push(id);
            let def = &self.resolve.types[id];
            match &def.kind {
                TypeDefKind::Type(WitType::Id(target)) => id = *target,
                TypeDefKind::Type(ty) => break self.at(ty, depth + 1)?,
                kind => break self.kind(kind, def.name.as_deref().unwrap_or_default(), depth + 1)?,
            }
        };
        for id in chain {
            self.known.insert(id, read.clone());
        }
        Ok(read)
    }

    fn kind(&mut self, kind: &'a TypeDefKind, name: &str, depth: usize) -> Result<Read, String> {
        let mut sum = Sum { parts: 1, bytes: PART, depth: 0 };
        let ty = match kind {
            TypeDefKind::Type(ty) => return self.at(ty, depth),
            TypeDefKind::List(item) => Type::List(Arc::new(sum.add(self.at(item, depth)?))),
            TypeDefKind::Option(inner) => Type::Option(Arc::new(sum.add(self.at(inner, depth)?))),
            TypeDefKind::Tuple(tuple) if tuple.types.is_empty() => return Err("a tuple has no types".to_owned()),
            TypeDefKind::Tuple(tuple) => {
                let items = tuple.types.iter().map(|t| Ok(sum.add(self.at(t, depth)?)));
                Type::Tuple(items.collect::<Result<_, String>>()?)
            }
            TypeDefKind::Result(result) => {
                let mut side = |ty: &Option<WitType>| {
                    let read = ty.as_ref().map(|ty| self.at(ty, depth)).transpose()?;
                    Ok::<_, String>(read.map(|read| Arc::new(sum.add(read))))
                };
                Type::Result(side(&result.ok)?, side(&result.err)?)
            }
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|f| Ok((sum.name(&f.name), sum.add(self.at(&f.ty, depth)?))));
                let fields = fields.collect::<Result<_, String>>()?;
                Type::Record(Arc::new(Named::new(sum.name(name), fields)?))
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| {
                    let payload = case.ty.as_ref().map(|t| self.at(t, depth)).transpose()?;
                    Ok((sum.name(&case.name), payload.map(|read| sum.add(read))))
                });
                let cases = cases.collect::<Result<_, String>>()?;
                Type::Variant(Arc::new(Named::new(sum.name(name), cases)?))
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter().map(|c| (sum.name(&c.name), ())).collect();
                Type::Enum(Arc::new(Named::new(sum.name(name), cases)?))
            }
            TypeDefKind::Flags(flags) => {
                let flags = flags.flags.iter().map(|f| (sum.name(&f.name), ())).collect();
                Type::Flags(Arc::new(Named::new(sum.name(name), flags)?))
            }
            TypeDefKind::Handle(Handle::Own(_) | Handle::Borrow(_)) | TypeDefKind::Resource => {
                Type::Unsupported("resource")
            }
            TypeDefKind::Future(_) => Type::Unsupported("future"),
            TypeDefKind::Stream(_) => Type::Unsupported("stream"),
            TypeDefKind::Map(..) => Type::Unsupported("map"),
            TypeDefKind::FixedLengthList(..) => Type::Unsupported("fixed-length list"),
            TypeDefKind::Unknown => Type::Unsupported("unknown type"),
        };
        sum.depth += 1;
        sum.check()?;
        let Sum { parts, bytes, depth } = sum;
        Ok(Read { ty, parts, bytes, depth })
    }
}

/// Formats a type as WIT text: the declarations it needs, then `type retval = ..;`.
pub fn to_text(ty: &Type) -> String {
    let mut writer = Writer::default();
    let name = writer.name(ty);
    let _ = write!(writer.text, "type retval = {name};");
    writer.text
}

#[derive(Default)]
struct Writer {
    /// Names of the declared types, by their memory addresses.
    declared: HashMap<*const (), String>,
    taken: HashSet<String>,
    /// The last number tried for each name.
    numbers: HashMap<String, usize>,
    text: String,
}

impl Writer {
    fn name(&mut self, ty: &Type) -> String {
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
                self.declare("record", named, |this, n, t| format!("{}: {}", escaped(n), this.name(t)))
            }
            Type::Variant(named) => self.declare("variant", named, |this, n, t| match t {
                Some(t) => format!("{}({})", escaped(n), this.name(t)),
                None => escaped(n),
            }),
            Type::Enum(named) => self.declare("enum", named, |_, n, ()| escaped(n)),
            Type::Flags(named) => self.declare("flags", named, |_, n, ()| escaped(n)),
            simple => simple.to_string(),
        }
    }

    /// Declares a type once, after its members.
    fn declare<T>(
        &mut self,
        keyword: &str,
        named: &Arc<Named<T>>,
        mut member: impl FnMut(&mut Self, &str, &T) -> String,
    ) -> String {
        let at = Arc::as_ptr(named).cast();
        if let Some(known) = self.declared.get(&at) {
            return known.clone();
        }
        let members: Vec<_> = named.members.iter().map(|(name, held)| member(self, name, held)).collect();
        let unique = escaped(&self.unique(&named.name));
        let _ = writeln!(self.text, "{keyword} {unique} {{ {} }}", members.join(", "));
        self.declared.insert(at, unique.clone());
        unique
    }

    /// Returns a unique name. Two types of the same name can come from two interfaces, and `retval`
    /// is reserved for the result.
    fn unique(&mut self, name: &str) -> String {
        if name != "retval" && self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let number = self.numbers.entry(name.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let unique = format!("{name}-n{number}");
            if self.taken.insert(unique.clone()) {
                return unique;
            }
        }
    }
}

fn escaped(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

/// Reads what [`to_text`] wrote: the last type that the text declares.
///
/// # Errors
///
/// Returns the parser's reason if the text does not consist of WIT type declarations.
pub fn from_text(text: &str) -> Result<Type, String> {
    let mut resolve = Resolve::default();
    let wit = format!("package jobcontrol:stored;\ninterface types {{\n{text}\n}}\n");
    let package = resolve.push_str("retval.wit", &wit).map_err(|e| format!("{e:#}"))?;
    let interface = resolve.packages[package].interfaces.get("types").ok_or("no interface in the text")?;
    let types = &resolve.interfaces[*interface].types;
    let mut seen = HashSet::new();
    if let Some(twice) = types.keys().find(|name| !seen.insert(name.to_ascii_lowercase())) {
        return Err(format!("two types are named `{twice}`"));
    }
    let (_, id) = types.last().ok_or("no type in the text")?;
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
    fn what_wit_forbids_is_refused() {
        let refused = [
            "record order { id: string, kind: u32, kind: option<u8> } type t = order;",
            "record x { a: u8, A: u8 } type t = x;",
            "variant x { a-b, A-B(u8) } type t = x;",
            "enum x { a, A } type t = x;",
            "flags x { a, A } type t = x;",
            "record x { } type t = x;",
            "variant x { } type t = x;",
            "enum x { } type t = x;",
            "flags x { } type t = x;",
            "record x { a: u8 } enum x { b } type t = x;",
            "record x { a: u8 } enum X { b } type t = x;",
            "record x { a--b: u8 } type t = x;",
            "record x { -a: u8 } type t = x;",
            "record x { a_b: u8 } type t = x;",
            "record x { 1a: u8 } type t = x;",
            "type t = tuple<>;",
            "f: func(); f: func(); type t = u8;",
            "record x { a: list<x> } type t = x;",
        ];
        for text in refused {
            assert!(from_text(text).is_err(), "{text}: {:?}", from_text(text));
        }
        for text in ["record x { a: u8, ab: u8, a-b: u8, A1: u8 } type t = x;", "flags x { %record } type t = x;"] {
            let ty = from_text(text).unwrap();
            assert_eq!(from_text(&to_text(&ty)), Ok(ty), "{text}");
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
        let pair = Type::Tuple([one, two].into());
        let Type::Tuple(read) = from_text(&to_text(&pair)).unwrap() else { panic!("a tuple was written") };
        assert!(read[0].field("a").is_some() && read[1].field("b").is_some());
    }
}
