//! Functions and their types as plain rows. This is what is kept of a plugin on disk, and what the
//! process that reads plugins returns. Each type is stored once, no matter how often it is used,
//! and refers only to types of earlier rows.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use super::signature::Signature;
use super::ty::IntType;
use super::ty::Named;
use super::ty::Type;

/// Functions of a plugin with their types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    types: Vec<Row>,
    functions: Vec<Function>,
}

/// The error for rows that do not form a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rows of types and functions do not belong together")]
pub struct TableError;

/// The index of an earlier row.
type Index = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Row {
    Bool,
    Int(u8),
    F32,
    F64,
    Char,
    String,
    List(Index),
    Tuple(Vec<Index>),
    Option(Index),
    Result(Option<Index>, Option<Index>),
    Record(String, Vec<(String, Index)>),
    Variant(String, Vec<(String, Option<Index>)>),
    Enum(String, Vec<String>),
    Flags(String, Vec<String>),
    Unsupported(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Function {
    interface: Option<String>,
    name: String,
    params: Vec<(String, Index)>,
    result: Option<Index>,
    docs: Option<String>,
    command: bool,
}

/// Types that no job function may use, by number.
const UNSUPPORTED: &[&str] =
    &["error-context", "resource", "future", "stream", "map", "fixed-length list", "unknown type"];

impl Table {
    /// Creates the rows of these functions.
    pub fn new<'a>(functions: impl IntoIterator<Item = &'a Signature>) -> Self {
        let mut writer = Writer::default();
        let functions = functions.into_iter().map(|signature| Function {
            interface: signature.interface.clone(),
            name: signature.name.clone(),
            params: signature.params.iter().map(|(name, ty)| (name.clone(), writer.row(ty))).collect(),
            result: signature.result.as_ref().map(|ty| writer.row(ty)),
            docs: signature.docs.clone(),
            command: signature.command,
        });
        let functions = functions.collect();
        Self { types: writer.rows, functions }
    }

    /// Returns the functions. Types that share a row are shared in memory too.
    ///
    /// # Errors
    ///
    /// Returns an error if a row refers to one that is not before it, or if WIT forbids a type.
    pub fn signatures(self) -> Result<Vec<Signature>, TableError> {
        let mut types: Vec<Type> = Vec::with_capacity(self.types.len());
        for row in self.types {
            types.push(read(row, &types)?);
        }
        let functions = self.functions.into_iter().map(|function| {
            let Function { interface, name, params, result, docs, command } = function;
            let params = params.into_iter().map(|(name, ty)| Ok((name, earlier(&types, ty)?)));
            let params = params.collect::<Result<_, TableError>>()?;
            let result = result.map(|ty| earlier(&types, ty)).transpose()?;
            Ok(Signature { interface, name, params, result, docs, command })
        });
        functions.collect()
    }
}

fn earlier(types: &[Type], index: Index) -> Result<Type, TableError> {
    types.get(index as usize).cloned().ok_or(TableError)
}

fn read(row: Row, types: &[Type]) -> Result<Type, TableError> {
    let one = |index| earlier(types, index);
    let shared = |index| one(index).map(Arc::new);
    Ok(match row {
        Row::Bool => Type::Bool,
        Row::Int(number) => Type::Int(*IntType::ALL.get(usize::from(number)).ok_or(TableError)?),
        Row::F32 => Type::F32,
        Row::F64 => Type::F64,
        Row::Char => Type::Char,
        Row::String => Type::String,
        Row::List(item) => Type::List(shared(item)?),
        Row::Tuple(items) => Type::Tuple(items.into_iter().map(one).collect::<Result<_, _>>()?),
        Row::Option(inner) => Type::Option(shared(inner)?),
        Row::Result(ok, err) => Type::Result(ok.map(shared).transpose()?, err.map(shared).transpose()?),
        Row::Record(name, fields) => {
            let fields = fields.into_iter().map(|(name, ty)| Ok((name, one(ty)?)));
            Type::Record(named(name, fields)?)
        }
        Row::Variant(name, cases) => {
            let cases = cases.into_iter().map(|(name, ty)| Ok((name, ty.map(one).transpose()?)));
            Type::Variant(named(name, cases)?)
        }
        Row::Enum(name, cases) => Type::Enum(named(name, cases.into_iter().map(|name| Ok((name, ()))))?),
        Row::Flags(name, flags) => Type::Flags(named(name, flags.into_iter().map(|name| Ok((name, ()))))?),
        Row::Unsupported(number) => Type::Unsupported(UNSUPPORTED.get(usize::from(number)).ok_or(TableError)?),
    })
}

fn named<T>(
    name: String,
    members: impl Iterator<Item = Result<(String, T), TableError>>,
) -> Result<Arc<Named<T>>, TableError> {
    let members = members.collect::<Result<_, _>>()?;
    Named::new(name, members).map(Arc::new).map_err(|_| TableError)
}

/// The kind and the memory addresses of a type. The kind is needed because a list and an option may
/// hold the same type.
type Place = (u8, *const (), *const ());

#[derive(Default)]
struct Writer {
    rows: Vec<Row>,
    /// Rows of types that contain other types.
    shared: HashMap<Place, Index>,
    /// Rows of types that contain no other types.
    simple: HashMap<Row, Index>,
}

impl Writer {
    fn row(&mut self, ty: &Type) -> Index {
        let nowhere = std::ptr::null();
        let place = |ty: &Option<Arc<Type>>| ty.as_ref().map_or(nowhere, |ty| Arc::as_ptr(ty).cast());
        let at = match ty {
            Type::List(item) => (0, Arc::as_ptr(item).cast(), nowhere),
            Type::Option(inner) => (1, Arc::as_ptr(inner).cast(), nowhere),
            Type::Result(ok, err) => (2, place(ok), place(err)),
            Type::Tuple(items) => (3, Arc::as_ptr(items).cast(), nowhere),
            Type::Record(named) => (4, Arc::as_ptr(named).cast(), nowhere),
            Type::Variant(named) => (5, Arc::as_ptr(named).cast(), nowhere),
            Type::Enum(named) | Type::Flags(named) => (6, Arc::as_ptr(named).cast(), nowhere),
            simple => return self.simple(simple),
        };
        if let Some(known) = self.shared.get(&at) {
            return *known;
        }
        let row = self.holding(ty);
        let index = self.push(row);
        self.shared.insert(at, index);
        index
    }

    fn simple(&mut self, ty: &Type) -> Index {
        let row = match ty {
            Type::Int(int) => Row::Int(number_of(&IntType::ALL, int)),
            Type::F32 => Row::F32,
            Type::F64 => Row::F64,
            Type::Char => Row::Char,
            Type::String => Row::String,
            Type::Unsupported(what) => Row::Unsupported(number_of(UNSUPPORTED, what)),
            _ => Row::Bool,
        };
        if let Some(known) = self.simple.get(&row) {
            return *known;
        }
        let index = self.push(row.clone());
        self.simple.insert(row, index);
        index
    }

    fn holding(&mut self, ty: &Type) -> Row {
        let names = |named: &Named<()>| named.names().map(str::to_owned).collect();
        match ty {
            Type::List(item) => Row::List(self.row(item)),
            Type::Option(inner) => Row::Option(self.row(inner)),
            Type::Tuple(items) => Row::Tuple(items.iter().map(|item| self.row(item)).collect()),
            Type::Record(named) => {
                let fields = named.members.iter().map(|(name, ty)| (name.clone(), self.row(ty)));
                Row::Record(named.name.clone(), fields.collect())
            }
            Type::Variant(named) => {
                let cases = named.members.iter().map(|(name, ty)| (name.clone(), ty.as_ref().map(|ty| self.row(ty))));
                Row::Variant(named.name.clone(), cases.collect())
            }
            Type::Enum(named) => Row::Enum(named.name.clone(), names(named)),
            Type::Flags(named) => Row::Flags(named.name.clone(), names(named)),
            Type::Result(ok, err) => {
                let mut side = |ty: &Option<Arc<Type>>| ty.as_ref().map(|ty| self.row(ty));
                Row::Result(side(ok), side(err))
            }
            _ => Row::Bool,
        }
    }

    fn push(&mut self, row: Row) -> Index {
        let index = Index::try_from(self.rows.len()).unwrap_or(Index::MAX);
        self.rows.push(row);
        index
    }
}

fn number_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let at = all.iter().position(|other| other == one).unwrap_or(all.len());
    u8::try_from(at).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any_type::any_type;
    use super::*;

    fn function(params: Vec<Type>, result: Option<Type>) -> Signature {
        let params = params.into_iter().enumerate().map(|(at, ty)| (format!("p{at}"), ty)).collect();
        let (interface, name, docs) = (Some("a:b/c".to_owned()), "f".to_owned(), Some("Says.".to_owned()));
        Signature { interface, name, params, result, docs, command: false }
    }

    #[test]
    fn a_type_is_one_row_whoever_uses_it() {
        let shared = Type::List(Arc::new(Type::Option(Arc::new(Type::String))));
        let functions =
            [function(vec![shared.clone(), shared.clone()], Some(shared.clone())), function(vec![shared], None)];
        let table = Table::new(&functions);
        assert_eq!(table.types, [Row::String, Row::Option(0), Row::List(1)]);
        let read = table.signatures().unwrap();
        let (Type::List(one), Type::List(other)) = (&read[0].params[0].1, &read[1].params[0].1) else { panic!() };
        assert!(Arc::ptr_eq(one, other));
    }

    #[test]
    fn rows_that_make_no_table_are_an_error() {
        let twice = vec![("a".to_owned(), 0), ("a".to_owned(), 0)];
        for row in [Row::List(1), Row::Option(7), Row::Int(8), Row::Unsupported(9), Row::Record("r".to_owned(), twice)]
        {
            let table = Table { types: vec![Row::Bool, row], functions: Vec::new() };
            assert_eq!(table.signatures(), Err(TableError));
        }
    }

    proptest! {
        #[test]
        fn functions_are_read_as_they_were(types in prop::collection::vec(any_type(), 0..4), result in prop::option::of(any_type())) {
            let functions = vec![function(types, result)];
            let table: Table = rmp_serde::from_slice(&rmp_serde::to_vec(&Table::new(&functions)).unwrap()).unwrap();
            prop_assert_eq!(table.signatures(), Ok(functions));
        }
    }
}
