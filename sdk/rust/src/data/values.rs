//! The Rust types that are data.

use super::Data;
use super::export::Slots;
use super::layout;
use super::layout::Shape;
use super::layout::Ty;

macro_rules! primitives {
    ($($ty:ty, $code:expr, $plain:expr, $bits:ident => $lift:expr;)*) => {$(
        impl Data for $ty {
            const TYPE: &'static Ty = &Ty::new(Shape::Primitive($code));
            const IS_PLAIN: bool = $plain;
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: the caller guarantees that there is a value.
                unsafe { from.cast::<Self>().read() }
            }
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: the caller guarantees that there is room.
                unsafe { to.cast::<Self>().write(self) }
            }
            unsafe fn lift(slots: &mut Slots) -> Self {
                let $bits = slots.take();
                $lift
            }
        }
    )*};
}

primitives! {
    bool, layout::BOOL, false, bits => bits as u8 != 0;
    i8, layout::S8, true, bits => bits as Self;
    u8, layout::U8, true, bits => bits as Self;
    i16, layout::S16, true, bits => bits as Self;
    u16, layout::U16, true, bits => bits as Self;
    i32, layout::S32, true, bits => bits as Self;
    u32, layout::U32, true, bits => bits as Self;
    i64, layout::S64, true, bits => bits as Self;
    u64, layout::U64, true, bits => bits;
    f32, layout::F32, true, bits => Self::from_bits(bits as u32);
    f64, layout::F64, true, bits => Self::from_bits(bits);
    char, layout::CHAR, false, bits => Self::from_u32(bits as u32).unwrap_or(Self::REPLACEMENT_CHARACTER);
}

/// Reads an address and a length from memory.
///
/// # Safety
///
/// Both must be at this address.
unsafe fn pair(from: *const u8) -> (usize, usize) {
    let from = from.cast::<u32>();
    // SAFETY: the caller guarantees it.
    unsafe { (*from as usize, *from.add(1) as usize) }
}

/// # Safety
///
/// There must be room for both.
unsafe fn store_pair<T>(items: &'static mut [T], to: *mut u8) {
    let to = to.cast::<u32>();
    // SAFETY: the caller guarantees it. With 32-bit addresses nothing is cut off.
    unsafe {
        *to = items.as_ptr() as usize as u32;
        *to.add(1) = items.len() as u32;
    }
}

/// # Safety
///
/// The host must have put a list of this type there, and we must own it.
unsafe fn list<T: Data>((at, len): (usize, usize)) -> Vec<T> {
    if len == 0 {
        return Vec::new();
    }
    if T::IS_PLAIN {
        // SAFETY: our allocator gave this memory to the host, with exactly this length and
        // alignment.
        return unsafe { Vec::from_raw_parts(at as *mut T, len, len) };
    }
    let size = const { T::TYPE.size() };
    // SAFETY: there are this many items, one after the other.
    let items = (0..len).map(|item| unsafe { T::load((at + item * size) as *const u8) }).collect();
    free(at, len * size, const { T::TYPE.align() });
    items
}

/// Frees memory that the host has allocated.
fn free(at: usize, size: usize, align: usize) {
    if let Ok(layout) = std::alloc::Layout::from_size_align(size, align)
        && size > 0
    {
        // SAFETY: `cabi_realloc` allocated it with the same layout.
        unsafe { std::alloc::dealloc(at as *mut u8, layout) }
    }
}

/// # Safety
///
/// The host must have put text there, and we must own it.
unsafe fn text((at, len): (usize, usize)) -> String {
    // SAFETY: hosts only pass UTF-8; the rest is as for a list of bytes.
    unsafe { String::from_utf8_unchecked(list((at, len))) }
}

impl Data for String {
    const TYPE: &'static Ty = &Ty::new(Shape::Primitive(layout::STRING));
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller guarantees that there is a value.
        unsafe { text(pair(from)) }
    }
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller guarantees that there is room.
        unsafe { store_pair(self.into_bytes().leak(), to) }
    }
    unsafe fn lift(slots: &mut Slots) -> Self {
        let pair = (slots.take() as usize, slots.take() as usize);
        // SAFETY: the caller guarantees that there is a value.
        unsafe { text(pair) }
    }
}

