//! Reads a return value out of a guest.
//!
//! Every number from the guest is hostile. What the host makes of a value is bounded while it is
//! made: by the encoded size of the value, and by the host memory that it takes. A container pays
//! for the first byte of each item, and for the memory, before it allocates memory for them. Each
//! item then pays for the rest of its own bytes. A number allocates nothing, so it only notes its
//! bytes; they are paid for with the next payment or at the end.

use std::rc::Rc;

use jobcontrol_core::held_size::ALLOCATION;
use jobcontrol_core::held_size::ENTRY;
use jobcontrol_core::held_size::VALUE;
use jobcontrol_core::held_size::name as held_name;
use jobcontrol_core::held_size::sequence as room;
use jobcontrol_core::packed_size;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::shortest;
use wasmtime::Error;
use wasmtime::Result;
use wasmtime::ValRaw;
use wasmtime::component::__internal::ComponentTypes;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LiftContext;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::wasmtime_environ::component::TypeRecordIndex;
use wasmtime::component::__internal::wasmtime_environ::component::VariantInfo;

use super::abi::size;
use super::large::LARGE;
use super::records::Record;
use super::records::Records;
use super::returned::FUEL;
use super::returned::HELD;
use super::returned::Returned;
use super::returned::TooLarge;
use crate::apart::apart;
use crate::current;
use crate::signal::Signal;

/// Marks the length of a string that is UTF-16 although the encoding may also be Latin-1.
const UTF16: usize = 1 << 31;

/// How many bytes are charged to the build's account at once; as many are free.
const CHARGED: u64 = 64 << 10;

/// What was paid for a value, so that it is not paid again when the value is read again.
struct Paid {
    /// Fuel.
    fuel: u64,
    /// The bytes of host memory.
    charged: u64,
}

/// The error for a value that turned out to be large while it was read.
#[derive(Debug, thiserror::Error)]
#[error("the value is large")]
struct IsLarge;

/// Reads the one slot that a function returned: a flat value, or a pointer to the value.
///
/// The size of a value is known only while it is read. A value that turns out to be large is read
/// again from the start, apart from other guests. This is sound on the guest's stack, because
/// reading calls nothing of the guest.
pub(super) fn returned(cx: &mut LiftContext<'_>, ty: InterfaceType, slots: &[ValRaw; 1]) -> Result<Returned> {
    let mut paid = Paid { fuel: 0, charged: CHARGED };
    match read(cx, ty, slots, LARGE, &mut paid) {
        Err(error) if error.is::<IsLarge>() => apart(|| read(cx, ty, slots, u64::MAX, &mut paid)),
        result => result,
    }
}

/// Reads a value with an encoded size of at most `most` bytes. `paid` is what was already paid for
/// it.
fn read(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    slots: &[ValRaw; 1],
    most: u64,
    paid: &mut Paid,
) -> Result<Returned> {
    let types: &ComponentTypes = cx.types;
    let InterfaceType::Tuple(index) = ty else {
        return Err(Error::msg("results are a tuple"));
    };
    let results = &types[index];
    let Some(ty) = results.types.first().copied() else {
        return Ok(Returned::Value(None));
    };
    let memory = cx.memory();
    let (what, records) = ("the return value", Records::default());
    let mut reader = Reader { cx, types, memory, what, encoded: 0, held: 0, most, paid, records };
    if results.abi.flat_count(1).is_some() {
        return reader.top(ty, Place::Slot(slots[0]));
    }
    let at = size(slots[0].get_u32());
    if !at.is_multiple_of(size(results.abi.align32)) {
        return Err(Error::msg("return pointer not aligned"));
    }
    let bytes = memory.get(at..).and_then(|rest| rest.get(..size(results.abi.size32)));
    let bytes = bytes.ok_or_else(|| Error::msg("pointer out of bounds of memory"))?;
    reader.top(ty, Place::Memory(bytes))
}

/// The place of a value: a slot if it is flat, otherwise memory of the size of its type.
#[derive(Clone, Copy)]
enum Place<'a> {
    Slot(ValRaw),
    Memory(&'a [u8]),
}

impl<'a> Place<'a> {
    /// Returns the number in the slot, or at the start of the memory.
    fn bits(self, len: usize) -> u64 {
        match self {
            Self::Slot(slot) if len <= 4 => slot.get_u32().into(),
            Self::Slot(slot) => slot.get_u64(),
            Self::Memory(bytes) => {
                let mut all = [0; 8];
                all[..len].copy_from_slice(&bytes[..len]);
                u64::from_le_bytes(all)
            }
        }
    }

