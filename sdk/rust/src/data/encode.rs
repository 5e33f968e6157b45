//! Encodes a plugin's description at compile time. The type of each job becomes a `component-type`
//! section, as `wit-component` reads it. Comments and shapes become lines of JSON in the section
//! `jobcontrol-plugin`.

use super::layout::Shape;
use super::layout::Ty;

/// The most named types that one job can use, and the most fields or cases of one type.
const PARTS: usize = 256;

/// A buffer with room for `C` bytes.
#[derive(Debug)]
pub struct Bytes<const C: usize> {
    bytes: [u8; C],
    len: usize,
}

impl<const C: usize> Bytes<C> {
    const NONE: Self = Self { bytes: [0; C], len: 0 };

    /// Returns how many bytes are written.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns the bytes, all [`len`](Self::len) of them.
    pub const fn take<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes.split_at(N).0);
        out
    }

    const fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    const fn raw(&mut self, bytes: &[u8]) {
        self.bytes.split_at_mut(self.len).1.split_at_mut(bytes.len()).0.copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Writes an unsigned number in LEB128.
    const fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.byte(low(number) | 0x80);
            number >>= 7;
        }
        self.byte(low(number));
    }

    const fn text(&mut self, text: &str) {
        self.number(text.len());
        self.raw(text.as_bytes());
    }

    const fn section<const D: usize>(&mut self, id: u8, content: &Bytes<D>) {
        self.byte(id);
        self.number(content.len);
        self.raw(content.bytes.split_at(content.len).0);
    }

    /// Writes a JSON string with its quotes.
    const fn json(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.byte(b'"');
        let (bytes, mut at) = (text.as_bytes(), 0);
        while at < bytes.len() {
            match bytes[at] {
                b @ (b'"' | b'\\') => self.raw(&[b'\\', b]),
                b'\n' => self.raw(b"\\n"),
                b @ 0..0x20 => self.raw(&[b'\\', b'u', b'0', b'0', HEX[(b >> 4) as usize], HEX[(b & 15) as usize]]),
                b => self.byte(b),
            }
            at += 1;
        }
        self.byte(b'"');
    }

    const fn digits(&mut self, number: u64) {
        if number >= 10 {
            self.digits(number / 10);
        }
        self.byte(b'0' + (number % 10) as u8);
    }
}

const fn low(number: usize) -> u8 {
    (number & 0x7f) as u8
}

/// Returns an upper bound for the encoded type of a job, in bytes.
pub const fn bound(job: &str, names: &[&str], args: &'static Ty, out: &'static Ty) -> usize {
    let mut seen = Seen { names: [None; PARTS], count: 0, room: 512 + 3 * job.len() };
    seen.visit(args);
    seen.visit(out);
    let mut at = 0;
    while at < names.len() {
        seen.room += names[at].len() + 8;
        at += 1;
    }
    seen.room
}

/// Types seen so far. Each is counted once, because each is written once.
struct Seen {
    names: [Option<&'static str>; PARTS],
    count: usize,
    room: usize,
}

impl Seen {
    const fn visit(&mut self, ty: &'static Ty) {
        self.room += 32;
        if let Some(name) = ty.name() {
            let mut at = 0;
            while at < self.count {
                if let Some(known) = self.names[at]
                    && same_text(known, name)
                {
                    return;
                }
                at += 1;
            }
            assert!(self.count < PARTS, "this job uses more than 256 named types");
            self.names[self.count] = Some(name);
            self.count += 1;
            self.room += 2 * name.len();
        }
        self.parts(ty);
    }

    const fn parts(&mut self, ty: &'static Ty) {
        let mut at = 0;
        if let Shape::List(item) = &ty.shape {
            self.visit(item);
        }
        while at < ty.fields() {
            self.room += 8;
            self.visit(ty.field(at));
            at += 1;
        }
        at = 0;
        while at < ty.cases() {
            self.room += 8;
            if let Some(held) = ty.case(at) {
                self.visit(held);
            }
            at += 1;
        }
        at = 0;
        match &ty.shape {
            Shape::Record(_, fields) => {
                while at < fields.len() {
                    self.room += fields[at].0.len();
                    at += 1;
                }
            }
            Shape::Variant(_, cases) => {
                while at < cases.len() {
                    self.room += cases[at].0.len();
                    at += 1;
                }
            }
            Shape::Enum(_, names) | Shape::Flags(_, names) => {
                while at < names.len() {
                    self.room += 8 + names[at].len();
                    at += 1;
                }
            }
            _ => {}
        }
    }
}

/// A reference to a type.
#[derive(Clone, Copy)]
enum Ref {
    Primitive(u8),
    Index(usize),
}

/// The world of one job while it is written.
struct World<const C: usize> {
    declarations: Bytes<C>,
    count: usize,
    types: usize,
    named: [Option<(&'static str, &'static Ty, usize)>; PARTS],
    names: usize,
}

impl<const C: usize> World<C> {
    const fn refer(out: &mut Bytes<C>, to: Ref) {
        match to {
            Ref::Primitive(code) => out.byte(code),
            // Signed LEB128, so numbers from 64 on take a second byte.
            Ref::Index(index) if index < 0x40 => out.byte(low(index)),
            Ref::Index(index) if index < 0x2000 => out.raw(&[low(index) | 0x80, low(index >> 7)]),
            Ref::Index(_) => panic!("this job uses too many types"),
        }
    }

