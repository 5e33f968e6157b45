//! Generated values of generated types, through guests that give back what they are given: flat
//! parameters are written to memory by code made here from the canonical ABI, apart from the host's
//! own.

use std::fmt::Write;
use std::path::Path;

use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Type;
use jobcontrol_core::value::Value;
use proptest::prelude::*;

use super::direct::call_with;
use super::direct::sandbox;
use crate::harness::any_type::any_type;
use crate::harness::any_type::value_of;

/// What one slot of the flat form holds.
#[derive(Clone, Copy, PartialEq)]
enum Core {
    I32,
    I64,
    F32,
    F64,
}

impl Core {
    fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// What holds either of two.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::I32 | Self::F32, Self::I32 | Self::F32) => Self::I32,
            _ => Self::I64,
        }
    }
}

/// What the cases of a type carry, or none if it has no cases.
fn cases(ty: &Type) -> Option<Vec<Option<&Type>>> {
    Some(match ty {
        Type::Option(inner) => vec![None, Some(inner)],
        Type::Result(ok, err) => vec![ok.as_deref(), err.as_deref()],
        Type::Variant(variant) => variant.members.iter().map(|(_, ty)| ty.as_ref()).collect(),
        Type::Enum(cases) => cases.members.iter().map(|_| None).collect(),
        _ => return None,
    })
}

/// The parts of a record or tuple, one after the other.
fn parts(ty: &Type) -> Option<Vec<&Type>> {
    match ty {
        Type::Record(record) => Some(record.members.iter().map(|(_, ty)| ty).collect()),
        Type::Tuple(types) => Some(types.iter().collect()),
        _ => None,
    }
}

fn discriminant_size(cases: usize) -> u32 {
    match cases {
        0..=256 => 1,
        257..=65_536 => 2,
        _ => 4,
    }
}

fn flat(ty: &Type) -> Vec<Core> {
    if let Some(parts) = parts(ty) {
        return parts.into_iter().flat_map(flat).collect();
    }
    if let Some(cases) = cases(ty) {
        let mut joined: Vec<Core> = Vec::new();
        for payload in cases.into_iter().flatten() {
            for (i, core) in flat(payload).into_iter().enumerate() {
                match joined.get_mut(i) {
                    Some(slot) => *slot = slot.join(core),
                    None => joined.push(core),
                }
            }
        }
        return std::iter::once(Core::I32).chain(joined).collect();
    }
    match ty {
        Type::Int(IntType::S64 | IntType::U64) => vec![Core::I64],
        Type::F32 => vec![Core::F32],
        Type::F64 => vec![Core::F64],
        Type::String | Type::List(_) => vec![Core::I32, Core::I32],
        _ => vec![Core::I32],
    }
}

/// Size and alignment in memory.
fn layout(ty: &Type) -> (u32, u32) {
    if let Some(parts) = parts(ty) {
        let (end, align) = parts
            .into_iter()
            .map(layout)
            .fold((0_u32, 1), |(end, align), (size, own)| (end.next_multiple_of(own) + size, align.max(own)));
        return (end.next_multiple_of(align), align);
    }
    if let Some(cases) = cases(ty) {
        let discriminant = discriminant_size(cases.len());
        let payloads = cases.into_iter().flatten().map(layout);
        let (size, align) = payloads.fold((0, discriminant), |(size, align), (s, a)| (size.max(s), align.max(a)));
        let offset = payload_offset(ty);
        return ((offset + size).next_multiple_of(align), align);
    }
    let size = match ty {
        Type::Bool | Type::Int(IntType::S8 | IntType::U8) => 1,
        Type::Int(IntType::S16 | IntType::U16) => 2,
        Type::Int(IntType::S64 | IntType::U64) | Type::F64 => 8,
        Type::String | Type::List(_) => return (8, 4),
        Type::Flags(flags) => match flags.members.len() {
            0..=8 => 1,
            9..=16 => 2,
            _ => 4,
        },
        _ => 4,
    };
    (size, size)
}

fn payload_offset(ty: &Type) -> u32 {
    let cases = cases(ty).unwrap_or_default();
    let align = cases.iter().flatten().map(|ty| layout(ty).1).max().unwrap_or(1);
    discriminant_size(cases.len()).next_multiple_of(align)
}

