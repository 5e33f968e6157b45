//! A text of a few kilobytes whose compiled code would be gigabytes, since each of its modules has
//! a byte at either end of 16 MiB: the cache does not keep what is above 512 MiB.

use crate::harness::Folder;

#[test]
fn modules_whose_data_is_mostly_nothing() {
    let module = "(core module (memory 256) (data (i32.const 0) \"x\") (data (i32.const 16500000) \"y\"))";
    let plugin = format!(
        "(component {} (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
           (func (export \"f\") (canon lift (core func $i \"f\"))))",
        module.repeat(34)
    );
    let folder = Folder::beside_good()
        .file("jobs/evil.wat", plugin)
        .file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n")
        .file("jobcontrol.yaml", "compile: { memory: 4 GiB }\n");
    // The flag counts before the variable, by which all tests share a cache.
    let outcome = folder.bounded(&["run", "evil", "good", "--cache", "cache", "--format", "json"]).end();
    outcome.good();
    let refused = "`jobs/evil.wat` cannot be compiled: its compiled code is larger than 512 MiB";
    assert!(outcome.stderr.contains(refused), "{outcome:#?}");
    let kept = std::fs::read_dir(folder.path("cache")).expect("a cache").flatten();
    let largest = kept.map(|file| file.metadata().expect("a file").len()).max();
    assert!(largest < Some(16 << 20), "{largest:?}");
}
