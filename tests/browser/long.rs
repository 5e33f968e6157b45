//! A log of a million records.

use super::say;
use crate::harness::Folder;
use crate::harness::browser::Browser;
use crate::harness::served::Served;

const ALL: u64 = 1_000_000;

/// Whether a record is within the view of the log.
fn in_view(number: u64) -> String {
    format!(
        "(() => {{ const a = document.querySelector('#L{number}')?.getBoundingClientRect(), l = document.querySelector('.log').getBoundingClientRect();
            return a && a.bottom > l.top && a.top < l.bottom; }})()"
    )
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn any_part_of_a_million_records_is_there_at_once() {
    let folder = Folder::new().guest("add.wat").file("jobs/one.yaml", "function: add:add\nargs: [1, 2]\n");
    folder.run(&["run", "one"]).code(0);
    say(&folder.store(), 1, 1, ALL);
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/builds/1");
    assert!(browser.text("#log").contains("1,000,000 records"));
    browser.click("[data-follow]");
    browser.wait(&in_view(ALL));
    browser.run("location.hash = '#L456789'");
    browser.wait(&in_view(456_789));
    assert!(browser.text("#L456789").contains("record 456789"));
    for wrap in [false, true] {
        if wrap {
            browser.click("[data-wrap]");
            browser.wait("document.querySelector('.log').classList.contains('is-wrap')");
        }
        // What is in the middle of the view is a record, wherever somebody jumps to.
        for jump in 0..100_u64 {
            let place = jump * 7_919 * 131 % 7_900_000;
            browser.run(&format!("document.querySelector('.log').scrollTop = {place}"));
            browser.wait(
                "(() => { const l = document.querySelector('.log').getBoundingClientRect();
                   const y = Math.min(l.bottom, innerHeight) - 60;
                   return document.elementFromPoint(l.left + 300, y)?.closest('.log li'); })()",
            );
        }
    }
    assert!(browser.count(".log li") < 3_000, "only what is near is in the page");
    let used = browser.command("Performance.enable", &serde_json::json!({}));
    assert!(used.is_object());
    let metrics = browser.command("Performance.getMetrics", &serde_json::json!({}));
    let heap = metrics["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "JSHeapUsedSize");
    let heap = heap.and_then(|metric| metric["value"].as_f64()).unwrap();
    assert!(heap < 100e6, "{heap} bytes");
    // All of them are searched, and all hits are counted.
    browser.open("/builds/1?q=RECORD+99999");
    assert!(browser.text("#log").contains("11 of 1,000,000 records"), "{}", browser.text("#log"));
    assert_eq!(browser.count(".log li[id]"), 11);
    browser.open("/builds/1?level=warning");
    assert!(browser.text("#log").contains("1,003 of 1,000,000 records"), "{}", browser.text("#log .muted"));
    browser.press(&["e"]);
    browser.wait("location.hash === '#L997'");
    browser.is_content();
}
