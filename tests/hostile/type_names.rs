//! Types whose names cost far more than their bytes: what is computed from a plugin is linear in
//! its bytes, in this process and in the one that reads it.

use crate::harness::Folder;

/// A component whose `f` returns a value of type `$all`, and `more` functions beside it.
fn component(types: &str, more: &str) -> String {
    format!(
        "(component {types}
           (core module $m (memory (export \"memory\") 1) (func (export \"f\") (result i32) unreachable))
           (core instance $i (instantiate $m))
           (alias core export $i \"memory\" (core memory $memory))
           (func (export \"f\") (result $all) (canon lift (core func $i \"f\") (memory $memory))) {more})"
    )
}

fn folder(component: String) -> Folder {
    Folder::beside_good().file("jobs/evil.wat", component).file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n")
}

/// Asks for everything that is said of a plugin.
fn looked_at(folder: &Folder) {
    for arguments in [&["inspect", "evil"][..], &["inspect", "evil", "--format", "json"], &["schema"]] {
        folder.bounded(arguments).end();
    }
}

/// A field of 90,000 letters, in a record that is named 20,000 times.
fn long_field() -> String {
    let field = "x".repeat(90_000);
    let types = format!(
        "(import \"a:b/t\" (instance $t (type $r (record (field \"{field}\" u8))) (export \"r\" (type (eq $r)))))
         (alias export $t \"r\" (type $r))
         (type $half (tuple {uses})) (type $all (tuple $half $half))",
        uses = "$r ".repeat(10_000)
    );
    let also = |name: &str| {
        format!("(func (export \"{name}\") (result $all) (canon lift (core func $i \"f\") (memory $memory)))")
    };
    component(&types, &["g", "h", "k"].map(also).concat())
}

#[test]
fn a_long_field_that_is_used_often_by_several_functions() {
    let folder = folder(long_field());
    folder.refused(&["`f` cannot be a job's function", "a type takes more than 4 MiB when written out"]);
    looked_at(&folder);
}

#[test]
fn records_of_the_same_names_out_of_many_interfaces() {
    let (mut types, mut uses) = (String::new(), String::new());
    for interface in 0..900 {
        types += &format!("(import \"a:b/i{interface}\" (instance $i{interface}");
        for record in 0..10 {
            types += &format!(
                "(type $t{record} (record (field \"m{record}\" u8))) (export \"r{record}\" (type (eq $t{record})))"
            );
        }
        types += "))";
        for record in 0..10 {
            types += &format!("(alias export $i{interface} \"r{record}\" (type $i{interface}r{record}))");
            uses += &format!(" $i{interface}r{record}");
        }
    }
    let folder = folder(component(&format!("{types} (type $all (tuple {uses}))"), ""));
    folder.bounded(&["check"]).end().answer().code(0);
    folder.attacked(&["evil"]).failed("evil", "trap");
    looked_at(&folder);
}