impl<T: Data> Data for Vec<T> {
    const TYPE: &'static Ty = &Ty::new(Shape::List(T::TYPE));
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller guarantees that there is a value.
        unsafe { list(pair(from)) }
    }
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller guarantees that there is room.
        unsafe {
            if T::IS_PLAIN {
                return store_pair(self.leak(), to);
            }
            let (len, size) = (self.len(), const { T::TYPE.size() });
            let area = vec![0_u64; (len * size).div_ceil(8)].leak().as_mut_ptr().cast::<u8>();
            for (at, item) in self.into_iter().enumerate() {
                item.store(area.add(at * size));
            }
            let to = to.cast::<u32>();
            *to = area as usize as u32;
            *to.add(1) = len as u32;
        }
    }
    unsafe fn lift(slots: &mut Slots) -> Self {
        let pair = (slots.take() as usize, slots.take() as usize);
        // SAFETY: the caller guarantees that there is a value.
        unsafe { list(pair) }
    }
}

impl<T: Data> Data for Box<T> {
    const TYPE: &'static Ty = T::TYPE;
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller guarantees it.
        Self::new(unsafe { T::load(from) })
    }
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller guarantees it.
        unsafe { (*self).store(to) }
    }
    unsafe fn lift(slots: &mut Slots) -> Self {
        // SAFETY: the caller guarantees it.
        Self::new(unsafe { T::lift(slots) })
    }
}

impl<T: Data> Data for Option<T> {
    const TYPE: &'static Ty = &Ty::new(Shape::Option(T::TYPE));
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller guarantees that there is a value.
        unsafe { (*from != 0).then(|| T::load(from.add(const { Self::TYPE.payload() }))) }
    }
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller guarantees that there is room.
        unsafe {
            *to = u8::from(self.is_some());
            if let Some(value) = self {
                value.store(to.add(const { Self::TYPE.payload() }));
            }
        }
    }
    unsafe fn lift(slots: &mut Slots) -> Self {
        let begin = slots.place();
        // SAFETY: the caller guarantees that there is a value.
        let value = (slots.take() != 0).then(|| unsafe { T::lift(slots) });
        slots.go_to(begin + const { Self::TYPE.flat().len() });
        value
    }
}

impl<T: Data, E: Data> Data for Result<T, E> {
    const TYPE: &'static Ty = &Ty::new(Shape::Result(some(T::TYPE), some(E::TYPE)));
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller guarantees that there is a value.
        unsafe {
            let payload = from.add(const { Self::TYPE.payload() });
            if *from == 0 { Ok(T::load(payload)) } else { Err(E::load(payload)) }
        }
    }
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller guarantees that there is room.
        unsafe {
            let payload = to.add(const { Self::TYPE.payload() });
            *to = u8::from(self.is_err());
            match self {
                Ok(value) => value.store(payload),
                Err(error) => error.store(payload),
            }
        }
    }
    unsafe fn lift(slots: &mut Slots) -> Self {
        let begin = slots.place();
        // SAFETY: the caller guarantees that there is a value.
        let value = unsafe { if slots.take() == 0 { Ok(T::lift(slots)) } else { Err(E::lift(slots)) } };
        slots.go_to(begin + const { Self::TYPE.flat().len() });
        value
    }
}

/// Returns the type that a side of a result holds; `()` holds nothing.
const fn some(ty: &'static Ty) -> Option<&'static Ty> {
    if ty.is_unit() { None } else { Some(ty) }
}

/// The unit type, as a result.
impl Data for () {
    const TYPE: &'static Ty = &Ty::new(Shape::Tuple(&[]));
    unsafe fn load(_: *const u8) -> Self {}
    unsafe fn store(self, _: *mut u8) {}
    unsafe fn lift(_: &mut Slots) -> Self {}
}

macro_rules! tuples {
    ($($($name:ident $at:tt)*;)*) => {$(
        impl<$($name: Data),*> Data for ($($name,)*) {
            const TYPE: &'static Ty = &Ty::new(Shape::Tuple(&[$($name::TYPE),*]));
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: the caller guarantees that there is a value.
                unsafe { ($($name::load(from.add(const { Self::TYPE.offset($at) })),)*) }
            }
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: the caller guarantees that there is room.
                unsafe { $(self.$at.store(to.add(const { Self::TYPE.offset($at) }));)* }
            }
            unsafe fn lift(slots: &mut Slots) -> Self {
                // SAFETY: the caller guarantees that there is a value.
                unsafe { ($($name::lift(slots),)*) }
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15;
}
