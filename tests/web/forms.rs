//! What the forms of pages do, as a browser without scripts sends them.

use crate::harness::Folder;
use crate::harness::served::Got;
use crate::harness::served::Served;

use super::admission::token;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

const JOBS: &str = "jobs:
  - { id: good, function: divide:divide, args: [6, 3] }
  - { id: bad, function: divide:divide, args: [1, 0] }
  - { id: next, function: divide:divide, kwargs: { a: !retval good, b: 1 }, protected: true }
";

fn folder() -> Folder {
    Folder::new().guest("divide.wat").file("jobs/all.yaml", JOBS)
}

/// What every form of a page sends back.
fn csrf(served: &Served, path: &str, lines: &[&str]) -> String {
    let got = served.send("GET", path, &[&[BROWSER], lines].concat(), "");
    let text = String::from_utf8(got.body).unwrap();
    let at = text.find("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form in {path}: {text}"));
    text[at + 19..].split('"').next().unwrap().to_owned()
}

fn post(served: &Served, path: &str, fields: &str) -> Got {
    let csrf = csrf(served, "/", &[]);
    served.send("POST", path, &[BROWSER, FORM], &format!("csrf={csrf}&{fields}"))
}

/// Where an answer leads.
fn location(got: &Got) -> String {
    assert_eq!(got.status, 303, "{} {}", got.head, String::from_utf8_lossy(&got.body));
    let line = got.head.lines().find_map(|line| line.strip_prefix("location: "));
    line.unwrap_or_else(|| panic!("{}", got.head)).to_owned()
}

fn text(got: &Got) -> String {
    String::from_utf8_lossy(&got.body).into_owned()
}

#[test]
fn a_job_is_run_and_its_build_is_done_again_cancelled_and_deleted_by_forms() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    assert_eq!(location(&post(&served, "/jobs/good/run", "deps=on")), "/builds/1");
    served.get_until("/api/v1/builds/1", |build| build["status"] == "SUCCESSFUL");
    assert_eq!(location(&post(&served, "/builds/1/rerun", "how=same")), "/builds/2");
    assert_eq!(location(&post(&served, "/builds/1/rerun", "how=latest")), "/builds/3");
    served.get_until("/api/v1/builds/3", |build| build["status"] == "SUCCESSFUL");
    assert_eq!(post(&served, "/builds/1/rerun", "how=nonsense").status, 400);
    let late = post(&served, "/builds/1/cancel", "");
    assert!(late.status == 409 && text(&late).contains("build 1 has already ended"), "{}", text(&late));
    assert_eq!(location(&post(&served, "/builds/2/delete", "")), "/builds?job=good");
    served.send("GET", "/api/v1/builds/2", &[], "").refused(404);
    assert_eq!(location(&post(&served, "/reloads", "")), "/reloads");
    assert_eq!(post(&served, "/builds/99/rerun", "").status, 404);
}

#[test]
fn a_protected_job_runs_only_if_the_form_names_it() {
    let folder = folder();
    folder.run(&["run", "good"]).code(0);
    let served = Served::start(&folder, &[]);
    let refused = post(&served, "/jobs/next/run", "deps=on");
    assert!(refused.status == 409 && text(&refused).contains("`next` is protected"), "{}", text(&refused));
    assert_eq!(post(&served, "/jobs/next/run", "deps=on&armed=good").status, 409);
    assert_eq!(location(&post(&served, "/jobs/next/run", "armed=next")), "/builds/2");
    served.get_until("/api/v1/builds/2", |build| build["status"] == "SUCCESSFUL");
    assert_eq!(post(&served, "/builds/2/rerun", "how=same").status, 409);
    assert_eq!(location(&post(&served, "/builds/2/rerun", "how=same&armed=next")), "/builds/3");
}

#[test]
fn a_form_that_no_page_of_ours_made_is_refused() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let send =
        |lines: &[&str], body: &str| served.send("POST", "/jobs/good/run", &[&[BROWSER, FORM], lines].concat(), body);
    assert_eq!(send(&[], "deps=on").status, 403);
    assert_eq!(send(&[], "csrf=wrong").status, 403);
    let csrf = csrf(&served, "/", &[]);
    assert_eq!(send(&["Origin: http://evil.example"], &format!("csrf={csrf}")).status, 403);
    assert_eq!(send(&["Sec-Fetch-Site: cross-site"], &format!("csrf={csrf}")).status, 403);
    assert_eq!(send(&["Host: evil.example"], &format!("csrf={csrf}")).status, 421);
    assert_eq!(served.send("POST", "/jobs/good/run", &[BROWSER], "{}").status, 415);
    let builds = served.get("/api/v1/builds");
    assert_eq!(builds["builds"].as_array().unwrap().len(), 0, "nothing was run");
    // The same after another start: a page that is open stays of use.
    drop(served);
    let served = Served::start(&folder, &[]);
    assert_eq!(served.send("POST", "/jobs/good/run", &[BROWSER, FORM], &format!("csrf={csrf}")).status, 303);
}