    const fn refer_to_some(out: &mut Bytes<C>, to: Option<Ref>) {
        match to {
            None => out.byte(0),
            Some(to) => {
                out.byte(1);
                Self::refer(out, to);
            }
        }
    }

    const fn define(&mut self, definition: &Bytes<C>) -> usize {
        self.declarations.byte(0x01);
        self.declarations.raw(definition.bytes.split_at(definition.len).0);
        self.count += 1;
        self.types += 1;
        self.types - 1
    }

    /// Defines a type and gives it a name: `(import NAME (type (eq DEFINED)))`.
    const fn define_named(&mut self, name: &'static str, ty: &'static Ty, definition: &Bytes<C>) -> Ref {
        let defined = self.define(definition);
        self.declarations.raw(&[0x03, 0x00]);
        self.declarations.text(name);
        self.declarations.raw(&[0x03, 0x00]);
        self.declarations.number(defined);
        self.count += 1;
        self.types += 1;
        assert!(self.names < PARTS, "this job uses more than 256 named types");
        self.named[self.names] = Some((name, ty, self.types - 1));
        self.names += 1;
        Ref::Index(self.types - 1)
    }

    const fn find(&self, wanted: &str, ty: &Ty) -> Option<Ref> {
        let mut at = 0;
        while at < self.names {
            if let Some((name, known, index)) = self.named[at]
                && same_text(name, wanted)
            {
                assert!(
                    known.hash() == ty.hash(),
                    "two different types of this job have the same name: give one of them another,  \
                     with #[data(name = \"..\")]"
                );
                return Some(Ref::Index(index));
            }
            at += 1;
        }
        None
    }

    const fn some(&mut self, ty: Option<&'static Ty>) -> Option<Ref> {
        match ty {
            Some(ty) => Some(self.ty(ty)),
            None => None,
        }
    }

    const fn fields(&mut self, ty: &Ty) -> [Ref; PARTS] {
        let (mut refs, mut at) = ([Ref::Primitive(0); PARTS], 0);
        while at < ty.fields() {
            refs[at] = self.ty(ty.field(at));
            at += 1;
        }
        refs
    }

    const fn ty(&mut self, ty: &'static Ty) -> Ref {
        let mut out = Bytes::NONE;
        match &ty.shape {
            Shape::Primitive(code) => return Ref::Primitive(*code),
            Shape::List(item) => {
                let item = self.ty(item);
                out.byte(0x70);
                Self::refer(&mut out, item);
            }
            Shape::Option(some) => {
                let some = self.ty(some);
                out.byte(0x6b);
                Self::refer(&mut out, some);
            }
            Shape::Result(ok, err) => {
                let (ok, err) = (self.some(*ok), self.some(*err));
                out.byte(0x6a);
                Self::refer_to_some(&mut out, ok);
                Self::refer_to_some(&mut out, err);
            }
            Shape::Tuple(parts) => {
                let refs = self.fields(ty);
                out.byte(0x6f);
                out.number(parts.len());
                let mut at = 0;
                while at < parts.len() {
                    Self::refer(&mut out, refs[at]);
                    at += 1;
                }
            }
            Shape::Record(name, _) | Shape::Variant(name, _) | Shape::Enum(name, _) | Shape::Flags(name, _) => {
                if let Some(known) = self.find(name, ty) {
                    return known;
                }
                self.definition(ty, &mut out);
                return self.define_named(name, ty, &out);
            }
        }
        Ref::Index(self.define(&out))
    }