/// Code that writes the flat parameters from `slot` on to `offset` in memory. `slots` is what they
/// are declared as.
fn store(ty: &Type, offset: u32, slot: usize, slots: &[Core], code: &mut String) {
    if let Some(parts) = parts(ty) {
        let (mut at, mut slot) = (0_u32, slot);
        for part in parts {
            let (size, align) = layout(part);
            at = at.next_multiple_of(align);
            store(part, offset + at, slot, slots, code);
            at += size;
            slot += flat(part).len();
        }
        return;
    }
    if let Some(cases) = cases(ty) {
        put(discriminant_size(cases.len()), Core::I32, offset, slot, slots, code);
        for (i, payload) in cases.iter().enumerate() {
            if let Some(payload) = payload {
                let discriminant = taken(slot, slots[slot], Core::I32);
                let _ = writeln!(code, "(if (i32.eq {discriminant} (i32.const {i})) (then");
                store(payload, offset + payload_offset(ty), slot + 1, slots, code);
                code.push_str("))\n");
            }
        }
        return;
    }
    match ty {
        Type::String | Type::List(_) => {
            put(4, Core::I32, offset, slot, slots, code);
            put(4, Core::I32, offset + 4, slot + 1, slots, code);
        }
        ty => put(layout(ty).0, flat(ty)[0], offset, slot, slots, code),
    }
}

/// A slot's value as `core`, which it was declared as or is joined in.
fn taken(slot: usize, declared: Core, core: Core) -> String {
    let get = format!("(local.get {slot})");
    match (declared, core) {
        (Core::I64, Core::I32) => format!("(i32.wrap_i64 {get})"),
        (Core::I64, Core::F32) => format!("(f32.reinterpret_i32 (i32.wrap_i64 {get}))"),
        (Core::I32, Core::F32) => format!("(f32.reinterpret_i32 {get})"),
        (Core::I64, Core::F64) => format!("(f64.reinterpret_i64 {get})"),
        _ => get,
    }
}

fn put(size: u32, core: Core, offset: u32, slot: usize, slots: &[Core], code: &mut String) {
    let value = taken(slot, slots[slot], core);
    let width = match (core, size) {
        (Core::I32, 1) => "8",
        (Core::I32, 2) => "16",
        _ => "",
    };
    let _ = writeln!(code, "({}.store{width} (i32.const {offset}) {value})", core.name());
}

/// Types as WAT, each declared under a name of its own.
#[derive(Default)]
struct Declarations {
    text: String,
    count: usize,
}

impl Declarations {
    fn name(&mut self, ty: &Type) -> String {
        match ty {
            Type::List(item) => format!("(list {})", self.name(item)),
            Type::Option(inner) => format!("(option {})", self.name(inner)),
            Type::Tuple(types) => {
                let types: Vec<_> = types.iter().map(|ty| self.name(ty)).collect();
                format!("(tuple {})", types.join(" "))
            }
            Type::Result(ok, err) => {
                let ok = ok.as_ref().map_or_else(String::new, |ty| self.name(ty));
                let err = err.as_ref().map_or_else(String::new, |ty| format!("(error {})", self.name(ty)));
                format!("(result {ok} {err})")
            }
            Type::Record(record) => {
                let fields: Vec<_> =
                    record.members.iter().map(|(n, ty)| format!("(field {n:?} {})", self.name(ty))).collect();
                self.declare(&format!("(record {})", fields.join(" ")))
            }
            Type::Variant(variant) => {
                let case = |(n, ty): &(String, Option<Type>)| {
                    let payload = ty.as_ref().map_or_else(String::new, |ty| self.name(ty));
                    format!("(case {n:?} {payload})")
                };
                let cases: Vec<_> = variant.members.iter().map(case).collect();
                self.declare(&format!("(variant {})", cases.join(" ")))
            }
            Type::Enum(named) => self.declare(&format!("(enum {})", quoted(named.names()))),
            Type::Flags(named) => self.declare(&format!("(flags {})", quoted(named.names()))),
            simple => simple.to_string(),
        }
    }

    fn declare(&mut self, definition: &str) -> String {
        let n = self.count;
        self.count += 1;
        let _ = writeln!(self.text, "(type $d{n} {definition}) (import \"t{n}\" (type $t{n} (eq $d{n})))");
        format!("$t{n}")
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" ")
}

