//! Types of record, laid out once for all values of a call.

use std::collections::HashMap;
use std::rc::Rc;

use jobcontrol_core::packed_size;
use jobcontrol_core::value::Name;
use wasmtime::component::__internal::ComponentTypes;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::wasmtime_environ::component::TypeRecordIndex;

use super::abi::size;

/// A type of record.
pub(super) struct Record {
    pub(super) fields: Vec<Field>,
    /// Bytes of a value, encoded, but for its own first byte and all but the first of each field.
    pub(super) encoded: u64,
}

pub(super) struct Field {
    pub(super) name: Name,
    pub(super) ty: InterfaceType,
    /// Where it stands in the record.
    pub(super) at: usize,
    /// How long it is there.
    pub(super) len: usize,
}

/// The types of record that were met.
#[derive(Default)]
pub(super) struct Records {
    all: HashMap<TypeRecordIndex, Rc<Record>>,
    /// The one that was met last: it is the next one too in a list of records.
    last: Option<(TypeRecordIndex, Rc<Record>)>,
}

impl Records {
    /// A type of record, if it was met before.
    pub(super) fn get(&mut self, index: TypeRecordIndex) -> Option<Rc<Record>> {
        match &self.last {
            Some((last, record)) if *last == index => Some(Rc::clone(record)),
            _ => {
                let record = Rc::clone(self.all.get(&index)?);
                self.last = Some((index, Rc::clone(&record)));
                Some(record)
            }
        }
    }

    /// Lays out a type of record, with its names as values are to have them, or have them already.
    pub(super) fn add(
        &mut self,
        types: &ComponentTypes,
        index: TypeRecordIndex,
        names: impl Iterator<Item = Name>,
    ) -> Rc<Record> {
        let mut end = 0;
        let fields = types[index].fields.iter().zip(names).map(|(field, name)| {
            let abi = types.canonical_abi(&field.ty);
            let at = abi.next_field32_size(&mut end);
            Field { name, ty: field.ty, at, len: size(abi.size32) }
        });
        let fields: Vec<_> = fields.collect();
        let names = fields.iter().map(|field| packed_size::string(field.name.len()) + 1).sum::<u64>();
        let record = Rc::new(Record { encoded: packed_size::sequence(fields.len()) - 1 + names, fields });
        self.all.insert(index, Rc::clone(&record));
        record
    }
}
