//! Plugins that are made to exhaust who reads or compiles them.

use crate::harness::Answer;
use crate::harness::Folder;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(n & 0x7f).expect("seven bits");
        n >>= 7;
        if n == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &leb(content.len())[..], content].concat()
}

/// A component that holds a section, and exports nothing.
fn checked(section: &[u8]) -> Answer {
    let folder = Folder::new().file("jobs/deep.wasm", [COMPONENT, section].concat());
    folder.write("jobs/j.yaml", "function: deep:f\n");
    folder.run(&["check"]).code(3)
}

#[track_caller]
fn refused(section: &[u8], reason: &str) {
    let answer = checked(section);
    assert!(answer.stdout.contains(&format!("`jobs/deep.wasm` {reason}")), "{answer:#?}");
}

/// A component, or instance, type with others inside of each other.
fn nested_types(kind: u8, levels: usize) -> Vec<u8> {
    section(7, &[&[1], &[kind, 1, 1].repeat(levels)[..], &[kind, 0]].concat())
}

#[test]
fn ten_thousand_components_in_each_other() {
    let mut component = COMPONENT.to_vec();
    for _ in 0..10_000 {
        component = [COMPONENT, &section(4, &component)].concat();
    }
    refused(&section(4, &component), "nests modules and components deeper than 100 levels");
}

#[test]
fn ten_thousand_components_in_a_row() {
    let component = section(4, COMPONENT).repeat(10_000);
    refused(&component, "is larger than the engine takes: components count exceeds limit of 1000");
    let module = section(1, MODULE).repeat(10_000);
    refused(&module, "is larger than the engine takes: modules count exceeds limit of 1000");
}

#[test]
fn types_in_each_other() {
    for kind in [0x41, 0x42] {
        for levels in [10_001, 1_000_000] {
            refused(&nested_types(kind, levels), "declares more than 10000 types inside of types");
        }
        // As many as are let through: the decoder gives an answer.
        refused(&nested_types(kind, 9_999), "exports no function `f`");
    }
}

#[test]
fn a_giant_function() {
    let body = [&[0][..], &[0x01].repeat(8_000_000), &[0x0b]].concat();
    let code = [&leb(1)[..], &leb(body.len()), &body].concat();
    let module = [
        MODULE,
        &section(1, b"\x01\x60\0\0"),
        &section(3, b"\x01\0"),
        &section(7, b"\x01\x01f\0\0"),
        &section(10, &code),
    ]
    .concat();
    let component = [
        &section(1, &module)[..],
        &section(2, b"\x01\0\0\0"),
        &section(6, b"\x01\0\0\x01\0\x01f"),
        &section(7, b"\x01\x40\0\x01\0"),
        &section(8, b"\x01\0\0\0\0\0"),
        &section(11, b"\x01\0\x01f\x01\0\0"),
    ]
    .concat();
    refused(&component, "is larger than the engine takes: function body size count exceeds limit of 7654321");
}

/// A plugin that traps, with debugging information about its one function: abbreviations, what
/// stands in the unit, and other sections.
fn described(abbreviations: &[u8], entries: &[u8], others: &[(&str, Vec<u8>)]) -> Answer {
    let custom = |name: &str, content: &[u8]| section(0, &[&leb(name.len()), name.as_bytes(), content].concat());
    let unit = [&b"\x04\0\0\0\0\0\x04\x01\0\0\0\0\0\x04\0\0"[..], entries, &[0]].concat();
    let length = u32::try_from(unit.len()).expect("it is small").to_le_bytes();
    let mut module = [
        MODULE,
        &section(1, b"\x01\x60\0\0"),
        &section(3, b"\x01\0"),
        &section(7, b"\x01\x01f\0\0"),
        &section(10, b"\x01\x03\0\0\x0b"),
        &custom(".debug_abbrev", &[b"\x01\x11\x01\x11\x01\x12\x06\0\0", abbreviations, &[0]].concat()),
        &custom(".debug_info", &[&length[..], &unit].concat()),
    ]
    .concat();
    others.iter().for_each(|(name, content)| module.extend(custom(name, content)));
    Folder::new().file("jobs/d.wasm", module).file("jobs/j.yaml", "function: d:f\n").run(&["run", "j"]).code(1)
}

/// Inlined functions in each other, in one of the plugin's own.
fn inlined(levels: usize) -> Answer {
    let own = [&b"\x02\0\0\0\0\0\x04\0\0"[..], &[3].repeat(levels), &[0].repeat(levels + 1)].concat();
    described(b"\x02\x2e\x01\x11\x01\x12\x06\0\0\x03\x1d\x01\0\0", &own, &[])
}

const TRAP: &str = "trap: wasm `unreachable` instruction executed";

#[test]
fn inlined_functions_in_each_other() {
    // The stack of the process that reads them may overflow: that changes nothing for the build.
    for levels in [100, 10_000, 1_000_000] {
        inlined(levels).says(TRAP);
    }
}

#[test]
fn functions_that_all_have_the_same_many_ranges() {
    let alike = |functions: usize| {
        let ranges = [b"\x01\0\0\0\x02\0\0\0".repeat(4_000), vec![0; 8]].concat();
        let own = b"\x02\0\0\0\0".repeat(functions);
        described(b"\x02\x2e\0\x55\x17\0\0", &own, &[(".debug_ranges", ranges)])
    };
    alike(10).says(TRAP);
    let answer = alike(20_000).says(TRAP);
    assert!(
        answer.stderr.contains("lines are missing: finding the names and lines of these calls took "),
        "{answer:#?}"
    );
}

#[test]
fn a_name_of_a_function_that_no_person_reads() {
    let named = |length: usize| {
        let naming = [&[1, 0][..], &leb(length), &b"x".repeat(length)].concat();
        let name = [&[1][..], &leb(naming.len()), &naming].concat();
        let texts = [&b"x".repeat(length)[..], &[0]].concat();
        [described(b"", b"", &[("name", name)]), described(b"", b"", &[(".debug_str", texts)])]
    };
    for length in [64 << 10, 20 << 20] {
        for answer in named(length) {
            let answer = answer.says(TRAP);
            assert!(answer.stderr.len() < 5_000, "{length}");
        }
    }
}
