//! Writes arguments into a guest.
//!
//! `core::types::resolve` made these values, with the shape of their types: fields in declared
//! order, and options filled in. The checks here are the last line of defence, because an argument
//! of a wrong type costs the instance.
//!
//! Memory in the guest is first allocated for a whole list at once. Its elements are then assembled
//! in the host and copied, many at a time; what they point to is allocated on the way.

use std::rc::Rc;

use jobcontrol_core::value::Name;
use jobcontrol_core::value::Value;
use wasmtime::Error;
use wasmtime::Result;
use wasmtime::ValRaw;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LowerContext;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::wasmtime_environ::component::TypeRecordIndex;

use super::abi::int_type;
use super::abi::size;
use super::args::FLAT;
use super::args::Mismatch;
use super::records::Field;
use super::records::Record;
use super::records::Records;

/// Marks the length of a string that is UTF-16 although the encoding may also be Latin-1.
const UTF16: usize = 1 << 31;

/// How many bytes of a list are assembled at once: few enough to stay in a processor's cache.
const AT_ONCE: usize = 32 << 10;

/// Writes `args` to the slots, or to memory with a pointer in the first slot if there are too few
/// slots.
pub(super) fn args<T>(
    cx: &mut LowerContext<'_, T>,
    args: &[Value],
    ty: InterfaceType,
    slots: &mut [ValRaw; FLAT],
) -> Result<()> {
    let types = cx.types;
    let InterfaceType::Tuple(index) = ty else {
        return Err(Error::msg("parameters are a tuple"));
    };
    let params = &types[index];
    if args.len() != params.types.len() {
        return Err(mismatch(format!("the function takes {} arguments, found {}", params.types.len(), args.len())));
    }
    let mut writer = Writer { cx, given: 0, memory: 0, records: Records::default() };
    if params.abi.flat_count(FLAT).is_some() {
        let mut slots = slots.iter_mut();
        return args.iter().zip(&params.types).try_for_each(|(value, ty)| writer.flat(value, *ty, &mut slots));
    }
    let mut bytes = vec![0; size(params.abi.size32)];
    let at = writer.room(params.abi.align32, bytes.len())?;
    writer.fields(args.iter().zip(params.types.iter().copied()), &mut bytes)?;
    writer.copy(at, &bytes)?;
    slots[0] = ValRaw::u64(at as u64);
    Ok(())
}

fn mismatch(reason: impl Into<String>) -> Error {
    Mismatch(reason.into()).into()
}

type Slots<'s> = std::slice::IterMut<'s, ValRaw>;

/// The entries of a map.
type Entries<'v> = &'v [(Name, Value)];

fn put(slots: &mut Slots<'_>, bits: u64) -> Result<()> {
    let slot = slots.next().ok_or_else(|| Error::msg("more values than slots"))?;
    *slot = ValRaw::u64(bits);
    Ok(())
}

struct Writer<'w, 'c, T: 'static> {
    cx: &'w mut LowerContext<'c, T>,
    /// How many bytes the guest has allocated.
    given: usize,
    /// The size of its memory when this was last read. It may have grown since, and never shrinks.
    memory: usize,
    /// The record types seen so far, with the names that the values have.
    records: Records,
}

impl<T> Writer<'_, '_, T> {
    fn flat(&mut self, value: &Value, ty: InterfaceType, slots: &mut Slots<'_>) -> Result<()> {
        let types = self.cx.types;
        match ty {
            InterfaceType::String | InterfaceType::List(_) => {
                let (at, len) = self.pointed(value, ty)?;
                put(slots, at as u64)?;
                put(slots, len as u64)
            }
            InterfaceType::Record(index) => {
                let (entries, record) = self.record(value, index)?;
                entries
                    .iter()
                    .zip(&record.fields)
                    .try_for_each(|(entry, field)| self.flat(in_place(entry, field)?, field.ty, slots))
            }
            InterfaceType::Tuple(index) => {
                let mut items = tuple(value, &types[index].types)?;
                items.try_for_each(|(value, ty)| self.flat(value, ty, slots))
            }
            InterfaceType::Flags(_) => self.flags(value, ty)?.into_iter().try_for_each(|word| put(slots, word.into())),
            InterfaceType::Enum(_)
            | InterfaceType::Variant(_)
            | InterfaceType::Option(_)
            | InterfaceType::Result(_) => {
                let (discriminant, payload) = self.case(value, ty)?;
                let flat_count = |ty| types.canonical_abi(ty).flat_count.map_or(0, usize::from);
                put(slots, discriminant as u64)?;
                let mut left = flat_count(&ty).saturating_sub(1);
                if let Some((payload, ty)) = payload {
                    self.flat(payload, ty, slots)?;
                    left = left.saturating_sub(flat_count(&ty));
                }
                (0..left).try_for_each(|_| put(slots, 0))
            }
            ty => put(slots, scalar(value, ty)?),
        }
    }

