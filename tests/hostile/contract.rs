//! Plugins that import the contract as it is not: `check` refuses them, and nothing is begun that
//! cannot be linked.

use crate::harness::Folder;

/// A plugin that imports an interface with these types and functions.
fn refused(interface: &str, content: &str, reason: &str) {
    let plugin = format!(
        "(component
           (import \"jobcontrol:plugin/{interface}@0.1.0\" (instance {content}))
           (core module $m (func (export \"f\")))
           (core instance $i (instantiate $m))
           (func (export \"f\") (canon lift (core func $i \"f\"))))"
    );
    let folder =
        Folder::beside_good().file("jobs/evil.wat", plugin).file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n");
    folder.refused(&["`jobs/evil.wat` imports `", reason]);
    let run = folder.bounded(&["run", "evil"]).end().answer().code(3);
    assert!(run.stdout.contains(reason) || run.stderr.contains(reason), "{run:#?}");
    assert_eq!(folder.json(&["builds", "evil"]).as_array().map(Vec::len), Some(0), "nothing was begun");
}

#[test]
fn a_function_of_another_type() {
    let other = "`jobcontrol:plugin/log@0.1.0` with a different type than the host offers";
    refused("log", "(export \"write\" (func (param \"entry\" string)))", other);
    refused("log", "(export \"write\" (func))", other);
    let other = "`jobcontrol:plugin/progress@0.1.0` with a different type than the host offers";
    let report = |group: &str, line: &str| {
        format!(
            "(export \"report\" (func (param \"group\" {group}) (param \"current\" u64) (param \"total\" u64) \
             (param \"status-line\" {line})))"
        )
    };
    refused("progress", &report("(list string)", "(list u8)"), other);
    refused("progress", &report("string", "string"), other);
    refused(
        "build",
        "(export \"skip\" (func (param \"reason\" string) (result bool)))",
        "with a different type than the host offers",
    );
}

#[test]
fn a_function_that_does_not_exist() {
    let none = "`erase` of `jobcontrol:plugin/log@0.1.0`, which has no such function";
    refused("log", "(export \"erase\" (func (param \"build\" u64)))", none);
}

#[test]
fn an_interface_that_does_not_exist() {
    refused("store", "(export \"write\" (func (param \"build\" u64)))", "`jobcontrol:plugin/store@0.1.0`");
}
