//! A service prunes the store by itself.

use jobcontrol_core::clock::Clock;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::retention::DAY;
use rusqlite::Connection;
use serde_json::json;

use super::serve;
use crate::harness::Folder;

#[test]
fn a_service_prunes_what_is_due_when_it_was_down_at_that_time() {
    let made = "{ id: made, function: hooks:same, args: [7], cleanup_function: hooks:clean }";
    let folder = Folder::new().guest("hooks.wat").guest("add.wat").file("jobs/made.yaml", made);
    folder.write("jobs/sum.yaml", "function: add:add\nargs: [1, 2]\n");
    folder.write("jobcontrol.yaml", "retention: { builds: { keep: 1 } }\n");
    for job in ["made", "sum", "made", "sum", "made", "sum"] {
        folder.run(&["run", job]).code(0);
    }
    // A first service takes note of the time. What is there stays until the night.
    let first = serve(&folder);
    first.record("the store is pruned next");
    first.stop();
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let noted = || db.query_row("SELECT last FROM schedule", [], |row| row.get::<_, i64>(0)).unwrap();
    let last = noted();
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(6));
    let ago = SystemClock.now().minus_seconds(2 * DAY).0;
    db.execute("UPDATE schedule SET last = ?1", [ago]).unwrap();
    let second = serve(&folder);
    let pruned = second.record("the store was pruned");
    assert_eq!((&pruned["builds"], &pruned["log_records"]), (&json!(4), &json!(0)), "{pruned}");
    second.stop();
    assert!(noted() > last);
    let left = folder.json(&["builds"]);
    assert_eq!(left.as_array().unwrap().iter().map(|build| build["id"].clone()).collect::<Vec<_>>(), [5, 6]);
}