    /// Writes a value to `bytes`, a copy of its memory with the size of the type.
    fn store(&mut self, value: &Value, ty: InterfaceType, bytes: &mut [u8]) -> Result<()> {
        let types = self.cx.types;
        match ty {
            InterfaceType::String | InterfaceType::List(_) => {
                let (at, len) = self.pointed(value, ty)?;
                write(&mut bytes[..4], at as u64);
                write(&mut bytes[4..], len as u64);
            }
            InterfaceType::Record(index) => {
                let (entries, record) = self.record(value, index)?;
                for (entry, field) in entries.iter().zip(&record.fields) {
                    self.store(in_place(entry, field)?, field.ty, &mut bytes[field.at..field.at + field.len])?;
                }
            }
            InterfaceType::Tuple(index) => self.fields(tuple(value, &types[index].types)?, bytes)?,
            InterfaceType::Flags(_) => {
                let words = self.flags(value, ty)?;
                bytes.chunks_mut(4).zip(words).for_each(|(bytes, word)| write(bytes, word.into()));
            }
            InterfaceType::Enum(_)
            | InterfaceType::Variant(_)
            | InterfaceType::Option(_)
            | InterfaceType::Result(_) => {
                let (discriminant, payload) = self.case(value, ty)?;
                let info = match ty {
                    InterfaceType::Enum(index) => &types[index].info,
                    InterfaceType::Variant(index) => &types[index].info,
                    InterfaceType::Option(index) => &types[index].info,
                    InterfaceType::Result(index) => &types[index].info,
                    _ => return Err(mismatch("no case")),
                };
                write(&mut bytes[..usize::from(info.size)], discriminant as u64);
                if let Some((payload, ty)) = payload {
                    let at = size(info.payload_offset32);
                    let len = size(types.canonical_abi(&ty).size32);
                    self.store(payload, ty, &mut bytes[at..at + len])?;
                }
            }
            ty => write(bytes, scalar(value, ty)?),
        }
        Ok(())
    }

