//! The run form.

use serde_json::Value;
use serde_json::json;

use super::sample;
use crate::harness::browser::Browser;
use crate::harness::served::Served;

const BUTTON: &str = ".submit button.is-main";

fn started() -> (crate::harness::Folder, Served) {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    (folder, served)
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn a_value_of_every_type_is_filled_in_and_comes_back() {
    let (_folder, served) = started();
    let browser = Browser::start(&served.address);
    browser.look(1440, 1200, false);
    browser.open("/jobs/types/run");
    let some = |name: &str| browser.click(&format!("[name=\"a.{name}.some\"]"));
    for name in [
        "a-bool",
        "a-byte",
        "a-signed",
        "a-float",
        "a-char",
        "a-string",
        "a-pair",
        "a-point",
        "a-colour",
        "a-shape",
        "an-access",
        "an-outcome",
    ] {
        some(name);
    }
    browser.click("[name=\"a.a-bool.v\"]");
    browser.fill("[name=\"a.a-byte.v\"]", "255");
    browser.fill("[name=\"a.a-signed.v\"]", "-9223372036854775808");
    browser.fill("[name=\"a.a-float.v\"]", "0.1");
    browser.fill("[name=\"a.a-char.v\"]", "é");
    browser.fill("[name=\"a.a-string.v\"]", "<b>\" text");
    browser.fill("[name=\"a.a-pair.v.0\"]", "1");
    browser.fill("[name=\"a.a-pair.v.1\"]", "two");
    browser.fill("[name=\"a.a-point.v.x\"]", "-3");
    browser.click("[name=\"a.a-point.v.y-axis.some\"]");
    browser.fill("[name=\"a.a-point.v.y-axis.v\"]", "1.5");
    browser.click("[name=\"a.a-colour.v\"][value=\"dark-green\"]");
    browser.click("[name=\"a.a-shape.v.case\"][value=\"circle\"]");
    browser.fill("[name=\"a.a-shape.v.circle\"]", "2.5");
    browser.click("[name=\"a.an-access.v\"][value=\"write\"]");
    browser.click("[name=\"a.an-outcome.v.case\"][value=\"err\"]");
    browser.fill("[name=\"a.an-outcome.v.err\"]", "no");
    browser.click(BUTTON);
    browser.wait("location.pathname === '/builds/7'");
    // The function only traps: what it was called with is what matters.
    let build = served.get_until("/api/v1/builds/7", |build| build["status"] == "FAILED");
    let expected = json!({
        "a-bool": true, "a-byte": 255, "a-signed": "-9223372036854775808", "a-float": 0.1, "a-char": "é",
        "a-string": "<b>\" text", "a-pair": [1, "two"], "a-point": { "x": -3, "y-axis": 1.5 },
        "a-colour": "dark-green", "a-shape": { "circle": 2.5 }, "an-access": ["write"], "an-outcome": { "err": "no" },
    });
    assert_eq!(build["config"]["overrides"], expected);
    // Filled in from that build, it says the same again.
    browser.open("/jobs/types/run?from=7");
    browser.click(BUTTON);
    browser.wait("location.pathname === '/builds/8'");
    let again = served.get_until("/api/v1/builds/8", |build| build["status"] == "FAILED");
    assert_eq!(again["config"]["overrides"], build["config"]["overrides"]);
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn a_mistake_is_told_at_its_field_and_nothing_that_was_typed_is_lost() {
    let (_folder, served) = started();
    let browser = Browser::start(&served.address);
    browser.look(1440, 1200, false);
    browser.open("/jobs/types/run");
    browser.click("[name=\"a.a-byte.some\"]");
    browser.fill("[name=\"a.a-byte.v\"]", "256");
    browser.click("[name=\"a.a-list.some\"]");
    browser.click("button[name=add][value=\"a.a-list.v\"]");
    browser.wait("document.querySelector('[name=\"a.a-list.v.0\"]')");
    browser.fill("[name=\"a.a-list.v.0\"]", "many");
    browser.click(BUTTON);
    browser.wait("document.querySelectorAll('[aria-invalid]').length === 2");
    assert_eq!(browser.run("return document.querySelector('[name=\"a.a-byte.v\"]').value"), "256");
    assert_eq!(
        browser.run("return document.querySelector('[name=\"a.a-list.v.0\"]').getAttribute('aria-invalid')"),
        "true"
    );
    let told = browser.text("[data-wrong]");
    assert!(told.contains("a-byte") && told.contains("a-list[0]"), "{told}");
    browser.click("[data-wrong] a");
    assert!(browser.path().ends_with("#arg-a-byte"), "{}", browser.path());
    assert_eq!(served.get("/api/v1/builds")["builds"].as_array().map(Vec::len), Some(6), "nothing was run");
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn a_draft_is_there_again_and_a_build_of_another_type_is_not_offered() {
    let (folder, served) = started();
    let browser = Browser::start(&served.address);
    browser.look(1440, 1200, false);
    browser.open("/jobs/good/run");
    browser.fill("[name=\"a.a\"]", "77");
    browser.open("/builds");
    browser.open("/jobs/good/run");
    browser.wait("document.querySelector('[data-drafted]')");
    assert_eq!(browser.run("return document.querySelector('[name=\"a.a\"]').value"), "77");
    browser.click("[data-drafted] button");
    browser.wait("!document.querySelector('[data-drafted]') && document.querySelector('[name=\"a.a\"]').value === '6'");
    // A build whose type is another.
    let text = std::fs::read_to_string(folder.path("jobs/more.yaml")).unwrap();
    let other = text.replace("kwargs: { a: !retval good, b: 1 }", "kwargs: { a: !retval other, b: 1 }");
    folder.write("jobs/more.yaml", format!("{other}  - {{ id: other, function: add:add, args: [1, 2] }}\n"));
    folder.write("jobs/add.wat", std::fs::read(crate::harness::root().join("tests/guests/add.wat")).unwrap());
    folder.run(&["run", "other"]).code(0);
    served.get_until("/api/v1/jobs/next", |job| job["dependencies"] == json!(["other"]));
    browser.open("/jobs/next/run");
    let offered = browser.run(
        "return [...document.querySelectorAll('select[name^=\"pin.\"] option')].map((o) => [o.value, o.disabled])",
    );
    assert_eq!(offered.as_array().map(Vec::len), Some(2), "{offered}");
    assert_eq!(offered[0], json!(["", false]));
    let _: &Value = &offered;
}
