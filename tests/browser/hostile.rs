//! Texts and requests that mean no good, and the two odd nights of the year.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::value::Value;

use super::sample;
use crate::harness::Folder;
use crate::harness::browser::Browser;
use crate::harness::peer::Peer;
use crate::harness::served::Served;

/// Texts that break out of a page that lets them.
const TEXTS: [&str; 9] = [
    "<script>window.hacked = 1</script>",
    "\"><img src=x onerror=\"window.hacked = 2\">",
    "'><svg onload=window.hacked=3>",
    "</textarea></title></style></script><script>window.hacked = 4</script>",
    "javascript:window.hacked=5",
    "{{7*7}} ${window.hacked=6} `x`",
    "\u{202e}desrever\u{202c} \u{2066}isolated\u{2069} a\u{200b}b\u{feff}",
    "\u{1b}[31m red \u{7}\u{0} \r\n\nevent: patch\ndata: {\"at\":\"build:head\",\"how\":\"html\",\"html\":\"hacked\"}\n\n",
    "]]>--><!-- &lt;b&gt;",
];

/// A build that failed, and one that returned something, all of whose texts are hostile; returns
/// the first.
fn hostile_builds(folder: &Folder) -> u64 {
    let everything = TEXTS.join(" ");
    let store = folder.store();
    let value = Value::map([
        (everything.as_str(), Value::List(TEXTS.iter().map(|text| Value::string(*text)).collect())),
        ("long", Value::string("x".repeat(1_000_000))),
    ]);
    let id = store.create_build("j1", &Value::Map(Vec::new())).unwrap();
    store.start_build(id).unwrap();
    for text in TEXTS {
        let record = NewRecord::new(Timestamp(1), Level::Error, text, text);
        store.log_message(id, NewRecord { fields: vec![(text.to_owned(), text.to_owned())], ..record }).unwrap();
        store
            .report_build_progress(id, &[&text[..text.len().min(20)].replace(['\u{202e}', ':'], "")], 1, 2, text)
            .unwrap();
    }
    store.log_message(id, NewRecord::new(Timestamp(1), Level::Info, "t", "y".repeat(1_000_000))).unwrap();
    let frame = Frame {
        file: everything.clone(),
        line: 2,
        function: everything.clone(),
        context: vec![everything.clone(); 3],
        context_start: 1,
        locals: vec![(everything.clone(), everything.clone())],
        ..Frame::default()
    };
    let failure = Failure {
        value: Some(value.clone()),
        frames: vec![frame],
        ..Failure::new(FailureKind::Plugin(everything.clone()), everything.clone())
    };
    store.finish_build_with_exception(id, failure).unwrap();
    let good = store.create_build("j2", &Value::Map(Vec::new())).unwrap();
    store.start_build(good).unwrap();
    store.finish_build(good, Finish { retval: Some(value), ..Finish::default() }).unwrap();
    id
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn no_text_of_a_plugin_a_manifest_or_a_log_is_more_than_text() {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut jobs = "jobs:\n".to_owned();
    for (at, text) in TEXTS.iter().enumerate() {
        jobs.push_str(&format!(
            "  - {{ id: j{at}, function: divide:divide, args: [6, {at}], title: {0}, notes: {0}, tags: [{0}] }}\n",
            quoted(&text.replace('\u{0}', ""))
        ));
    }
    let folder = Folder::new().guest("divide.wat").file("jobs/all.yaml", jobs);
    folder.run(&["run", "j1"]);
    let id = hostile_builds(&folder);
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    let build = format!("/builds/{id}");
    let pages = [
        "/",
        "/jobs/j0",
        "/jobs/j3",
        "/jobs/j1/run",
        "/jobs/j2/manifest",
        "/builds",
        &build,
        "/builds/3?as=text",
        "/builds/3",
        "/graph?by=tag",
        "/timeline",
        "/plugins",
        "/reloads",
        "/runs/1",
        "/%3Cscript%3Ewindow.hacked=7%3C/script%3E",
        "/jobs/%22%3E%3Csvg%20onload=window.hacked=8%3E",
        "/?q=%22%3E%3Cscript%3Ewindow.hacked=9%3C/script%3E",
    ];
    for page in pages {
        for width in [320, 1440] {
            browser.look(width, 900, false);
            browser.open(page);
            browser.run("return document.body.innerHTML.length");
            assert_eq!(browser.run("return [window.hacked ?? null, document.querySelectorAll('script').length, document.querySelectorAll('img, iframe, object, [onload], [onerror]').length]"), serde_json::json!([null, 1, 0]), "{page}");
            let sideways = browser.sideways();
            assert!(sideways.is_empty(), "{page} at {width}: {}", sideways.join("\n"));
            let hidden =
                browser.run("return /[\\u202a-\\u202e\\u2066-\\u2069\\u0007\\u001b]/.test(document.body.textContent)");
            assert_eq!(hidden, false, "{page}: characters that hide what is said");
        }
    }
    let complaints = browser.complaints();
    let other: Vec<&String> = complaints.iter().filter(|text| !text.contains("404")).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn another_site_can_neither_use_a_page_nor_send_its_forms() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    // A page of another origin, which has no policy of its own: another port is another site's
    // origin to us.
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\n<p>x</p>";
    let other = Peer::http(move |_| page.to_owned());
    let elsewhere = Browser::start(&format!("127.0.0.1:{}", other.port));
    elsewhere.open("/");
    let target = format!("http://{}/jobs/good/run", served.address);
    let sent = elsewhere.run_async(&format!(
        "fetch('{target}', {{ method: 'POST', mode: 'no-cors', body: new URLSearchParams({{ deps: 'on' }}) }}).then(() => done('sent'), (e) => done(String(e)));"
    ));
    assert!(sent.is_string());
    elsewhere.run(&format!(
        "const f = document.createElement('form'); f.method = 'post'; f.action = '{target}'; document.body.append(f); setTimeout(() => f.submit(), 0)"
    ));
    elsewhere.wait_across(&format!("location.href === '{target}' && document.readyState === 'complete'"));
    assert_eq!(served.get("/api/v1/builds")["builds"].as_array().map(Vec::len), Some(6), "nothing was run");
    elsewhere.open("/");
    let framed = elsewhere.run_async(&format!(
        "const i = document.createElement('iframe'); i.src = 'http://{}/'; i.onload = () => done(true); i.onerror = () => done(true); document.body.append(i);",
        served.address
    ));
    assert_eq!(framed, true);
    let said = elsewhere.complaints();
    assert!(said.iter().any(|text| text.contains("frame-ancestors") || text.contains("default-src")), "{said:?}");
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn times_are_the_readers_own_and_the_odd_nights_have_their_hours() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    // Chromium tells a page its zone only if it has shown one of that site before.
    browser.open("/");
    browser.command("Emulation.setTimezoneOverride", &serde_json::json!({ "timezoneId": "Europe/Rome" }));
    browser.look(1440, 900, false);
    // The first page learns where the reader is.
    browser.open("/");
    browser.wait("document.cookie.includes('zone=Europe/Rome')");
    browser.open("/schedules");
    assert!(browser.text(".sub").contains("Europe/Rome"), "{}", browser.text(".sub"));
    browser.open("/builds/1");
    let shown = browser.run("return document.querySelector('.head time').title");
    assert!(shown.as_str().unwrap().ends_with(" Europe/Rome"), "{shown}");
    let marks = |to: &str| {
        browser.open(&format!("/timeline?h=6&to={to}"));
        let marks = browser.run("return [...document.querySelectorAll('.gantt .hour')].map((t) => t.textContent)");
        marks.as_array().unwrap().iter().map(|mark| mark.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let spring = marks("2026-03-29T04:00:00Z");
    assert!(!spring.contains(&"02:00".to_owned()) && spring.contains(&"03:00".to_owned()), "{spring:?}");
    let autumn = marks("2026-10-25T04:00:00Z");
    assert_eq!(autumn.iter().filter(|mark| *mark == "02:00").count(), 2, "{autumn:?}");
}
