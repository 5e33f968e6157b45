//! Tests that the cost of reading grows in proportion to the plugin, with families of small and
//! large plugins.

use std::fmt::Write;
use std::path::Path;

use jobcontrol_core::types::Signature;
use jobcontrol_core::types::fits;
use jobcontrol_core::types::from_text;
use jobcontrol_core::types::to_text;
use proptest::prelude::*;

use super::answer;
use super::task::Described;
use super::task::Refused;
use super::task::Task;

/// How much more a plugin of twice the size may cost. Vectors that double when they are full cause
/// jumps, so this is the mean of [`DOUBLINGS`].
const GROWTH: f64 = 2.2;

/// How many times the size of a plugin is doubled.
const DOUBLINGS: u32 = 3;

/// How much larger the large plugin is.
const TIMES: usize = 1 << DOUBLINGS;

/// The bytes and the number of allocations. Each step that reads a name or a type allocates.
#[derive(Clone, Copy, Debug)]
struct Cost {
    bytes: u64,
    allocations: u64,
}

fn cost<T>(work: impl FnOnce() -> T) -> (Cost, T) {
    let mut made = None;
    let counted = allocation_counter::measure(|| made = Some(work()));
    (Cost { bytes: counted.bytes_total, allocations: counted.count_total }, made.unwrap())
}

/// Returns a module that exports this many functions of numbers, under names of this many letters.
fn numeric(functions: usize, letters: usize) -> String {
    let mut text = "(module (func $f (param i32) (result i32) local.get 0)".to_owned();
    for at in 0..functions {
        write!(text, "(export \"f{at}{}\" (func $f))", "x".repeat(letters)).unwrap();
    }
    text + ")"
}

/// Returns a component with one function that returns records from this many interfaces, all with
/// the same names.
fn namesakes(interfaces: usize, records: usize) -> String {
    let mut text = "(component ".to_owned();
    let (mut params, mut types) = (String::new(), String::new());
    for interface in 0..interfaces {
        write!(text, "(import \"a:b/i{interface}\" (instance $i{interface}").unwrap();
        for record in 0..records {
            write!(text, "(type $t{record} (record (field \"m{record}\" u8)))").unwrap();
            write!(text, "(export \"r{record}\" (type (eq $t{record})))").unwrap();
            write!(types, "(alias export $i{interface} \"r{record}\" (type $x{interface}r{record}))").unwrap();
            write!(params, " $x{interface}r{record}").unwrap();
        }
        text.push_str("))");
    }
    text + &types + &returning(&format!("(tuple{params})"))
}

/// Returns a component with one function that returns a tuple of one record, repeated `uses` times.
/// The record's field name has this many letters.
fn long_names(uses: usize, letters: usize) -> String {
    let field = "x".repeat(letters);
    format!(
        "(component (import \"a:b/t\" (instance $t (type $r (record (field \"{field}\" u8))) (export \"r\" (type (eq $r)))))
         (alias export $t \"r\" (type $r)) {}",
        returning(&format!("(tuple{})", " $r".repeat(uses)))
    )
}

/// Returns the rest of a component with one function that returns this type.
fn returning(ty: &str) -> String {
    format!(
        "(core module $m (memory (export \"memory\") 2) (func (export \"f\") (result i32) (i32.const 0)))
         (core instance $i (instantiate $m))
         (type $all {ty})
         (alias core export $i \"memory\" (core memory $mem))
         (func (export \"f\") (result $all) (canon lift (core func $i \"f\") (memory $mem))))"
    )
}

/// Does what the runner does with the answer of a child.
fn computed(described: &[u8]) -> usize {
    let answer: Result<Described, Refused> = rmp_serde::from_slice(described).unwrap();
    let Ok(described) = answer else {
        return 0;
    };
    let functions = described.functions.signatures().unwrap();
    let types = |function: &Signature| {
        let params = function.params.iter().map(|(_, ty)| ty);
        params.chain(&function.result).cloned().collect::<Vec<_>>()
    };
    let sizes = functions.iter().map(|function| {
        let sizes = types(function).into_iter().map(|ty| {
            let text = to_text(&ty);
            let stored = from_text(&text).unwrap();
            assert_eq!((fits(&stored, &ty), fits(&ty, &stored)), (Ok(()), Ok(())));
            text.len()
        });
        sizes.sum::<usize>() + function.to_string().len()
    });
    sizes.sum()
}

fn grows(what: &str, small: &str, large: &str) {
    let read = |text: &str| {
        let binary = wat::parse_str(text).unwrap();
        cost(|| answer(Task::Read, &binary, Path::new("p.wasm")).unwrap())
    };
    let ((child_small, small), (child_large, large)) = (read(small), read(large));
    let ((ours_small, _), (ours_large, _)) = (cost(|| computed(&small)), cost(|| computed(&large)));
    for (whose, small, large) in [("child", child_small, child_large), ("runner", ours_small, ours_large)] {
        let within =
            |small: u64, large: u64| large as f64 <= GROWTH.powf(f64::from(DOUBLINGS)) * small as f64 + 100_000.0;
        let fits = within(small.bytes, large.bytes) && within(small.allocations, large.allocations);
        assert!(fits, "{what}, in the {whose}: {small:?} to {large:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn many_numeric_exports(functions in 200_usize..1_000, letters in 0_usize..100) {
        grows("exports", &numeric(functions, letters), &numeric(TIMES * functions, letters));
        grows("letters", &numeric(functions, letters), &numeric(functions, TIMES * letters));
    }

    #[test]
    fn records_of_one_name(interfaces in 3_usize..15, records in 1_usize..8) {
        grows("interfaces", &namesakes(interfaces, records), &namesakes(TIMES * interfaces, records));
        grows("records", &namesakes(interfaces, records), &namesakes(interfaces, TIMES * records));
    }

    #[test]
    fn long_names_used_often(uses in 10_usize..100, letters in 10_usize..1_000) {
        grows("uses", &long_names(uses, letters), &long_names(TIMES * uses, letters));
        grows("letters", &long_names(uses, letters), &long_names(uses, TIMES * letters));
    }
}
