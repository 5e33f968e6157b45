//! A return value out of a guest.
//!
//! Every number from the guest is hostile. What the host makes of a value is bounded while it is made, by the bytes that
//! the value has when it is encoded: whatever holds others pays for the first byte of each before it makes room for
//! them, and each pays for the rest of its own bytes.

use jobcontrol_core::packed_size;
use jobcontrol_core::value::Value;
use wasmtime::Error;
use wasmtime::Result;
use wasmtime::ValRaw;
use wasmtime::component::__internal::ComponentTypes;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LiftContext;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::wasmtime_environ::component::VariantInfo;

use super::FUEL;
use super::Returned;
use super::TooLarge;
use super::int_type;
use super::size;

/// Marks the length of a text that is UTF-16 although it could have been Latin-1.
const UTF16: usize = 1 << 31;

/// Reads the one slot that a function returned: a flat value, or a pointer to the value.
pub(super) fn returned(cx: &mut LiftContext<'_>, ty: InterfaceType, slots: &[ValRaw; 1]) -> Result<Returned> {
    let types: &ComponentTypes = cx.types;
    let InterfaceType::Tuple(index) = ty else {
        return Err(Error::msg("results are a tuple"));
    };
    let results = &types[index];
    let Some(ty) = results.types.first().copied() else {
        return Ok(Returned::Value(None));
    };
    let memory = cx.memory();
    let mut reader = Reader { cx, types, memory, what: "the return value" };
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

/// Where a value stands: in a slot, if it is flat, else in memory, as long as its type.
#[derive(Clone, Copy)]
enum Place<'a> {
    Slot(ValRaw),
    Memory(&'a [u8]),
}

impl<'a> Place<'a> {
    /// The number that stands there, or at the start of what stands there.
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

    /// A boolean or the number of a case: `len` bytes in memory, all of a slot.
    fn number(self, len: usize) -> u64 {
        self.bits(if matches!(self, Self::Slot(_)) { 4 } else { len })
    }

    fn u32(self) -> u32 {
        let [a, b, c, d, ..] = self.bits(4).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// A part of it. A slot holds types of one part only.
    fn part(self, at: usize, len: usize) -> Self {
        match self {
            Self::Slot(slot) => Self::Slot(slot),
            Self::Memory(bytes) => Self::Memory(&bytes[at..at + len]),
        }
    }

    fn memory(self) -> Result<&'a [u8]> {
        match self {
            Self::Memory(bytes) => Ok(bytes),
            Self::Slot(_) => Err(Error::msg("a pointer and a length do not stand in one slot")),
        }
    }
}

struct Reader<'r, 'c> {
    cx: &'r mut LiftContext<'c>,
    types: &'c ComponentTypes,
    memory: &'c [u8],
    /// What is read, for the failure if it is too large.
    what: &'static str,
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
        self.pay(1)?;
        self.value(ty, place)
    }

    /// Counts `bytes` of the encoded value.
    fn pay(&mut self, bytes: u64) -> Result<()> {
        let fuel = usize::try_from(bytes.saturating_mul(FUEL)).unwrap_or(usize::MAX);
        self.cx.consume_fuel(fuel).map_err(|_| TooLarge(self.what).into())
    }

    /// Reads a value whose first byte is paid for.
    fn value(&mut self, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        let types = self.types;
        Ok(match ty {
            InterfaceType::Bool => Value::Bool(place.number(1) != 0),
            InterfaceType::Float32 => self.float(f32::from_bits(place.u32()).into())?,
            InterfaceType::Float64 => self.float(f64::from_bits(place.bits(8)))?,
            InterfaceType::Char => {
                let char = char::try_from(place.u32())?;
                self.pay(packed_size::string(char.len_utf8()) - 1)?;
                Value::string(char)
            }
            InterfaceType::String => {
                let (at, len) = pointer(place.memory()?);
                Value::String(self.text(at, len)?)
            }
            InterfaceType::List(index) => self.list(types[index].element, place.memory()?)?,
            InterfaceType::Record(index) => {
                let fields = &types[index].fields;
                let names: u64 = fields.iter().map(|field| packed_size::string(field.name.len()) + 1).sum();
                self.pay(packed_size::sequence(fields.len()) - 1 + names)?;
                let (mut entries, mut end) = (Vec::with_capacity(fields.len()), 0);
                for field in fields {
                    entries.push((field.name.to_string(), self.field(field.ty, place, &mut end)?));
                }
                Value::Map(entries)
            }
            InterfaceType::Tuple(index) => {
                let items = &types[index].types;
                self.pay(packed_size::sequence(items.len()) - 1 + items.len() as u64)?;
                let mut end = 0;
                Value::List(items.iter().map(|ty| self.field(*ty, place, &mut end)).collect::<Result<_>>()?)
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
                        self.pay(packed_size::string(name.len()) + 1)?;
                        Value::entry(name, Value::Null)
                    }
                }
            }
            ty => self.int(ty, place)?,
        })
    }

    fn int(&mut self, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        let int = int_type(ty).ok_or_else(|| Error::msg("a type that no function of a job may return"))?;
        let (min, max) = int.range();
        let len = size(self.types.canonical_abi(&ty).size32);
        // A slot may hold more than the type is wide; what is above is dropped.
        let bits = i128::from(place.bits(len)) & ((1 << (8 * len)) - 1);
        let value = if min < 0 && bits > max { bits - (1 << (8 * len)) } else { bits };
        self.pay(packed_size::int(value) - 1)?;
        Ok(Value::Int(value))
    }

    fn float(&mut self, x: f64) -> Result<Value> {
        self.pay(packed_size::FLOAT - 1)?;
        Ok(Value::Float(x))
    }

    fn named(&mut self, name: &str) -> Result<Value> {
        self.pay(packed_size::string(name.len()) - 1)?;
        Ok(Value::string(name))
    }

    fn entry(&mut self, name: &str, ty: InterfaceType, place: Place<'c>) -> Result<Value> {
        self.pay(packed_size::string(name.len()) + 1)?;
        Ok(Value::entry(name, self.value(ty, place)?))
    }

    fn field(&mut self, ty: InterfaceType, place: Place<'c>, end: &mut usize) -> Result<Value> {
        let abi = self.types.canonical_abi(&ty);
        let at = abi.next_field32_size(end);
        self.value(ty, place.part(at, size(abi.size32)))
    }

    /// The number of a case, and where its payload stands.
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
        self.pay(packed_size::sequence(set.len()) - 1 + bytes)?;
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
            self.pay(packed_size::bytes(len) - 1)?;
            return Ok(Value::Bytes(bytes.to_vec()));
        }
        self.pay(packed_size::sequence(len) - 1 + len as u64)?;
        let mut items = Vec::with_capacity(len);
        for i in 0..len {
            items.push(self.value(element, Place::Memory(&bytes[i * stride..(i + 1) * stride]))?);
        }
        Ok(Value::List(items))
    }

    /// A text in the encoding that the component chose.
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
        self.pay(packed_size::string(units) - 1)?;
        let text = match (wide, align) {
            (false, 1) => return Ok(std::str::from_utf8(bytes)?.to_owned()),
            (false, _) => bytes.iter().copied().map(char::from).collect(),
            (true, _) => {
                let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
                char::decode_utf16(units).collect::<Result<String, _>>()?
            }
        };
        // Its UTF-8 may be longer than it has units.
        self.pay(packed_size::string(text.len()) - packed_size::string(units))?;
        Ok(text)
    }
}

/// Pointer and length, as memory has them.
fn pointer(bytes: &[u8]) -> (usize, usize) {
    let at = |at: usize| size(Place::Memory(&bytes[at..]).u32());
    (at(0), at(4))
}
