//! Types at the borders of what WIT has: names, counts, and what a job cannot use.

use serde_json::json;

use super::built;
use super::built_in;
use crate::harness::Folder;

/// A component with one echo function, `f`, of a declared type that goes by pointer.
fn by_pointer(ty: &str) -> String {
    format!(
        "(component
           (core module $m (memory (export \"memory\") 4) (global $free (mut i32) (i32.const 1024))
             (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
               (global.get $free)
               (global.set $free (i32.and (i32.add (global.get $free) (i32.add (local.get 3) (i32.const 7)))
                 (i32.const -8))))
             (func (export \"f\") (param i32) (result i32) (local.get 0)))
           (core instance $i (instantiate $m))
           (alias core export $i \"memory\" (core memory $mem))
           (alias core export $i \"realloc\" (core func $realloc))
           (type $t' {ty}) (import \"t\" (type $t (eq $t')))
           (func (export \"f\") (param \"it\" $t) (result $t)
             (canon lift (core func $i \"f\") (memory $mem) (realloc $realloc))))"
    )
}

#[track_caller]
fn refused(folder: &Folder, reason: &str) {
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains(reason), "`{reason}` is not in {answer:#?}");
}

fn numbered(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_record_of_a_thousand_fields() {
    let record = format!("(record {})", numbered(1000, |i| format!("(field \"f{i}\" u16)")));
    let given = numbered(1000, |i| format!("f{i}: {i},"));
    let manifest = format!("function: wide:f\nargs: [{{{given}}}]\n");
    let folder = Folder::new().file("jobs/wide.wat", by_pointer(&record)).file("jobs/j.yaml", manifest);
    let built = built_in(folder);
    let retval = built.retval().as_object().expect("a record");
    assert_eq!(retval.len(), 1000);
    assert!((0..1000).all(|i| retval[&format!("f{i}")] == i));
}

#[test]
fn thirty_two_flags_and_no_more() {
    let flags = |count| format!("(flags {})", numbered(count, |i| format!("\"b{i}\"")));
    let all: Vec<_> = (0..32).map(|i| format!("b{i}")).collect();
    for set in [&all[..], &all[31..], &all[7..9], &[]] {
        let manifest = format!("function: flags:f\nargs: [{set:?}]\n");
        let folder = Folder::new().file("jobs/flags.wat", by_pointer(&flags(32))).file("jobs/j.yaml", manifest);
        assert_eq!(built_in(folder).retval(), &json!(set));
    }
    let folder =
        Folder::new().file("jobs/flags.wat", by_pointer(&flags(33))).file("jobs/j.yaml", "function: flags:f\n");
    refused(&folder, "`jobs/flags.wat` cannot be decoded: cannot have more than 32 flags");
}

#[test]
fn types_of_no_parts_are_no_components() {
    for (empty, reason) in [
        ("(record)", "record type must have at least one field"),
        ("(tuple)", "tuple type must have at least one type"),
        ("(flags)", "flags must have at least one entry"),
        ("(enum)", "enum type must have at least one variant"),
        ("(variant)", "variant type must have at least one case"),
    ] {
        let folder = Folder::new().file("jobs/empty.wat", by_pointer(empty)).file("jobs/j.yaml", "function: empty:f\n");
        refused(&folder, &format!("`jobs/empty.wat` cannot be decoded: {reason}"));
    }
}

#[test]
fn streams_futures_and_error_contexts_are_for_no_job() {
    for function in ["a-stream", "a-future", "an-error-context"] {
        let folder = Folder::new()
            .guest("export_async_types.wat")
            .file("jobs/j.yaml", format!("function: export_async_types:{function}\n"));
        refused(
            &folder,
            "`jobs/export_async_types.wat` uses the WebAssembly proposal component-model async (WASI 0.3)",
        );
    }
}

#[test]
fn names_that_are_keywords_go_from_job_to_job() {
    let folder = Folder::new().guest("values_keywords.wat").file(
        "jobs/all.yaml",
        "jobs:\n\
         - {id: first, function: 'values_keywords:interface', kwargs: {func: {option: {type: 7, record: [1, 2]}}}}\n\
         - {id: j, function: 'values_keywords:interface', kwargs: {func: !retval first}}\n",
    );
    folder.run(&["run", "first"]).code(0);
    assert_eq!(built_in(folder).retval(), &json!({"option": {"type": 7, "list": null, "record": "AQI="}}));
    let built = built("values_keywords.wat", "function: values_keywords:interface\nargs: [{result: stream}]\n");
    assert_eq!(built.retval(), &json!({"result": "stream"}));
}
