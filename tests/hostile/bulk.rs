//! Bulk operations, in which the engine does not look at the time: `limits.memory` bounds each, and
//! its end is the build's. How long that takes is measured by the bench `overrun`.

use crate::harness::Folder;

#[test]
fn an_endless_row_of_bulk_operations_ends_as_a_timeout() {
    let folder = Folder::new().guest("limit_bulk.wat").guest("add.wat");
    // As much as `limits` allow by default.
    for (name, size) in
        [("fill", 4_096), ("copy", 4_096), ("init", 4_096), ("fill-table", 100_000), ("copy-table", 100_000)]
    {
        folder.write(
            &format!("jobs/{name}.yaml"),
            format!("id: {name}\ntimeout: 300ms\nfunction: limit_bulk:{name}\nargs: [{size}]\n"),
        );
    }
    folder.write("jobs/good.yaml", "id: good\nfunction: add:add\nargs: [1, 2]\n");
    folder.run(&["run", "fill", "copy", "init", "fill-table", "copy-table", "good", "--quiet"]).code(1).stdout("3\n");
    for build in folder.json(&["builds", "--no-success"]).as_array().expect("builds") {
        assert_eq!(build["exception"]["kind"], "timeout", "{build:#}");
    }
    assert_eq!(folder.json(&["builds"]).as_array().expect("builds").len(), 6);
}
