//! Plugins as text that take gigabytes to read: whoever reads them is another process, whose limits
//! have keys that the refusal names.

use crate::harness::Folder;

fn folder(text: String) -> Folder {
    Folder::beside_good().file("jobs/evil.wat", text).file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n")
}

/// How the refusal begins, and how the one or the other limit of a reader is raised.
const READING: &str = "reading `jobs/evil.wat` took ";
const RAISE: &str = ": .. }` in jobcontrol.yaml";

#[test]
fn sixty_megabytes_of_nop() {
    let folder = folder(format!("(module (func (export \"f\") {}))", "nop ".repeat(15_000_000)));
    folder.refused(&[READING, "raise it with `read: { ", RAISE]);
}

#[test]
fn five_million_types_of_functions() {
    let folder = folder(format!("(module {})", "(type (func))".repeat(5_000_000)));
    folder.refused(&["`jobs/evil.wat` "]);
}

#[test]
fn the_limits_of_a_reader_are_the_operators() {
    let folder = folder(format!("(module (func (export \"f\") {}))", "nop ".repeat(3_000_000)));
    let memory = "took more than 128 MiB of memory; raise it with `read: { memory: .. }` in jobcontrol.yaml";
    folder.write("jobcontrol.yaml", "read: { memory: 128 MiB }\n");
    folder.refused(&["reading `jobs/evil.wat` ", memory]);
    let time = "took longer than 1s; raise it with `read: { timeout: .. }` in jobcontrol.yaml";
    folder.write("jobcontrol.yaml", "read: { timeout: 1s, memory: 4 GiB }\n");
    folder.write("jobs/evil.wat", format!("(module (func (export \"f\") {}))", "nop ".repeat(15_000_000)));
    folder.refused(&["reading `jobs/evil.wat` ", time]);
}