/// A component with a function for each type, `f0` and so on, that returns its one argument.
fn echo(types: &[Type], encoding: &str) -> String {
    let mut declared = Declarations::default();
    let (mut core, mut lifted) = (String::new(), String::new());
    for (i, ty) in types.iter().enumerate() {
        let slots = flat(ty);
        let _ = writeln!(core, "(func (export \"f{i}\")");
        if slots.len() > 16 {
            core.push_str("(param i32) (result i32) (local.get 0))\n");
        } else if let [one] = slots[..] {
            let _ = writeln!(core, "(param {0}) (result {0}) (local.get 0))", one.name());
        } else {
            let params: Vec<_> = slots.iter().map(|core| core.name()).collect();
            let _ = writeln!(core, "(param {}) (result i32)", params.join(" "));
            store(ty, 1024, 0, &slots, &mut core);
            core.push_str("(i32.const 1024))\n");
        }
        let name = declared.name(ty);
        let _ = writeln!(
            lifted,
            "(func (export \"f{i}\") (param \"it\" {name}) (result {name})
               (canon lift (core func $i \"f{i}\") (memory $mem) (realloc $realloc) string-encoding={encoding}))"
        );
    }
    format!(
        "(component\n{}\n(core module $m (memory (export \"memory\") 2) (global $free (mut i32) (i32.const 65536))
           (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
             (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
             (global.get $free)
             (global.set $free (i32.add (global.get $free) (local.get 3)))
             (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))) (then
               (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1)))))))
           {core})
         (core instance $i (instantiate $m))
         (alias core export $i \"memory\" (core memory $mem))
         (alias core export $i \"realloc\" (core func $realloc))\n{lifted})",
        declared.text
    )
}

/// What the echo of each type answers to each value.
fn echoed(pairs: &[(Type, Vec<Value>)], encoding: &str) -> Vec<Vec<Outcome>> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("echo.wat");
    let types: Vec<_> = pairs.iter().map(|(ty, _)| ty.clone()).collect();
    std::fs::write(&path, echo(&types, encoding)).expect("a file");
    let plugin = sandbox().plugins().read_file(&path, Path::new("echo.wat")).expect("a plugin");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let call = |i: usize, value: &Value| {
        let name = format!("f{i}");
        let signature = plugin.functions.iter().find(|f| f.name == name).expect("the function");
        let function =
            sandbox().function(&plugin, signature, &jobcontrol_sandbox::Cancel::pair().1).expect("it compiles");
        runtime.block_on(sandbox().call(&function, call_with(vec![value.clone()]))).outcome
    };
    pairs.iter().enumerate().map(|(i, (_, values))| values.iter().map(|value| call(i, value)).collect()).collect()
}

/// A result at the top is not the value itself.
fn returned(ty: &Type, value: &Value) -> Option<Value> {
    match (ty, value) {
        (Type::Result(..), Value::Map(entries)) if entries[0].0 == "err" => None,
        (Type::Result(None, _), _) => Some(Value::Null),
        (Type::Result(..), Value::Map(entries)) => Some(entries[0].1.clone()),
        (_, value) => Some(value.clone()),
    }
}

fn types_and_values() -> impl Strategy<Value = Vec<(Type, Vec<Value>)>> {
    let pair = any_type().prop_flat_map(|ty| {
        let values = prop::collection::vec(value_of(&ty), 4);
        (Just(ty), values)
    });
    prop::collection::vec(pair, 30)
}

proptest! {
    // Each case compiles a plugin of thirty functions.
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_comes_back(
        pairs in types_and_values(),
        encoding in prop::sample::select(vec!["utf8", "utf16", "latin1+utf16"]),
    ) {
        for ((ty, values), outcomes) in pairs.iter().zip(echoed(&pairs, encoding)) {
            for (value, outcome) in values.iter().zip(outcomes) {
                match (returned(ty, value), outcome) {
                    (Some(expected), Outcome::Returned(found)) => {
                        prop_assert_eq!(found.unwrap_or(Value::Null), expected, "{}", ty);
                    }
                    (None, Outcome::Failed(failure)) if failure.kind == FailureKind::Error => {
                        let expected = value.get("err").cloned().filter(|_| !matches!(ty, Type::Result(_, None)));
                        prop_assert_eq!(failure.value, expected, "{}", ty);
                    }
                    (expected, outcome) => prop_assert!(false, "{}: {:?}, not {:?}", ty, outcome, expected),
                }
            }
        }
    }
}
