//! The keyboard.

use super::sample;
use crate::harness::browser::Browser;
use crate::harness::served::Served;

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const CONTROL: &str = "\u{e009}";
const TAB: &str = "\u{e004}";

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn each_key_does_what_the_list_of_keys_says_and_none_while_one_types() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/");
    browser.wait("!document.querySelector('[data-help]').hidden");
    browser.press(&["?"]);
    browser.wait("document.querySelector('dialog[open]')");
    assert!(browser.text("dialog").contains("Next, previous row"));
    browser.press(&[ESCAPE]);
    browser.wait("!document.querySelector('dialog')");
    for (key, path) in
        [("b", "/builds"), ("g", "/graph"), ("t", "/timeline"), ("p", "/plugins"), ("r", "/reloads"), ("j", "/")]
    {
        browser.press(&["g"]);
        browser.press(&[key]);
        browser.wait(&format!("location.pathname === '{path}'"));
    }
    browser.press(&["j"]);
    browser.press(&["j"]);
    browser.press(&["k"]);
    assert_eq!(browser.run("return document.querySelectorAll('[data-row]')[0].dataset.cursor"), "");
    browser.press(&[ENTER]);
    browser.wait("location.pathname === '/jobs/bad'");
    browser.open("/");
    // The script has run once it shows what is only of use with it.
    browser.wait("!document.querySelector('[data-help]').hidden");
    browser.press(&["/"]);
    browser.wait("document.activeElement.id === 'q'");
    browser.press(&["t"]);
    browser.press(&["g"]);
    browser.press(&["b"]);
    assert_eq!(
        browser.run(
            "return [document.activeElement.value, location.pathname, document.documentElement.dataset.theme ?? '']"
        ),
        serde_json::json!(["tgb", "/", ""])
    );
    browser.press(&[ESCAPE]);
    browser.press(&["t"]);
    browser.wait("document.documentElement.dataset.theme === 'dark'");
    browser.press(&[CONTROL, "k"]);
    browser.wait("document.querySelectorAll('dialog li').length > 6");
    browser.press(&["s"]);
    browser.press(&["u"]);
    browser.press(&["m"]);
    browser.wait("document.querySelectorAll('dialog li').length === 1");
    browser.press(&[ENTER]);
    browser.wait("location.pathname === '/jobs/sales-summary'");
    browser.press(&[CONTROL, "k"]);
    browser.wait("document.querySelector('dialog input')");
    browser.press(&["3"]);
    browser.press(&[ENTER]);
    browser.wait("location.pathname === '/builds/3'");
    browser.press(&["w"]);
    browser.wait("document.querySelector('.log').classList.contains('is-wrap')");
    browser.is_content();
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn the_focus_goes_as_one_reads_is_seen_and_comes_back_from_dialogs() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    for path in ["/", "/jobs/good", "/builds/6", "/jobs/good/run"] {
        browser.open(path);
        let mut last = (-1.0, -1.0);
        let mut back = 0;
        for nth in 0..30 {
            browser.press(&[TAB]);
            let told = browser.run(
                "const a = document.activeElement, s = getComputedStyle(a), r = a.getBoundingClientRect();
                 return [a === document.body, s.outlineStyle !== 'none' || a.classList.contains('node') || a.classList.contains('skip'), r.top + scrollY, r.left, a.closest('main') !== null, a.outerHTML.slice(0, 120)]",
            );
            if told[0] == true {
                break;
            }
            assert_eq!(told[1], true, "{path}, {nth}: {}", told[5]);
            let now = (told[2].as_f64().unwrap(), told[3].as_f64().unwrap());
            if told[4] == true {
                back += usize::from(now.0 + 60.0 < last.0 && now.1 < last.1 + 60.0);
                last = now;
            }
        }
        assert_eq!(back, 0, "{path}: the focus jumps back");
    }
    browser.open("/");
    browser.run("document.querySelector('[data-row=good] a.id').focus()");
    browser.press(&["?"]);
    browser.wait("document.querySelector('dialog[open]')");
    browser.press(&[ESCAPE]);
    browser.wait("!document.querySelector('dialog') && document.activeElement.textContent.trim() === 'good'");
}
