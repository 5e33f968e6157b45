//! Debugging information of 60 KB that says so much that gigabytes come of it: a table of long file
//! names that each of hundreds of units reads anew. Who reads it has 512 MiB and 2 s; the failure
//! is told without lines, and why.

use crate::harness::Folder;

fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n > 0x7f {
        bytes.push(u8::try_from(n & 0x7f).expect("seven bits") | 0x80);
        n >>= 7;
    }
    bytes.push(u8::try_from(n).expect("seven bits"));
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &leb(content.len())[..], content].concat()
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(0, &[&leb(name.len()), name.as_bytes(), content].concat())
}

/// What comes after its length.
fn with_length(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).expect("it is small").to_le_bytes()[..], content].concat()
}

/// A table (DWARF 5) of so many files, whose names all are the one at the start of
/// `.debug_line_str`. It is about the code from `address` on.
fn line_table(files: usize, address: u32) -> Vec<u8> {
    let opcodes = b"\x01\x01\x01\xfb\x0e\x0d\0\x01\x01\x01\x01\0\0\0\x01\0\0\x01";
    // A folder is a path; a file is a path and the number of its folder.
    let folders = b"\x01\x01\x1f\x01\0\0\0\0";
    let names = [&b"\x02\x01\x1f\x02\x0b"[..], &leb(files), &[0; 5].repeat(files)].concat();
    let header = with_length(&[&opcodes[..], folders, &names].concat());
    // There is line 1, and 0x20 later is the end.
    let program = [&b"\0\x05\x02"[..], &address.to_le_bytes(), b"\x01\x02\x20\0\x01\x01"].concat();
    with_length(&[&b"\x05\0\x04\0"[..], &header, &program].concat())
}

/// A plugin whose `f` traps and whose `g` never ends, in which so many units have the same table of
/// files with this name.
fn plugin(units: usize, files: usize, name: &str, address: u32) -> Vec<u8> {
    // A unit is its table and its addresses, which are all there are.
    let unit = with_length(b"\x05\0\x01\x04\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x40");
    [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, b"\x01\x60\0\0"),
        &section(3, b"\x02\0\0"),
        &section(7, b"\x02\x01f\0\0\x01g\0\x01"),
        &section(10, b"\x02\x03\0\0\x0b\x07\0\x03\x40\x0c\0\x0b\x0b"),
        &custom(".debug_abbrev", b"\x01\x11\0\x10\x17\x11\x01\x12\x06\0\0\0"),
        &custom(".debug_info", &unit.repeat(units)),
        &custom(".debug_line", &line_table(files, address)),
        &custom(".debug_line_str", &[name.as_bytes(), &[0]].concat()),
    ]
    .concat()
}

/// Where the plugin has no code: whoever looks for a call finds nothing in one table, and reads the
/// next.
const ELSEWHERE: u32 = 0x1000_0000;

fn folder(plugin: Vec<u8>) -> Folder {
    let jobs = "jobs:\n  - { id: traps, function: evil:f }\n  - { id: late, function: evil:g, timeout: 300ms }\n";
    Folder::beside_good().file("jobs/evil.wasm", plugin).file("jobs/evil.yaml", jobs)
}

#[test]
fn a_failure_whose_lines_take_too_much_is_told_without() {
    let folder = folder(plugin(240, 500, &"a".repeat(60_000), ELSEWHERE));
    let outcome = folder.attacked(&["traps", "late"]);
    outcome.failed("traps", "trap");
    outcome.failed("late", "timeout");
    // Whoever reads the store asks again, and pays as little.
    for build in folder.json(&["builds", "--no-success"]).as_array().expect("builds") {
        let shown = folder.bounded(&["build", "show", &build["id"].to_string()]).end();
        let why = "lines are missing: finding the names and lines of these calls took ";
        assert!(shown.stdout.contains(why), "{shown:#?}");
    }
}

#[test]
fn a_table_of_a_few_short_names_is_read() {
    let outcome = folder(plugin(1, 3, "aaaaa", 0)).attacked(&["traps"]);
    let traps = outcome.build("traps");
    let file = traps["exception_tb"][0]["file"].as_str().expect("a file");
    assert!(file.contains("aaaaa"), "a table of that form is understood: {traps:#}");
}

#[test]
fn a_file_that_a_table_names_is_not_read() {
    let folder = folder(plugin(1, 3, "/etc/passwd", 0));
    let outcome = folder.attacked(&["traps"]);
    let call = &outcome.build("traps")["exception_tb"][0];
    assert_eq!((&call["file"], &call["line"]), (&"/etc/passwd".into(), &1.into()), "{call:#}");
    let shown = folder.run(&["build", "show", &outcome.build("traps")["id"].to_string()]).code(0);
    assert!(!shown.stdout.contains("root:") && !outcome.stderr.contains("root:"), "{shown:#?}");
}
