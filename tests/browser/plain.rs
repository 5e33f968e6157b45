//! Pages without scripts.

use super::sample;
use crate::harness::browser::Browser;
use crate::harness::served::Served;

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn without_scripts_one_can_find_run_and_understand_a_job() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.scripts(false);
    browser.open("/");
    browser.click(".nav a[href=\"/builds\"]");
    browser.wait("location.pathname === '/builds'");
    browser.click(".seg a.is-failed");
    browser.wait("document.querySelectorAll('tbody tr').length === 1");
    browser.click("tbody tr a.id");
    browser.wait("document.querySelector('.failure').innerText.includes('integer divide by zero')");
    browser.click(".split form button");
    browser.wait("location.pathname.startsWith('/builds/')");
    served.get_until("/api/v1/builds/7", |build| build["status"] == "FAILED");
    browser.open("/jobs/types/run");
    assert_eq!(browser.count("[name=\"a.a-list.v.0\"]"), 0);
    browser.click("[name=\"a.a-list.some\"]");
    // What is ticked opens by style alone.
    browser.click("button[name=add][value=\"a.a-list.v\"]");
    browser.wait("document.querySelector('[name=\"a.a-list.v.0\"]')");
    browser.click("button[name=add][value=\"a.a-list.v\"]");
    browser.wait("document.querySelector('[name=\"a.a-list.v.1\"]')");
    browser.fill("[name=\"a.a-list.v.0\"]", "7");
    browser.fill("[name=\"a.a-list.v.1\"]", "9");
    browser.click("button[name=drop][value=\"a.a-list.v.0\"]");
    browser.wait("!document.querySelector('[name=\"a.a-list.v.1\"]')");
    assert_eq!(browser.run("return document.querySelector('[name=\"a.a-list.v.0\"]').value"), "9");
    browser.open("/jobs/good");
    browser.click(".actions form button");
    browser.wait("location.pathname.startsWith('/builds/')");
    browser.open("/");
    browser.fill("#q", "summ");
    browser.click("#q");
    browser.press(&["\u{e007}"]);
    browser.wait("location.search.includes('q=summ') && document.querySelectorAll('[data-row]').length === 1");
    browser.click("[data-theme-form] button");
    browser.wait("document.documentElement.dataset.theme === 'dark'");
    assert_eq!(browser.path().split('?').next(), Some("/"), "it leads back");
}