    /// Reads a boolean or the number of a case: `len` bytes in memory, or the whole slot.
    fn number(self, len: usize) -> u64 {
        self.bits(if matches!(self, Self::Slot(_)) { 4 } else { len })
    }

    /// Returns the first bytes of the place. A slot may hold more than the type is wide; higher
    /// bytes are dropped.
    fn bytes<const N: usize>(self) -> [u8; N] {
        let mut first = [0; N];
        match self {
            Self::Slot(_) => first.copy_from_slice(&self.bits(N).to_le_bytes()[..N]),
            Self::Memory(bytes) => first.copy_from_slice(&bytes[..N]),
        }
        first
    }

    fn u32(self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// Returns a part of the place. A slot only holds types with one part.
    fn part(self, at: usize, len: usize) -> Self {
        match self {
            Self::Slot(slot) => Self::Slot(slot),
            Self::Memory(bytes) => Self::Memory(&bytes[at..at + len]),
        }
    }

    fn memory(self) -> Result<&'a [u8]> {
        match self {
            Self::Memory(bytes) => Ok(bytes),
            Self::Slot(_) => Err(Error::msg("a pointer and a length do not fit in one slot")),
        }
    }
}

struct Reader<'r, 'c> {
    cx: &'r mut LiftContext<'c>,
    types: &'c ComponentTypes,
    memory: &'c [u8],
    /// What is being read, for the failure if it is too large.
    what: &'static str,
    /// The encoded size of what was read, in bytes.
    encoded: u64,
    /// The bytes of host memory that it takes.
    held: u64,
    /// The encoded size, in bytes, above which reading ends with [`IsLarge`].
    most: u64,
    /// What was paid for the larger of both.
    paid: &'r mut Paid,
    /// The record types seen so far, whose names are paid for.
    records: Records,
}

