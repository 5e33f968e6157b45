//! Standard output without end: a line that never ends is cut, lines that never end are the log's
//! limit, and neither takes memory.

use crate::harness::Folder;

/// A command that writes a page of this byte again and again.
fn plugin(byte: u8) -> String {
    format!(
        "(module
           (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
           (memory (export \"memory\") 2)
           (func (export \"_start\")
             (memory.fill (i32.const 65536) (i32.const {byte}) (i32.const 65536))
             (i32.store (i32.const 0) (i32.const 65536))
             (i32.store (i32.const 4) (i32.const 65536))
             (loop $again
               (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
               (br $again))))"
    )
}

fn folder(byte: u8) -> Folder {
    Folder::beside_good()
        .file("jobs/evil.wat", plugin(byte))
        .file("jobs/evil.yaml", "id: evil\nfunction: evil\ntimeout: { attempt: 500ms }\n")
}

#[test]
fn a_line_that_never_ends() {
    let folder = folder(b'x');
    let outcome = folder.attacked(&["evil"]);
    outcome.failed("evil", "timeout");
    let log = folder.json(&["logs", &outcome.build("evil")["id"].to_string()]);
    let message = log[0]["message"].as_str().expect("what was written of it");
    assert!(message.len() < 70_000 && message.ends_with(".. (cut)"), "{} bytes", message.len());
}

#[test]
fn lines_that_never_end() {
    let folder = folder(b'\n');
    folder.write("jobs/evil.yaml", "id: evil\nfunction: evil\ntimeout: 2m\n");
    let outcome = folder.attacked(&["evil", "--quiet"]);
    let message = outcome.failed("evil", "limit");
    assert!(message.contains("; raise it with `limits: { log"), "{message}");
}