    /// Writes the definition of a named type.
    const fn definition(&mut self, ty: &Ty, out: &mut Bytes<C>) {
        let mut at = 0;
        match &ty.shape {
            Shape::Record(_, fields) => {
                let refs = self.fields(ty);
                out.byte(0x72);
                out.number(fields.len());
                while at < fields.len() {
                    out.text(fields[at].0);
                    Self::refer(out, refs[at]);
                    at += 1;
                }
            }
            Shape::Variant(_, cases) => {
                let mut refs = [None; PARTS];
                while at < cases.len() {
                    refs[at] = self.some(cases[at].1);
                    at += 1;
                }
                out.byte(0x71);
                out.number(cases.len());
                at = 0;
                while at < cases.len() {
                    out.text(cases[at].0);
                    Self::refer_to_some(out, refs[at]);
                    out.byte(0);
                    at += 1;
                }
            }
            Shape::Enum(_, names) | Shape::Flags(_, names) => {
                out.byte(ty.code());
                out.number(names.len());
                while at < names.len() {
                    out.text(names[at]);
                    at += 1;
                }
            }
            _ => panic!("it has no name"),
        }
    }

    const fn function(&mut self, names: &[&str], args: &Ty, out: &'static Ty) -> usize {
        let refs = self.fields(args);
        let returned = if out.is_unit() { None } else { Some(self.ty(out)) };
        let mut function = Bytes::NONE;
        function.byte(0x40);
        function.number(names.len());
        let mut at = 0;
        while at < names.len() {
            function.text(names[at]);
            Self::refer(&mut function, refs[at]);
            at += 1;
        }
        match returned {
            Some(returned) => {
                function.byte(0x00);
                Self::refer(&mut function, returned);
            }
            None => function.raw(&[0x01, 0x00]),
        }
        self.define(&function)
    }
}

const fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Returns a component that declares the exports of a world: one function.
///
/// As text it is
/// `(component (type (component (type (component DECLARATIONS)) (export "jobcontrol:jobs/job-NAME"
/// (component 0)))))`.
pub const fn section<const C: usize>(job: &str, names: &[&str], args: &Ty, out: &'static Ty) -> Bytes<C> {
    let mut world =
        World { declarations: Bytes::<C>::NONE, count: 0, types: 0, named: [const { None }; PARTS], names: 0 };
    let function = world.function(names, args, out);
    world.declarations.raw(&[0x04, 0x00]);
    world.declarations.text(job);
    world.declarations.byte(0x01);
    world.declarations.number(function);

    let mut types = Bytes::<C>::NONE;
    types.raw(&[1, 0x41, 2, 0x01, 0x41]);
    types.number(world.count + 1);
    types.raw(world.declarations.bytes.split_at(world.declarations.len).0);
    types.raw(&[0x04, 0x00]);
    types.number(PACKAGE.len() + WORLD.len() + job.len());
    types.raw(PACKAGE.as_bytes());
    types.raw(WORLD.as_bytes());
    types.raw(job.as_bytes());
    types.raw(&[0x04, 0]);

    let mut exports = Bytes::<C>::NONE;
    exports.raw(&[1, 0x00]);
    exports.number(WORLD.len() + job.len());
    exports.raw(WORLD.as_bytes());
    exports.raw(job.as_bytes());
    exports.raw(&[0x03, 0, 0]);

    let mut encoding = Bytes::<64>::NONE;
    encoding.text("wit-component-encoding");
    // Version 4, and strings in UTF-8.
    encoding.raw(&[4, 0]);

    let mut whole = Bytes::NONE;
    whole.raw(b"\0asm\x0d\0\x01\0");
    whole.section(0, &encoding);
    whole.section(7, &types);
    whole.section(11, &exports);
    whole
}

/// The package in which each job has a world.
const PACKAGE: &str = "jobcontrol:jobs/";

/// The start of the name of a job's world.
const WORLD: &str = "job-";

/// Returns an upper bound for the line about a job or a type: at most six bytes for each byte of
/// the text.
pub const fn said_bound(text: &str) -> usize {
    6 * text.len() + 256
}

/// Returns the line with the comment of a job.
pub const fn said_of_job<const C: usize>(job: &str, docs: &str) -> Bytes<C> {
    let mut line = Bytes::NONE;
    line.raw(b"{\"job\":");
    line.json(job);
    line.raw(b",\"docs\":");
    line.json(docs);
    line.raw(b"}\n");
    line
}

/// Returns the line that distinguishes two types with the same name.
pub const fn said_of_type<const C: usize>(name: &str, ty: &Ty, file: &str, at: u32) -> Bytes<C> {
    let mut line = Bytes::NONE;
    line.raw(b"{\"type\":");
    line.json(name);
    line.raw(b",\"shape\":\"");
    line.digits(ty.hash());
    line.raw(b"\",\"file\":");
    line.json(file);
    line.raw(b",\"line\":");
    line.digits(at as u64);
    line.raw(b"}\n");
    line
}