impl<'c> Reader<'_, 'c> {
    fn top(&mut self, ty: InterfaceType, place: Place<'c>) -> Result<Returned> {
        if let InterfaceType::Result(index) = ty {
            let result = &self.types[index];
            let (case, place) = self.case(&result.info, 2, place)?;
            let ty = if case == 0 { result.ok } else { result.err };
            if case != 0 {
                self.what = "the function's error";
            }
            let value = ty.map(|ty| self.whole(ty, place)).transpose()?;
            return Ok(if case == 0 { Returned::Value(value) } else { Returned::Error(value) });
        }
        Ok(Returned::Value(Some(self.whole(ty, place)?)))
    }

    fn whole(&mut self, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        self.pay(1, VALUE)?;
        let value = self.value(ty, place)?;
        self.pay(0, 0)?;
        Ok(value)
    }

    /// Counts bytes of the encoded value, and bytes of host memory.
    fn pay(&mut self, encoded: u64, held: u64) -> Result<()> {
        self.encoded = self.encoded.saturating_add(encoded);
        self.held = self.held.saturating_add(held);
        let of_encoded = self.encoded.saturating_mul(FUEL);
        let due = of_encoded.max((self.held / HELD).saturating_mul(FUEL));
        let fuel = usize::try_from(due.saturating_sub(self.paid.fuel)).unwrap_or(usize::MAX);
        self.paid.fuel = due.max(self.paid.fuel);
        let too_large = if due == of_encoded { TooLarge::Encoded(self.what) } else { TooLarge::Held(self.what) };
        self.cx.consume_fuel(fuel).map_err(|_| too_large)?;
        if self.encoded > self.most {
            return Err(IsLarge.into());
        }
        self.charge()
    }

    /// Counts bytes of the encoded value that are paid for later. The caller must not allocate
    /// memory for them.
    fn note(&mut self, encoded: u64) {
        self.encoded = self.encoded.saturating_add(encoded);
    }

    /// Charges what the value takes here, with room for its encoded bytes, which grow to up to
    /// twice their length.
    fn charge(&mut self) -> Result<()> {
        let due = self.held.saturating_add(self.encoded.saturating_mul(2));
        let Some(more) = due.checked_sub(self.paid.charged).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = more.max(CHARGED);
        self.paid.charged = self.paid.charged.saturating_add(more);
        Ok(current::with(|build| build.account.charge(more)).map_err(Signal::full)?)
    }

    /// Counts the rest of a string whose first byte is paid for, or of bytes.
    fn pay_text(&mut self, encoded: u64) -> Result<()> {
        self.pay(encoded - 1, if encoded > 1 { encoded + ALLOCATION } else { 0 })
    }

    /// Reads a value whose first byte is paid for.
    fn value(&mut self, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        let types = self.types;
        Ok(match ty {
            InterfaceType::Bool => Value::Bool(place.number(1) != 0),
            InterfaceType::Float32 => self.float(shortest(f32::from_le_bytes(place.bytes()))),
            InterfaceType::Float64 => self.float(f64::from_le_bytes(place.bytes())),
            InterfaceType::Char => {
                let char = char::try_from(place.u32())?;
                self.pay_text(packed_size::string(char.len_utf8()))?;
                Value::string(char)
            }
            InterfaceType::String => {
                let (at, len) = pointer(place.memory()?);
                Value::String(self.text(at, len)?)
            }
            InterfaceType::List(index) => self.list(types[index].element, place.memory()?)?,
            InterfaceType::Record(index) => {
                let record = self.record(index)?;
                self.pay(record.encoded, room(ENTRY, record.fields.len()))?;
                let mut entries = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    // Clone the name first: after the value, the clone would wait for the value to
                    // be written.
                    let name = field.name.clone();
                    entries.push((name, self.value(field.ty, place.part(field.at, field.len))?));
                }
                Value::Map(entries)
            }
            InterfaceType::Tuple(index) => {
                let items = &types[index].types;
                let encoded = packed_size::sequence(items.len()) - 1 + items.len() as u64;
                self.pay(encoded, room(VALUE, items.len()))?;
                let (mut values, mut end) = (Vec::with_capacity(items.len()), 0);
                for ty in items {
                    values.push(self.field(*ty, place, &mut end)?);
                }
                Value::List(values)
            }
            InterfaceType::Flags(index) => self.flags(types[index].names.iter(), place)?,
            InterfaceType::Enum(index) => {
                let cases = &types[index];
                let (case, _) = self.case(&cases.info, cases.names.len(), place)?;
                self.named(&cases.names[case])?
            }
            InterfaceType::Variant(index) => {
                let variant = &types[index];
                let (case, place) = self.case(&variant.info, variant.cases.len(), place)?;
                let (name, ty) = variant.cases.get_index(case).ok_or_else(|| Error::msg("no such case"))?;
                match ty {
                    Some(ty) => self.entry(name, *ty, place)?,
                    None => self.named(name)?,
                }
            }
            InterfaceType::Option(index) => {
                let option = &types[index];
                match self.case(&option.info, 2, place)? {
                    (0, _) => Value::Null,
                    (_, place) if matches!(option.ty, InterfaceType::Option(_)) => {
                        self.entry("some", option.ty, place)?
                    }
                    (_, place) => self.value(option.ty, place)?,
                }
            }
            InterfaceType::Result(index) => {
                let result = &types[index];
                let (case, place) = self.case(&result.info, 2, place)?;
                let (name, ty) = if case == 0 { ("ok", result.ok) } else { ("err", result.err) };
                match ty {
                    Some(ty) => self.entry(name, ty, place)?,
                    None => {
                        self.pay_entry(name)?;
                        Value::entry(name, Value::Null)
                    }
                }
            }
            ty => self.int(ty, place)?,
        })
    }

    fn int(&mut self, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        let value = match ty {
            InterfaceType::S8 => i8::from_le_bytes(place.bytes()).into(),
            InterfaceType::U8 => u8::from_le_bytes(place.bytes()).into(),
            InterfaceType::S16 => i16::from_le_bytes(place.bytes()).into(),
            InterfaceType::U16 => u16::from_le_bytes(place.bytes()).into(),
            InterfaceType::S32 => i32::from_le_bytes(place.bytes()).into(),
            InterfaceType::U32 => u32::from_le_bytes(place.bytes()).into(),
            InterfaceType::S64 => i64::from_le_bytes(place.bytes()).into(),
            InterfaceType::U64 => u64::from_le_bytes(place.bytes()).into(),
            _ => return Err(Error::msg("a type that no function of a job may return")),
        };
        self.note(packed_size::int(value) - 1);
        Ok(Value::Int(value))
    }

    fn float(&mut self, x: f64) -> Value {
        self.note(packed_size::FLOAT - 1);
        Value::Float(x)
    }

    /// Returns the layout of a record type. Its names are allocated and paid for once, however many
    /// values have them.
    fn record(&mut self, index: TypeRecordIndex) -> Result<Rc<Record>> {
        if let Some(record) = self.records.get(index) {
            return Ok(record);
        }
        let fields = &self.types[index].fields;
        self.pay(0, fields.iter().map(|field| held_name(field.name.len())).sum())?;
        Ok(self.records.add(self.types, index, fields.iter().map(|field| field.name.as_str().into())))
    }

    fn named(&mut self, name: &str) -> Result<Value> {
        self.pay_text(packed_size::string(name.len()))?;
        Ok(Value::string(name))
    }

    /// Counts a map with one entry, except for the value in it.
    fn pay_entry(&mut self, name: &str) -> Result<()> {
        self.pay(packed_size::string(name.len()) + 1, room(ENTRY, 1) + held_name(name.len()))
    }

    fn entry(&mut self, name: &str, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        self.pay_entry(name)?;
        Ok(Value::entry(name, self.value(ty, place)?))
    }

    fn field(&mut self, ty: InterfaceType, place: Place<'c>, end: &mut usize) -> Result<Value> {
        let abi = self.types.canonical_abi(&ty);
        let at = abi.next_field32_size(end);
        self.value(ty, place.part(at, size(abi.size32)))
    }

    /// Returns the number of a case, and the place of its payload.
    fn case(&self, info: &VariantInfo, cases: usize, place: Place<'c>) -> Result<(usize, Place<'c>)> {
        let discriminant = place.number(usize::from(info.size));
        let case = usize::try_from(discriminant).ok().filter(|case| *case < cases);
        let case = case.ok_or_else(|| Error::msg(format!("discriminant {discriminant} out of range [0..{cases})")))?;
        let payload = match place {
            Place::Slot(slot) => Place::Slot(slot),
            Place::Memory(bytes) => Place::Memory(&bytes[size(info.payload_offset32).min(bytes.len())..]),
        };
        Ok((case, payload))
    }

    fn flags<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n String>, place: Place<'c>) -> Result<Value> {
        let (mut set, mut bytes) = (Vec::new(), 0);
        for (i, name) in names.enumerate() {
            let byte = match place {
                Place::Slot(slot) => slot.get_u32().to_le_bytes()[i / 8],
                Place::Memory(bytes) => bytes[i / 8],
            };
            if byte & (1 << (i % 8)) != 0 {
                bytes += packed_size::string(name.len());
                set.push(name);
            }
        }
        let held = room(VALUE, set.len()) + bytes + ALLOCATION * set.len() as u64;
        self.pay(packed_size::sequence(set.len()) - 1 + bytes, held)?;
        Ok(Value::List(set.into_iter().map(Value::string).collect()))
    }

    fn list(&mut self, element: InterfaceType, bytes: &[u8]) -> Result<Value> {
        let (at, len) = pointer(bytes);
        let abi = self.types.canonical_abi(&element);
        let stride = size(abi.size32);
        let out_of_bounds = || Error::msg("list pointer/length out of bounds of memory");
        let bytes = len.checked_mul(stride).ok_or_else(out_of_bounds)?;
        let bytes = self.memory.get(at..).and_then(|rest| rest.get(..bytes)).ok_or_else(out_of_bounds)?;
        if !at.is_multiple_of(size(abi.align32)) {
            return Err(Error::msg("list pointer is not aligned"));
        }
        if matches!(element, InterfaceType::U8) {
            self.pay_text(packed_size::bytes(len))?;
            return Ok(Value::Bytes(bytes.to_vec()));
        }
        self.pay(packed_size::sequence(len) - 1 + len as u64, room(VALUE, len))?;
        let mut items = Vec::with_capacity(len);
        for i in 0..len {
            items.push(self.value(element, Place::Memory(&bytes[i * stride..(i + 1) * stride]))?);
        }
        Ok(Value::List(items))
    }

    /// Reads a string in the encoding that the component chose.
    fn text(&mut self, at: usize, len: usize) -> Result<String> {
        let (units, wide, align) = match self.cx.options().string_encoding {
            StringEncoding::Utf8 => (len, false, 1),
            StringEncoding::Utf16 => (len, true, 2),
            StringEncoding::CompactUtf16 => (len & !UTF16, len & UTF16 != 0, 2),
        };
        if !at.is_multiple_of(align) {
            return Err(Error::msg(format!("string pointer not aligned to {align}")));
        }
        let bytes = units * if wide { 2 } else { 1 };
        let bytes = self.memory.get(at..).and_then(|rest| rest.get(..bytes));
        let bytes = bytes.ok_or_else(|| Error::msg("string pointer/length out of bounds of memory"))?;
        self.pay_text(packed_size::string(units))?;
        let text = match (wide, align) {
            (false, 1) => return Ok(std::str::from_utf8(bytes)?.to_owned()),
            (false, _) => bytes.iter().copied().map(char::from).collect(),
            (true, _) => {
                let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
                char::decode_utf16(units).collect::<Result<String, _>>()?
            }
        };
        // Its UTF-8 may be longer than its number of units.
        let more = packed_size::string(text.len()) - packed_size::string(units);
        self.pay(more, more)?;
        Ok(text)
    }
}

/// Reads a pointer and a length from memory.
fn pointer(bytes: &[u8]) -> (usize, usize) {
    let at = |at: usize| size(Place::Memory(&bytes[at..]).u32());
    (at(0), at(4))
}
