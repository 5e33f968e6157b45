//! Pages that stay open.

use super::sample;
use super::say;
use crate::harness::Folder;
use crate::harness::browser::Browser;
use crate::harness::served::Served;

/// A job that runs until it is cancelled.
fn spinning() -> Folder {
    Folder::new().guest("loop_endless.wat").file("jobs/spin.yaml", "function: loop_endless:spin\ntimeout: 1h\n")
}

fn spin(served: &Served) {
    served.send("POST", "/api/v1/runs", &[], "{\"targets\": [\"spin\"]}").ok();
    served.get_until("/api/v1/builds/1", |build| build["status"] == "RUNNING");
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn a_job_is_broken_and_mended_and_the_page_follows() {
    let folder = sample();
    let served = Served::start(&folder, &["--on-change"]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/");
    browser.run("window.mine = true");
    let text = std::fs::read_to_string(folder.path("jobs/more.yaml")).unwrap();
    let write = |args: &str| folder.write("jobs/more.yaml", text.replace("args: [1, 0]", args));
    let sign = |word: &str| {
        let sign = "document.querySelector('[data-row=bad] .tick svg')?.getAttribute('aria-label')";
        browser.wait(&format!("{sign} === '{word}'"));
    };
    sign("failed");
    write("args: [8, 4]");
    sign("successful");
    write("args: [8, 0]");
    sign("failing");
    assert!(browser.text("[data-row=bad]").contains("integer divide by zero"));
    write("args: [8, three]");
    browser.wait("document.querySelector('.nav .is-bad').textContent === '1'");
    assert!(browser.text(".note").contains("expected u32"), "{}", browser.text(".note"));
    write("args: [8, 2]");
    sign("successful");
    assert_eq!(browser.run("return window.mine"), true, "it was not loaded again");
    browser.open("/reloads");
    let told = browser.text(".events");
    assert!(told.contains("bad args: [8, 0] -> [8, 2]"), "{told}");
    browser.is_content();
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn a_running_build_is_followed_and_a_reader_who_scrolls_up_is_left_alone() {
    let folder = spinning();
    let served = Served::start(&folder, &[]);
    spin(&served);
    let store = folder.store();
    say(&store, 1, 1, 200);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/builds/1");
    let at_end = "(() => { const l = document.querySelector('.log'); return l.scrollHeight - l.scrollTop - l.clientHeight < 40; })()";
    browser.wait(at_end);
    say(&store, 1, 201, 250);
    browser.wait("document.querySelectorAll('.log li[id]').length === 250");
    browser.wait(at_end);
    browser.run("document.querySelector('.log').scrollTop = 0");
    browser.wait("document.querySelector('[data-follow]').getAttribute('aria-pressed') === 'false'");
    say(&store, 1, 251, 300);
    browser.wait("document.querySelectorAll('.log li[id]').length === 300");
    assert_eq!(browser.run("return document.querySelector('.log').scrollTop"), 0);
    browser.wait("/for [2-9]s|for \\d\\d/.test(document.querySelector('.sub').textContent) || document.querySelector('.sub').textContent.includes('for')");
    // Cancelled from the page, it says so by itself.
    browser.click(".actions .is-danger");
    browser.wait("document.querySelector('h1 svg').getAttribute('aria-label') === 'failed'");
    assert!(browser.text(".failure").contains("cancelled"), "{}", browser.text(".failure"));
    browser.is_content();
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn a_service_that_is_killed_and_started_again_costs_an_open_page_nothing() {
    let folder = Folder::new().guest("divide.wat").file("jobs/good.yaml", "function: divide:divide\nargs: [6, 3]\n");
    folder.run(&["run", "good"]).code(0);
    let served = Served::start(&folder, &[]);
    let address = served.address.clone();
    let store = folder.store();
    say(&store, 1, 1, 5);
    let browser = Browser::start(&address);
    browser.look(1440, 900, false);
    browser.open("/");
    browser.wait("document.querySelector('[data-live-state]').textContent === 'Live'");
    drop(served);
    browser.wait("document.querySelector('[data-live-state]').classList.contains('is-lost')");
    assert_eq!(browser.text("[data-announce]"), "Live updates are interrupted");
    folder.write("jobs/other.yaml", "function: divide:divide\nargs: [1, 1]\n");
    let _served = Served::on(&folder, &address, &[]);
    browser.wait("!document.querySelector('[data-live-state]').classList.contains('is-lost')");
    browser.wait("document.querySelector('[data-row=other]')");
    assert_eq!(browser.count("[data-row=good]"), 1, "nothing twice");
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn what_somebody_uses_is_not_taken_from_them() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/jobs/good");
    browser.run("const a = document.querySelector('[data-live=\"job:body\"] a'); a.focus(); window.kept = a");
    folder.run(&["run", "good"]).code(0);
    served.get_until("/api/v1/jobs/good", |job| job["latest_build"]["id"] == 7);
    browser.wait("document.querySelector('[data-announce]').textContent.includes('good')");
    assert_eq!(browser.run("return document.activeElement === window.kept && window.kept.isConnected"), true);
    browser.run("window.kept.blur()");
    browser.wait("document.querySelector('[data-row=\"7\"]')");
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn eight_tabs_are_open_and_all_answer_and_a_hidden_one_gives_its_stream_back() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/");
    // A browser grants a host six connections: tabs that nobody sees give theirs back.
    let opened = browser.run_async(
        "const all = window.tabs = [];
         for (let n = 0; n < 7; n += 1) all.push(window.open('/builds'));
         const look = () => all.every((w) => w && w.document.readyState === 'complete' && w.document.querySelector('h1')) ? done(true) : setTimeout(look, 50);
         look();",
    );
    assert_eq!(opened, true);
    // The others are hidden; after a while they give their streams back.
    browser.run(
        "         window.hide = (w, on) => { Object.defineProperty(w.document, 'hidden', { value: on, configurable: true }); w.document.dispatchEvent(new w.Event('visibilitychange')); };
         for (const w of window.tabs) {
           const close = w.EventSource.prototype.close;
           w.EventSource.prototype.close = function () { w.given = true; close.call(this); };
           window.hide(w, true);
         }",
    );
    browser.wait("window.tabs.every((w) => w.given)");
    folder.run(&["run", "good"]).code(0);
    browser
        .wait("document.querySelector('[data-row=good] [data-live^=\"last\"] a').getAttribute('href') === '/builds/7'");
    // Who comes back to one of them sees what has happened.
    browser.run("window.hide(window.tabs[0], false)");
    browser.wait("window.tabs[0].document.querySelector('[data-row=\"7\"]')");
}