    fn fields<'v>(&mut self, fields: impl Iterator<Item = (&'v Value, InterfaceType)>, bytes: &mut [u8]) -> Result<()> {
        let mut end = 0;
        for (value, ty) in fields {
            let abi = self.cx.types.canonical_abi(&ty);
            let at = abi.next_field32_size(&mut end);
            self.store(value, ty, &mut bytes[at..at + size(abi.size32)])?;
        }
        Ok(())
    }

    /// Returns the entries of a record, checked to be as many as its type has fields, and the type.
    fn record<'v>(&mut self, value: &'v Value, index: TypeRecordIndex) -> Result<(Entries<'v>, Rc<Record>)> {
        let Value::Map(entries) = value else {
            return Err(mismatch(format!("{} is not a record", value.kind())));
        };
        let types = self.cx.types;
        let fields = &types[index].fields;
        if entries.len() != fields.len() {
            return Err(mismatch(format!("the record has {} fields, found {}", fields.len(), entries.len())));
        }
        let record = self.records.get(index).unwrap_or_else(|| {
            // Values that share these names are compared by address.
            let names = entries
                .iter()
                .zip(fields)
                .map(|((key, _), field)| if *key == field.name { key.clone() } else { field.name.as_str().into() });
            self.records.add(types, index, names)
        });
        Ok((entries, record))
    }

    /// Allocates and copies a value that is passed as pointer and length.
    fn pointed(&mut self, value: &Value, ty: InterfaceType) -> Result<(usize, usize)> {
        match (value, ty) {
            (Value::String(text), InterfaceType::String) => self.text(text),
            (Value::Bytes(bytes), InterfaceType::List(index))
                if matches!(self.cx.types[index].element, InterfaceType::U8) =>
            {
                Ok((self.allocate(1, bytes)?, bytes.len()))
            }
            (Value::List(items), InterfaceType::List(index)) => {
                let element = self.cx.types[index].element;
                let abi = self.cx.types.canonical_abi(&element);
                let stride = size(abi.size32);
                let too_long = || Error::msg("size overflow copying a list");
                let len = items.len().checked_mul(stride).ok_or_else(too_long)?;
                let at = self.room(abi.align32, len)?;
                self.items(items, element, stride, at)?;
                Ok((at, items.len()))
            }
            (value, ty) => Err(wrong(value, ty)),
        }
    }

    /// Writes the items of a list to memory that the guest has allocated.
    fn items(&mut self, items: &[Value], element: InterfaceType, stride: usize, at: usize) -> Result<()> {
        // The guest has allocated at least one item, whatever its size.
        if items.is_empty() {
            return Ok(());
        }
        let stride = stride.max(1);
        let count = (AT_ONCE / stride).clamp(1, items.len());
        let (mut bytes, mut at) = (vec![0; count * stride], at);
        for items in items.chunks(count) {
            let bytes = &mut bytes[..items.len() * stride];
            bytes.fill(0);
            for (item, bytes) in items.iter().zip(bytes.chunks_exact_mut(stride)) {
                self.store(item, element, bytes)?;
            }
            self.copy(at, bytes)?;
            at += bytes.len();
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(usize, usize)> {
        let encoding = self.cx.options().string_encoding;
        if matches!(encoding, StringEncoding::Utf8) {
            return Ok((self.allocate(1, text.as_bytes())?, text.len()));
        }
        if matches!(encoding, StringEncoding::CompactUtf16)
            && let Ok(latin1) = text.chars().map(u8::try_from).collect::<Result<Vec<_>, _>>()
        {
            return Ok((self.allocate(2, &latin1)?, latin1.len()));
        }
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let tag = if matches!(encoding, StringEncoding::CompactUtf16) { UTF16 } else { 0 };
        Ok((self.allocate(2, &bytes)?, (bytes.len() / 2) | tag))
    }

    fn allocate(&mut self, align: u32, bytes: &[u8]) -> Result<usize> {
        let at = self.room(align, bytes.len())?;
        self.copy(at, bytes)?;
        Ok(at)
    }

    /// Asks the guest to allocate memory. A guest that returns the same memory again and again is
    /// stopped at the size of its memory.
    fn room(&mut self, align: u32, len: usize) -> Result<usize> {
        let at = self.cx.realloc(0, 0, align, len)?;
        self.given = self.given.saturating_add(len);
        if self.given > self.memory {
            self.memory = self.cx.as_slice_mut().len();
        }
        if self.given > self.memory {
            return Err(Error::msg("realloc return: the same memory again"));
        }
        Ok(at)
    }

    fn copy(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let room = self.cx.as_slice_mut().get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        room.ok_or_else(|| Error::msg("realloc return: beyond end of memory"))?.copy_from_slice(bytes);
        Ok(())
    }

    fn flags(&self, value: &Value, ty: InterfaceType) -> Result<Vec<u32>> {
        let (Value::List(names), InterfaceType::Flags(index)) = (value, ty) else {
            return Err(wrong(value, ty));
        };
        let flags = &self.cx.types[index];
        let mut words = vec![0; flags.names.len().div_ceil(32)];
        for name in names {
            let bit = name.as_str().and_then(|name| flags.names.get_index_of(name));
            let bit = bit.ok_or_else(|| mismatch(format!("{name:?} is not one of the flags")))?;
            words[bit / 32] |= 1 << (bit % 32);
        }
        Ok(words)
    }

    /// Returns the number of a case, and the value that it carries.
    fn case<'v>(&self, value: &'v Value, ty: InterfaceType) -> Result<(usize, Option<(&'v Value, InterfaceType)>)> {
        let types = self.cx.types;
        let none = |case: &str| mismatch(format!("there is no case `{case}`"));
        Ok(match (ty, value) {
            (InterfaceType::Enum(index), Value::String(case)) => {
                (types[index].names.get_index_of(&**case).ok_or_else(|| none(case))?, None)
            }
            (InterfaceType::Option(_), Value::Null) => (0, None),
            (InterfaceType::Option(index), value) => {
                let inner = types[index].ty;
                let nested = if matches!(inner, InterfaceType::Option(_)) { value.get("some") } else { None };
                (1, Some((nested.unwrap_or(value), inner)))
            }
            (InterfaceType::Variant(index), value) => {
                let (case, payload) = match value {
                    Value::String(case) => (case.as_str(), None),
                    value => one(value).map(|(case, payload)| (case, Some(payload)))?,
                };
                let (at, _, carried) = types[index].cases.get_full(case).ok_or_else(|| none(case))?;
                match (payload, carried) {
                    (Some(payload), Some(ty)) => (at, Some((payload, *ty))),
                    (None, None) => (at, None),
                    _ => return Err(mismatch(format!("case `{case}` carries something else"))),
                }
            }
            (InterfaceType::Result(index), value) => {
                let (case, payload) = one(value)?;
                let (at, carried) = match case {
                    "ok" => (0, types[index].ok),
                    "err" => (1, types[index].err),
                    case => return Err(none(case)),
                };
                (at, carried.map(|ty| (payload, ty)))
            }
            (ty, value) => return Err(wrong(value, ty)),
        })
    }
}

fn one(value: &Value) -> Result<(&str, &Value)> {
    match value {
        Value::Map(entries) if entries.len() == 1 => Ok((&*entries[0].0, &entries[0].1)),
        value => Err(mismatch(format!("{} is not a case", value.kind()))),
    }
}

#[cold]
fn wrong(value: &Value, ty: InterfaceType) -> Error {
    mismatch(format!("{} is not of the parameter's type ({ty:?})", value.kind()))
}

/// Returns the value of an entry if the entry belongs to the field.
#[inline]
fn in_place<'v>((key, value): &'v (Name, Value), field: &Field) -> Result<&'v Value> {
    if *key == field.name { Ok(value) } else { Err(misplaced(field)) }
}

