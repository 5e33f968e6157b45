//! A WIT type, and how it is written in one line.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Maximum nodes of a type when written out. A plugin can describe a type of 2^60 nodes in a few
/// hundred bytes.
pub const MAX_TYPE_NODES: usize = 100_000;

/// Maximum bytes of a type when written out, counting each use of a name. A plugin can define a
/// name of 100 KB and use it 20,000 times.
pub const MAX_TYPE_BYTES: u64 = 4 << 20;

/// A WIT type, with the names that its author gave. Types are shared: a copy is cheap, and a type
/// that a plugin uses many times is stored once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8` to `s64` and `u8` to `u64`.
    Int(IntType),
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// `list<T>`
    List(Arc<Self>),
    /// `tuple<A, B>`
    Tuple(Arc<[Self]>),
    /// `option<T>`
    Option(Arc<Self>),
    /// `result<T, E>`; an absent side carries nothing.
    Result(Option<Arc<Self>>, Option<Arc<Self>>),
    /// `record`, fields in declared order.
    Record(Arc<Named<Self>>),
    /// `variant`, cases in declared order.
    Variant(Arc<Named<Option<Self>>>),
    /// `enum`, cases in declared order.
    Enum(Arc<Named<()>>),
    /// `flags`, in declared order.
    Flags(Arc<Named<()>>),
    /// A type that no job function may use, by its WIT keyword: `resource`, `stream`, `future`.
    Unsupported(&'static str),
}

/// The members of a type that was declared by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The declared name in kebab-case.
    pub name: String,
    /// Member names in kebab-case, with what each carries.
    pub members: Vec<(String, T)>,
    /// The indices of the members sorted by name, if there are many.
    in_order: Vec<usize>,
}

impl<T> Named<T> {
    /// Creates a type with its members. It checks them, because the parser of WIT text accepts what
    /// WIT forbids, and stored rows may contain it.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no members, if two have the same name (ignoring case), or if a
    /// member's name is not a valid WIT name.
    pub fn new(name: String, members: Vec<(String, T)>) -> Result<Self, String> {
        if members.is_empty() {
            return Err(format!("`{name}` has no members"));
        }
        let mut seen = BTreeSet::new();
        for (member, _) in &members {
            if !is_identifier(member) {
                return Err(format!("`{member}`, a member of `{name}`, is not a valid WIT name"));
            }
            if !seen.insert(member.to_ascii_lowercase()) {
                return Err(format!("`{name}` has two members named `{member}`"));
            }
        }
        let mut in_order = Vec::new();
        if members.len() > FEW {
            in_order.extend(0..members.len());
            in_order.sort_by(|a, b| dashes(&members[*a].0).cmp(dashes(&members[*b].0)));
        }
        Ok(Self { name, members, in_order })
    }

    /// Returns the member called `name` and what it carries; `name` may be in kebab or snake case.
    pub fn get(&self, name: &str) -> Option<(&str, &T)> {
        let member = if self.in_order.is_empty() {
            self.members.iter().find(|(n, _)| same_name(n, name))?
        } else {
            let by_name = |at: &usize| dashes(&self.members[*at].0).cmp(dashes(name));
            &self.members[self.in_order[self.in_order.binary_search_by(by_name).ok()?]]
        };
        Some((&member.0, &member.1))
    }

    /// Returns the member names in declared order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(n, _)| n.as_str())
    }
}

/// Returns whether a text can be a name in WIT: words of letters and digits, separated by single
/// dashes; the first word begins with a letter.
pub(super) fn is_identifier(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric());
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.split('-').all(word)
}

/// Up to this many members are searched one by one.
const FEW: usize = 8;

/// Returns the bytes of a name in kebab case.
fn dashes(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|c| if c == b'_' { b'-' } else { c })
}

/// The eight integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are WIT's own")]
pub enum IntType {
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
}

impl IntType {
    /// All integer types.
    pub const ALL: [Self; 8] = [Self::S8, Self::S16, Self::S32, Self::S64, Self::U8, Self::U16, Self::U32, Self::U64];

    /// Returns the smallest and the largest value.
    pub fn range(self) -> (i128, i128) {
        match self {
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::S8 => "s8",
            Self::S16 => "s16",
            Self::S32 => "s32",
            Self::S64 => "s64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
        }
    }
}

/// Returns whether two names are the same in kebab or snake case.
pub fn same_name(a: &str, b: &str) -> bool {
    a.len() == b.len() && dashes(a).eq(dashes(b))
}

impl Type {
    /// Returns whether this is `list<u8>`, which is represented as bytes.
    pub fn is_bytes(&self) -> bool {
        matches!(self, Self::List(item) if **item == Self::Int(IntType::U8))
    }

    /// Returns the first part of this type that no job function may use, if there is one.
    pub fn unsupported(&self) -> Option<&'static str> {
        match self {
            Self::Unsupported(what) => Some(what),
            Self::List(t) | Self::Option(t) => t.unsupported(),
            Self::Tuple(items) => items.iter().find_map(Self::unsupported),
            Self::Result(ok, err) => ok.iter().chain(err).find_map(|t| t.unsupported()),
            Self::Record(record) => record.members.iter().find_map(|(_, t)| t.unsupported()),
            Self::Variant(variant) => {
                variant.members.iter().filter_map(|(_, t)| t.as_ref()).find_map(Self::unsupported)
            }
            _ => None,
        }
    }

    /// Returns the type of the record field `name`, in kebab or snake case.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Record(record) => record.get(name).map(|(_, t)| t),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int(int) => f.write_str(int.name()),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::List(t) => write!(f, "list<{t}>"),
            Self::Option(t) => write!(f, "option<{t}>"),
            Self::Tuple(items) => {
                f.write_str("tuple<")?;
                for (i, t) in items.iter().enumerate() {
                    write!(f, "{}{t}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(">")
            }
            Self::Result(None, None) => f.write_str("result"),
            Self::Result(Some(ok), None) => write!(f, "result<{ok}>"),
            Self::Result(None, Some(err)) => write!(f, "result<_, {err}>"),
            Self::Result(Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
            Self::Record(named) => f.write_str(&named.name),
            Self::Variant(named) => f.write_str(&named.name),
            Self::Enum(named) | Self::Flags(named) => f.write_str(&named.name),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}
