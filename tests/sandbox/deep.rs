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
    refused(&component, "cannot be decoded: components count exceeds limit of 1000");
    let module = section(1, MODULE).repeat(10_000);
    refused(&module, "cannot be decoded: modules count exceeds limit of 1000");
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
    refused(&component, "cannot be decoded: function body size count exceeds limit of 7654321");
}