#[cold]
fn misplaced(field: &Field) -> Error {
    mismatch(format!("field `{}` is not in its place", field.name))
}

fn tuple<'v>(value: &'v Value, types: &[InterfaceType]) -> Result<impl Iterator<Item = (&'v Value, InterfaceType)>> {
    match value {
        Value::List(items) if items.len() == types.len() => Ok(items.iter().zip(types.iter().copied())),
        value => Err(mismatch(format!("{} is not a tuple of {}", value.kind(), types.len()))),
    }
}

/// Returns the bits of a number, a boolean or a char as a flat value. Memory takes as many of the
/// low bits as the type is wide.
fn scalar(value: &Value, ty: InterfaceType) -> Result<u64> {
    if let (Value::Int(int), Some(range)) = (value, int_type(ty)) {
        let (min, max) = range.range();
        if !(min..=max).contains(int) {
            return Err(mismatch(format!("{int} is out of range")));
        }
        let [a, b, c, d, e, f, g, h, ..] = int.to_le_bytes();
        let bits = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let wide = matches!(ty, InterfaceType::S64 | InterfaceType::U64);
        return Ok(if wide { bits } else { bits & u64::from(u32::MAX) });
    }
    match (value, ty) {
        (Value::Bool(b), InterfaceType::Bool) => Ok((*b).into()),
        #[expect(clippy::cast_possible_truncation, reason = "an f32 was made from one")]
        (Value::Float(x), InterfaceType::Float32) => Ok((*x as f32).to_bits().into()),
        (Value::Float(x), InterfaceType::Float64) => Ok(x.to_bits()),
        (Value::String(text), InterfaceType::Char) => {
            let char = text.chars().next().ok_or_else(|| mismatch("an empty string is not a char"))?;
            Ok(u32::from(char).into())
        }
        (value, ty) => Err(wrong(value, ty)),
    }
}

/// Writes the low bytes of a number, as many as fit.
fn write(bytes: &mut [u8], bits: u64) {
    let len = bytes.len().min(8);
    bytes[..len].copy_from_slice(&bits.to_le_bytes()[..len]);
}
