//! Types as compile-time values, and their layout in the canonical ABI.
//!
//! <https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>

/// A type with its layout, computed once.
#[derive(Debug)]
pub struct Ty {
    pub(crate) shape: Shape,
    size: usize,
    align: usize,
    flat: Flat,
    /// FNV-1a over everything that the type consists of.
    hash: u64,
}

/// The structure of a type. Names are in kebab case.
#[derive(Debug)]
pub enum Shape {
    /// A scalar or a string, by its code in the component model.
    Primitive(u8),
    /// A list of one type.
    List(&'static Ty),
    /// A value or nothing.
    Option(&'static Ty),
    /// A result. Either side may hold nothing.
    Result(Option<&'static Ty>, Option<&'static Ty>),
    /// Values in order.
    Tuple(&'static [&'static Ty]),
    /// A name, and the fields with their names and types.
    Record(&'static str, &'static [(&'static str, &'static Ty)]),
    /// A name, and the cases with their names, each with the type that it holds.
    Variant(&'static str, &'static [(&'static str, Option<&'static Ty>)]),
    /// A name, and cases that hold nothing.
    Enum(&'static str, &'static [&'static str]),
    /// A name, and flags.
    Flags(&'static str, &'static [&'static str]),
}

pub(crate) const BOOL: u8 = 0x7f;
pub(crate) const S8: u8 = 0x7e;
pub(crate) const U8: u8 = 0x7d;
pub(crate) const S16: u8 = 0x7c;
pub(crate) const U16: u8 = 0x7b;
pub(crate) const S32: u8 = 0x7a;
pub(crate) const U32: u8 = 0x79;
pub(crate) const S64: u8 = 0x78;
pub(crate) const U64: u8 = 0x77;
pub(crate) const F32: u8 = 0x76;
pub(crate) const F64: u8 = 0x75;
pub(crate) const CHAR: u8 = 0x74;
pub(crate) const STRING: u8 = 0x73;

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

const fn round_up(n: usize, align: usize) -> usize {
    n.next_multiple_of(align)
}

impl Ty {
    /// Creates a type of this shape.
    ///
    /// # Panics
    ///
    /// Panics for `()` inside anything but a result, because WIT has no type for it.
    pub const fn new(shape: Shape) -> Self {
        let mut ty = Self { shape, size: 0, align: 1, flat: Flat::NONE, hash: 0 };
        assert!(!ty.holds_unit(), "`()` cannot be an argument or a part of another type: leave it out");
        ty.align = ty.find_align();
        ty.size = ty.find_size();
        let mut flat = Flat::NONE;
        flat.add_parts(&ty);
        ty.flat = flat;
        ty.hash = ty.find_hash();
        ty
    }

    /// Returns a hash that distinguishes two types with the same name.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    const fn find_hash(&self) -> u64 {
        let mut hash = hash_byte(0xcbf2_9ce4_8422_2325, self.code());
        let mut at = 0;
        match &self.shape {
            Shape::Primitive(code) => hash = hash_byte(hash, *code),
            Shape::List(item) => hash = hash_number(hash, item.hash),
            Shape::Record(name, fields) => {
                hash = hash_text(hash, name);
                while at < fields.len() {
                    hash = hash_text(hash, fields[at].0);
                    at += 1;
                }
            }
            Shape::Variant(name, cases) => {
                hash = hash_text(hash, name);
                while at < cases.len() {
                    hash = hash_text(hash, cases[at].0);
                    at += 1;
                }
            }
            Shape::Enum(name, names) | Shape::Flags(name, names) => {
                hash = hash_text(hash, name);
                while at < names.len() {
                    hash = hash_text(hash, names[at]);
                    at += 1;
                }
            }
            Shape::Option(_) | Shape::Result(..) | Shape::Tuple(_) => {}
        }
        at = 0;
        while at < self.fields() {
            hash = hash_number(hash, self.field(at).hash);
            at += 1;
        }
        at = 0;
        while at < self.cases() {
            hash = hash_number(hash, if let Some(held) = self.case(at) { held.hash } else { 0 });
            at += 1;
        }
        hash
    }

    /// Returns the component model's code for its shape.
    pub(crate) const fn code(&self) -> u8 {
        match &self.shape {
            Shape::Primitive(code) => *code,
            Shape::List(_) => 0x70,
            Shape::Option(_) => 0x6b,
            Shape::Result(..) => 0x6a,
            Shape::Tuple(_) => 0x6f,
            Shape::Record(..) => 0x72,
            Shape::Variant(..) => 0x71,
            Shape::Enum(..) => 0x6d,
            Shape::Flags(..) => 0x6e,
        }
    }

    /// Returns its name, if it has one.
    pub(crate) const fn name(&self) -> Option<&'static str> {
        match &self.shape {
            Shape::Record(name, _) | Shape::Variant(name, _) | Shape::Enum(name, _) | Shape::Flags(name, _) => {
                Some(name)
            }
            _ => None,
        }
    }

    /// Returns whether it is `()`.
    pub const fn is_unit(&self) -> bool {
        matches!(&self.shape, Shape::Tuple(parts) if parts.is_empty())
    }

    const fn holds_unit(&self) -> bool {
        let mut at = 0;
        while at < self.fields() {
            if self.field(at).is_unit() {
                return true;
            }
            at += 1;
        }
        at = 0;
        while at < self.cases() {
            if let Some(ty) = self.case(at)
                && ty.is_unit()
            {
                return true;
            }
            at += 1;
        }
        matches!(&self.shape, Shape::List(item) if item.is_unit())
    }

    /// Returns its size in memory, in bytes.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns its alignment in memory.
    pub const fn align(&self) -> usize {
        self.align
    }

    /// Returns its core values, for functions that get it value by value.
    pub const fn flat(&self) -> &Flat {
        &self.flat
    }

    pub(crate) const fn cases(&self) -> usize {
        match &self.shape {
            Shape::Option(_) | Shape::Result(..) => 2,
            Shape::Variant(_, cases) => cases.len(),
            Shape::Enum(_, cases) => cases.len(),
            _ => 0,
        }
    }

    pub(crate) const fn case(&self, at: usize) -> Option<&'static Self> {
        match &self.shape {
            Shape::Option(some) if at == 1 => Some(some),
            Shape::Result(ok, err) => {
                if at == 0 {
                    *ok
                } else {
                    *err
                }
            }
            Shape::Variant(_, cases) => cases[at].1,
            _ => None,
        }
    }

    pub(crate) const fn fields(&self) -> usize {
        match &self.shape {
            Shape::Record(_, fields) => fields.len(),
            Shape::Tuple(parts) => parts.len(),
            _ => 0,
        }
    }

    pub(crate) const fn field(&self, at: usize) -> &'static Self {
        match &self.shape {
            Shape::Record(_, fields) => fields[at].1,
            Shape::Tuple(parts) => parts[at],
            _ => panic!("this type has no fields"),
        }
    }

    /// Returns the size in bytes of the number that identifies the case.
    const fn tag(&self) -> usize {
        match self.cases() {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        }
    }

    const fn find_align(&self) -> usize {
        match &self.shape {
            Shape::Primitive(BOOL | S8 | U8) => 1,
            Shape::Primitive(S16 | U16) => 2,
            Shape::Primitive(S64 | U64 | F64) => 8,
            Shape::Primitive(_) | Shape::List(_) => 4,
            Shape::Flags(..) => self.find_size(),
            Shape::Record(..) | Shape::Tuple(_) => {
                let (mut align, mut at) = (1, 0);
                while at < self.fields() {
                    align = max(align, self.field(at).align);
                    at += 1;
                }
                align
            }
            _ => max(self.tag(), self.payload_align()),
        }
    }

    const fn payload_align(&self) -> usize {
        let (mut align, mut at) = (1, 0);
        while at < self.cases() {
            if let Some(ty) = self.case(at) {
                align = max(align, ty.align);
            }
            at += 1;
        }
        align
    }

    const fn find_size(&self) -> usize {
        match &self.shape {
            Shape::Primitive(BOOL | S8 | U8) => 1,
            Shape::Primitive(S16 | U16) => 2,
            Shape::Primitive(S64 | U64 | F64 | STRING) | Shape::List(_) => 8,
            Shape::Primitive(_) => 4,
            Shape::Flags(_, flags) => match flags.len() {
                0..=8 => 1,
                9..=16 => 2,
                _ => 4,
            },
            Shape::Record(..) | Shape::Tuple(_) => round_up(self.offset(self.fields()), self.align),
            _ => {
                let (mut size, mut at) = (0, 0);
                while at < self.cases() {
                    if let Some(ty) = self.case(at) {
                        size = max(size, ty.size);
                    }
                    at += 1;
                }
                round_up(self.payload() + size, self.align)
            }
        }
    }

    /// Returns the offset of a field. For the number of fields, returns the end of the last one.
    pub const fn offset(&self, field: usize) -> usize {
        let (mut offset, mut at) = (0, 0);
        while at < field {
            offset = round_up(offset, self.field(at).align) + self.field(at).size;
            at += 1;
        }
        if field < self.fields() { round_up(offset, self.field(field).align) } else { offset }
    }

    /// Returns the offset of what a case holds.
    pub const fn payload(&self) -> usize {
        round_up(self.tag(), self.payload_align())
    }
}

const fn hash_byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

const fn hash_number(mut hash: u64, number: u64) -> u64 {
    let (bytes, mut at) = (number.to_le_bytes(), 0);
    while at < bytes.len() {
        hash = hash_byte(hash, bytes[at]);
        at += 1;
    }
    hash
}

const fn hash_text(mut hash: u64, text: &str) -> u64 {
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at < bytes.len() {
        hash = hash_byte(hash, bytes[at]);
        at += 1;
    }
    hash_byte(hash, 0)
}

/// The kinds of core values.
pub(crate) const NONE: u8 = 0;
pub(crate) const I32: u8 = 1;
pub(crate) const I64: u8 = 2;
pub(crate) const CORE_F32: u8 = 3;
pub(crate) const CORE_F64: u8 = 4;

/// The most core values that a function takes one by one. More are passed in memory.
pub(crate) const SLOTS: usize = 16;

/// The core values of a type: their kinds, in order. One more than [`SLOTS`] stands for any larger
/// number.
#[derive(Debug)]
pub struct Flat {
    kinds: [u8; SLOTS + 1],
    len: usize,
}

impl Flat {
    const NONE: Self = Self { kinds: [NONE; SLOTS + 1], len: 0 };

