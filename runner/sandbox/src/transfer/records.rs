//! The layout of record types, computed once for all values of a call.

use std::collections::HashMap;
use std::rc::Rc;

use jobcontrol_core::packed_size;
use jobcontrol_core::value::Name;
use wasmtime::component::__internal::ComponentTypes;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::wasmtime_environ::component::TypeRecordIndex;

use super::abi::size;

/// A record type.
pub(super) struct Record {
    pub(super) fields: Vec<Field>,
    /// The encoded size of a value in bytes, without its own first byte, and with only the first
    /// byte of each field.
    pub(super) encoded: u64,
}

pub(super) struct Field {
    pub(super) name: Name,
    pub(super) ty: InterfaceType,
    /// Its offset in the record.
    pub(super) at: usize,
    /// Its length there.
    pub(super) len: usize,
}

/// The record types seen so far.
#[derive(Default)]
pub(super) struct Records {
    all: HashMap<TypeRecordIndex, Rc<Record>>,
    /// The last one used, which is also the next one in a list of records.
    last: Option<(TypeRecordIndex, Rc<Record>)>,
}

impl Records {
    /// Returns a record type if it was seen before.
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

    /// Adds the layout of a record type, with the names that its values get or already have.
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
