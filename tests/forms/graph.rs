//! Jobs of several forms that pass values on to each other.

use serde_json::json;

use crate::harness::Folder;
use crate::harness::watching::Watching;
use crate::scripts::build;

const TYPESCRIPT: &str = "interface Order { id: string; cents: s64; notes: string[] }
export function typed(order: Order): Order { return { ...order, notes: [...order.notes, 'ts'] } }";

const JAVASCRIPT: &str = "/**
 * @typedef {Object} Order
 * @property {string} id
 * @property {s64} cents
 * @property {string[]} notes
 */
/**
 * @param {Order} order
 * @returns {Order}
 */
export function plain(order) { return { ...order, cents: order.cents + 1n, notes: [...order.notes, 'js'] } }";

const PYTHON: &str = "from dataclasses import dataclass, replace

@dataclass
class Order:
    id: str
    cents: int
    notes: list[str]

def made() -> Order:
    return Order('a', 2**60, ['py'])

def total(order: Order) -> Order:
    return replace(order, notes=order.notes + ['py again'])
";

const JOBS: &str = "jobs:
  - { id: made, function: o.py:made }
  - { id: typed, function: o.ts:typed, args: [!retval made] }
  - { id: noted, function: rust-form:noted, args: [!retval typed], grants: { http: [] } }
  - { id: plain, function: o.js:plain, args: [!retval noted] }
  - { id: total, function: o.py:total, args: [!retval plain] }
";

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn a_graph_of_four_languages_passes_one_record_on_and_is_edited_meanwhile() {
    let folder = Folder::new()
        .guest("rust-form.wasm")
        .file("jobs/o.ts", TYPESCRIPT)
        .file("jobs/o.js", JAVASCRIPT)
        .file("jobs/o.py", PYTHON)
        .file("jobs/o.yaml", JOBS);
    let installed = std::env::var_os("JOBCONTROL_PYTHON").expect("the folder of the interpreter");
    let start = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.env("JOBCONTROL_RUNTIMES", &installed).spawn().expect("the program starts")
    };
    let watching = Watching::of(start(&["run", "--deps", "--watch", "total"]));
    watching.until("py again");
    let total = build(&folder, "total");
    let notes = json!(["py", "ts", "rust", "js", "py again"]);
    assert_eq!(total["retval"], json!({ "id": "a", "cents": "1152921504606846977", "notes": notes }), "{total:#}");

    // An edit of the one in the middle builds what comes after it, too.
    folder.write("jobs/o.ts", TYPESCRIPT.replace("'ts'", "'edited'"));
    watching.until("py again");
    let notes = json!(["py", "edited", "rust", "js", "py again"]);
    assert_eq!(build(&folder, "total")["retval"]["notes"], notes);

    // A mistake is told before anything runs.
    folder.write("jobs/o.js", JAVASCRIPT.replace("@property {s64} cents", "@property {string} cents"));
    watching.until("error[JC0413]");
    folder.write("jobs/o.js", JAVASCRIPT.replace("'js'", "'mended'"));
    watching.until("py again");
    assert_eq!(build(&folder, "total")["retval"]["notes"][3], "mended");
    assert_eq!(watching.interrupt(), Some(130));
}