    /// Returns the number of core values.
    pub const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn kind(&self, at: usize) -> u8 {
        self.kinds[at]
    }

    const fn put(&mut self, kind: u8) {
        if self.len <= SLOTS {
            self.kinds[self.len] = kind;
            self.len += 1;
        }
    }

    const fn add(&mut self, ty: &Ty) {
        let mut at = 0;
        while at < ty.flat.len {
            self.put(ty.flat.kinds[at]);
            at += 1;
        }
    }

    const fn add_parts(&mut self, ty: &Ty) {
        match &ty.shape {
            Shape::Primitive(S64 | U64) => self.put(I64),
            Shape::Primitive(F32) => self.put(CORE_F32),
            Shape::Primitive(F64) => self.put(CORE_F64),
            Shape::Primitive(STRING) | Shape::List(_) => {
                self.put(I32);
                self.put(I32);
            }
            Shape::Primitive(_) | Shape::Flags(..) => self.put(I32),
            Shape::Record(..) | Shape::Tuple(_) => {
                let mut at = 0;
                while at < ty.fields() {
                    self.add(ty.field(at));
                    at += 1;
                }
            }
            _ => {
                self.put(I32);
                self.join_cases(ty);
            }
        }
    }

    /// Adds the values that all cases share, each of a kind with room for any case.
    const fn join_cases(&mut self, ty: &Ty) {
        let (begin, mut end, mut case) = (self.len, self.len, 0);
        while case < ty.cases() {
            if let Some(held) = ty.case(case) {
                let mut at = 0;
                while at < held.flat.len && begin + at <= SLOTS {
                    let (here, new) = (begin + at, held.flat.kinds[at]);
                    self.kinds[here] = if here >= end { new } else { join(self.kinds[here], new) };
                    at += 1;
                }
                end = max(end, begin + at);
            }
            case += 1;
        }
        self.len = end;
    }
}

const fn join(a: u8, b: u8) -> u8 {
    match (a, b) {
        _ if a == b => a,
        (I32, CORE_F32) | (CORE_F32, I32) => I32,
        _ => I64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn primitive(code: u8) -> Ty {
        Ty::new(Shape::Primitive(code))
    }

    static U8_TY: Ty = primitive(U8);
    static U64_TY: Ty = primitive(U64);
    static F32_TY: Ty = primitive(F32);
    static F64_TY: Ty = primitive(F64);
    static STRING_TY: Ty = primitive(STRING);

    fn layout(ty: &Ty) -> (usize, usize, Vec<u8>) {
        (ty.size, ty.align, ty.flat.kinds[..ty.flat.len].to_vec())
    }

    #[test]
    fn fields_are_aligned_and_sizes_rounded_up() {
        let record =
            Ty::new(Shape::Record("r", vec![("a", &U8_TY), ("b", &U64_TY), ("c", &U8_TY), ("d", &STRING_TY)].leak()));
        assert_eq!(layout(&record), (32, 8, vec![I32, I64, I32, I32, I32]));
        assert_eq!([0, 1, 2, 3, 4].map(|at| record.offset(at)), [0, 8, 16, 20, 28]);
    }

    #[test]
    fn cases_share_their_place() {
        let variant =
            Ty::new(Shape::Variant("v", vec![("a", None), ("b", Some(&F32_TY)), ("c", Some(&STRING_TY))].leak()));
        assert_eq!(layout(&variant), (12, 4, vec![I32, I32, I32]));
        let result = Ty::new(Shape::Result(Some(&F64_TY), Some(&STRING_TY)));
        assert_eq!(layout(&result), (16, 8, vec![I32, I64, I32]));
        assert_eq!(result.payload(), 8);
        let option = Ty::new(Shape::Option(&U8_TY));
        assert_eq!((layout(&option), option.payload()), ((2, 1, vec![I32, I32]), 1));
    }

    #[test]
    fn what_is_too_much_for_single_values_goes_through_memory() {
        let parts = [&STRING_TY; 9];
        let many = Ty::new(Shape::Tuple(Box::leak(Box::new(parts))));
        assert_eq!(many.flat.len, SLOTS + 1);
        let option = Ty::new(Shape::Option(Box::leak(Box::new(many))));
        assert_eq!(option.flat.len, SLOTS + 1);
    }

    #[test]
    fn flags_take_as_many_bytes_as_they_need() {
        let names: &'static [&'static str] = &["f"; 17];
        let of = |count: usize| layout(&Ty::new(Shape::Flags("f", &names[..count])));
        assert_eq!([8, 9, 16, 17].map(of).map(|(size, align, _)| (size, align)), [(1, 1), (2, 2), (2, 2), (4, 4)]);
    }

    #[test]
    #[should_panic(expected = "`()` cannot be")]
    fn a_list_of_nothing_is_no_type() {
        let unit = Box::leak(Box::new(Ty::new(Shape::Tuple(&[]))));
        Ty::new(Shape::List(unit));
    }
}