#[test]
fn a_browser_signs_in_with_a_token_and_may_do_what_that_allows() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let bearer = token(&folder, &["read", "run:good"]);
    let secret = bearer.rsplit(' ').next().unwrap();
    let asked = served.send("GET", "/jobs/good", &[BROWSER], "");
    assert!(asked.status == 401 && text(&asked).contains("action=\"/login\""), "{}", text(&asked));
    assert!(text(&asked).contains("name=\"to\" value=\"/jobs/good\""), "it leads back");
    let login = |lines: &[&str], body: &str| served.send("POST", "/login", &[&[BROWSER, FORM], lines].concat(), body);
    assert_eq!(login(&[], "token=jc_wrong&to=/").status, 401);
    assert_eq!(login(&["Origin: http://evil.example"], &format!("token={secret}&to=/")).status, 403);
    let signed = login(&[], &format!("token={secret}&to=/jobs/good"));
    assert_eq!(location(&signed), "/jobs/good");
    let cookie = signed.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict") && !cookie.contains("; Secure"),
        "{cookie}"
    );
    assert_eq!(location(&login(&[], &format!("token={secret}&to=//evil.example"))), "/");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let page = |path: &str| text(&served.send("GET", path, &[BROWSER, &cookie], ""));
    assert!(page("/jobs/good").contains("action=\"/jobs/good/run\"") && page("/jobs/good").contains("Sign out"));
    assert!(!page("/jobs/bad").contains("action=\"/jobs/bad/run\""), "the button is not there");
    assert!(!page("/reloads").contains("Check now"));
    let csrf = csrf(&served, "/", &[&cookie]);
    let post = |path: &str, fields: &str| served.send("POST", path, &[BROWSER, FORM, &cookie], fields);
    assert_eq!(post("/jobs/good/run", &format!("csrf={csrf}")).status, 303);
    assert_eq!(post("/jobs/bad/run", &format!("csrf={csrf}")).status, 403);
    assert_eq!(post("/reloads", &format!("csrf={csrf}")).status, 403);
    assert_eq!(post("/builds/1/delete", &format!("csrf={csrf}")).status, 403);
    assert_eq!(post("/jobs/good/run", "csrf=other").status, 403);
    let out = post("/logout", &format!("csrf={csrf}"));
    assert!(out.status == 303 && out.head.contains("jobcontrol=; Path=/; Max-Age=0"), "{}", out.head);
}

#[test]
fn the_run_form_is_made_of_types_and_says_what_does_not_fit() {
    let folder = folder();
    folder.run(&["run", "good"]).code(0);
    let served = Served::start(&folder, &[]);
    let form = text(&served.send("GET", "/jobs/good/run", &[BROWSER], ""));
    assert!(form.contains("name=\"a.a\" value=\"6\"") && form.contains("0 to 4,294,967,295"), "{form}");
    let wrong = post(&served, "/jobs/good/run", "form=1&a.a=5+million&a.b=3");
    let said = text(&wrong);
    assert_eq!(wrong.status, 400);
    assert!(
        said.contains("aria-invalid=\"true\"") && said.contains("value=\"5 million\""),
        "what was typed stays: {said}"
    );
    assert!(said.contains("href=\"#arg-a\"") && said.contains("expected u32"), "{said}");
    assert_eq!(served.get("/api/v1/builds")["builds"].as_array().unwrap().len(), 1);
    let checked = post(&served, "/jobs/good/run", "form=1&a.a=8&a.b=3&deps=on&check=1");
    assert!(
        checked.status == 200 && text(&checked).contains("jobcontrol run good --deps --arg a=8"),
        "{}",
        text(&checked)
    );
    assert_eq!(location(&post(&served, "/jobs/good/run", "form=1&a.a=9&a.b=3&deps=on")), "/builds/2");
    let build = served.get_until("/api/v1/builds/2", |build| build["status"] == "SUCCESSFUL");
    assert_eq!((&build["retval"], &build["config"]["overrides"]), (&3.into(), &serde_json::json!({ "a": 9 })));
    // Filled in from that build, and with a build of what it needs that is chosen by hand.
    assert!(text(&served.send("GET", "/jobs/good/run?from=2", &[BROWSER], "")).contains("name=\"a.a\" value=\"9\""));
    let next = text(&served.send("GET", "/jobs/next/run", &[BROWSER], ""));
    assert!(
        next.contains("!retval good") && next.contains("name=\"pin.good\"") && next.contains("value=\"1\""),
        "{next}"
    );
    let pinned = post(&served, "/jobs/next/run", "form=1&from.a=manifest&pin.good=1&a.b=1&armed=next");
    assert_eq!(location(&pinned), "/builds/3");
    assert_eq!(served.get("/api/v1/builds/3")["pins"]["good"]["build"], 1);
    let own = post(&served, "/jobs/next/run", "form=1&from.a=value&a.a=7&a.b=1&armed=next");
    assert_eq!(location(&own), "/builds/4");
    served.get_until("/api/v1/builds/4", |build| build["retval"] == 7);
    assert_eq!(served.send("GET", "/jobs/nope/run", &[BROWSER], "").status, 404);
}
