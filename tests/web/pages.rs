//! The pages for people, as a browser without scripts sees them.

use crate::harness::Folder;
use crate::harness::served::Got;
use crate::harness::served::Served;

use super::admission::token;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml";

/// A title that would run a script, and one that turns its line around.
const JOBS: &str = "jobs:
  - { id: good, function: divide:divide, args: [6, 3], title: \"</small><script>alert(1)</script>\" }
  - { id: bad, function: divide:divide, args: [1, 0], title: \"a\\u202eb\" }
  - { id: next, function: divide:divide, args: [!retval good, 1], protected: true }
";

fn page(served: &Served, path: &str) -> String {
    let got = served.send("GET", path, &[BROWSER], "");
    assert_eq!(got.status, 200, "{path}: {}", got.head);
    text(&got)
}

/// A page that nothing can break out of.
fn text(got: &Got) -> String {
    assert!(got.has("content-type: text/html; charset=utf-8"), "{}", got.head);
    assert!(got.head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{}", got.head);
    let text = String::from_utf8(got.body.clone()).unwrap();
    assert_eq!(text.matches("<script").count(), 1, "only our own: {text}");
    assert!(!text.contains(" style=") && !text.contains("onclick"), "{text}");
    assert!(text.ends_with("</html>\n") || text.ends_with("</html>"), "{text}");
    text
}

#[test]
fn jobs_and_builds_have_pages_that_say_what_failed_and_what_to_type() {
    let folder = Folder::new().guest("divide.wat").file("jobs/all.yaml", JOBS);
    folder.run(&["run", "good"]).code(0);
    folder.run(&["run", "bad"]).code(1);
    let served = Served::start(&folder, &[]);
    let jobs = page(&served, "/");
    let at = |part: &str| jobs.find(part).unwrap_or_else(|| panic!("no {part} in {jobs}"));
    assert!(at("Needs attention") < at("data-row=\"bad\"") && at("data-row=\"bad\"") < at("Up to date"), "{jobs}");
    assert!(at("Up to date") < at("data-row=\"good\"") && at("data-row=\"good\"") < at("Not built"), "{jobs}");
    at("&#60;script&#62;alert(1)&#60;/script&#62;");
    at("aria-label=\"protected\"");
    assert!(page(&served, "/jobs").contains("data-row=\"bad\""));
    assert!(!page(&served, "/?q=goo").contains("data-row=\"bad\""));
    assert!(page(&served, "/?q=%22%3E%3Cx").contains("value=\"&#34;&#62;&#60;x\""));
    let job = page(&served, "/jobs/bad");
    assert!(job.contains("a\\u{202e}b") && job.contains("divide:divide") && job.contains("jobs/all.yaml"), "{job}");
    assert!(page(&served, "/jobs/good").contains("href=\"/jobs/next\""), "who needs it");
    let build = page(&served, "/builds/2");
    let failure = served.get("/api/v1/builds/2")["exception"].clone();
    assert!(build.contains(failure["kind"].as_str().unwrap()), "{build}");
    assert!(build.contains(failure["message"].as_str().unwrap()), "{build}");
    assert!(build.contains("jobcontrol build rerun 2"), "{build}");
    assert!(page(&served, "/builds/1").contains("<span class=\"n\">2</span>"));
    assert!(page(&served, "/builds/1?as=json").contains("<pre class=\"code flat-code\" tabindex=\"0\">2</pre>"));
    let builds = page(&served, "/builds");
    assert!(builds.find("data-row=\"2\"") < builds.find("data-row=\"1\""), "{builds}");
    assert!(!page(&served, "/builds?before=2").contains("data-row=\"2\""));
}

#[test]
fn an_empty_folder_explains_itself_and_a_mistake_is_told() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("jobs")).unwrap();
    let served = Served::start(&folder, &[]);
    assert!(page(&served, "/").contains("<h1>No jobs yet</h1>"));
    folder.write("jobs/x.yaml", "function: nothing:here\n");
    served.get_until("/api/v1/diagnostics", |told| told.to_string().contains("JC0301"));
    let jobs = page(&served, "/");
    assert!(jobs.contains("The files have 1 mistake.") && jobs.contains("there is no plugin `nothing`"), "{jobs}");
    assert!(page(&served, "/jobs/x").contains("there is no plugin `nothing`"));
}

#[test]
fn what_is_wrong_is_a_page_for_browsers_and_a_document_for_programs() {
    let folder = Folder::new().guest("divide.wat").file("jobs/all.yaml", JOBS);
    let served = Served::start(&folder, &[]);
    let gone = served.send("GET", "/jobs/godo", &[BROWSER], "");
    assert_eq!(gone.status, 404);
    assert!(text(&gone).contains("there is no job `godo`") && text(&gone).contains("did you mean `good`?"));
    served.send("GET", "/jobs/godo", &[], "").refused(404);
    served.send("GET", "/api/v1/jobs/godo", &[BROWSER], "").refused(404);
    let odd = served.send("GET", "/jobs/%3Cscript%3E", &[BROWSER], "");
    assert!(text(&odd).contains("&#60;script&#62;") || text(&odd).contains("&lt;script&gt;"), "{}", text(&odd));
    assert_eq!(served.send("POST", "/", &[BROWSER], "").status, 405);
    assert_eq!(served.send("GET", "/builds/x", &[BROWSER], "").status, 404);
    assert_eq!(served.send("GET", "/?nope=1", &[BROWSER], "").status, 400);
    let bearer = token(&folder, &["read"]);
    let denied = served.send("GET", "/", &[BROWSER], "");
    assert!(denied.status == 401 && !text(&denied).contains("good"), "{}", text(&denied));
    assert_eq!(served.send("GET", "/", &[BROWSER, &bearer], "").status, 200);
}

#[test]
fn style_and_script_are_asked_for_once() {
    let folder = Folder::new().guest("divide.wat").file("jobs/all.yaml", JOBS);
    let served = Served::start(&folder, &[]);
    let jobs = page(&served, "/");
    let names = jobs.split('"').filter(|part| part.starts_with("/assets/")).collect::<Vec<_>>();
    assert_eq!(names.len(), 3);
    for name in names {
        let got = served.send("GET", name, &[], "");
        assert!(got.status == 200 && got.has("cache-control: public, max-age=31536000, immutable"), "{}", got.head);
        assert!(got.has("x-content-type-options: nosniff") && !got.body.is_empty());
    }
    assert_eq!(served.send("GET", "/assets/app.css", &[], "").status, 404);
}

#[test]
fn a_clock_that_jumps_hides_no_build_and_breaks_no_page() {
    let folder = Folder::new().guest("divide.wat").file("jobs/all.yaml", JOBS);
    for _ in 0..12 {
        folder.run(&["run", "good"]).code(0);
    }
    // The clock was two days ahead for a while, and was put back while a build ran.
    let db = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    let days = 2_i64 * 86_400_000_000;
    let ahead = "UPDATE build SET created = created + ?1, start_time = start_time + ?1, end_time = end_time + ?1
        WHERE id BETWEEN 3 AND 9";
    assert_eq!(db.execute(ahead, [days]).unwrap(), 7);
    assert_eq!(db.execute("UPDATE build SET end_time = end_time - ?1 WHERE id = 9", [days]).unwrap(), 1);
    let served = Served::start(&folder, &[]);
    let timeline = page(&served, "/timeline");
    for id in [1, 2, 10, 11, 12] {
        assert!(timeline.contains(&format!("href=\"/builds/{id}\"")), "{id} in {timeline}");
    }
    assert!(!timeline.contains(" width=\"-") && !timeline.contains(" x=\"-"), "{timeline}");
    let job = page(&served, "/jobs/good");
    assert!(job.contains(">in 47 h<") || job.contains(">in 48 h<") || job.contains(">in 2 days<"), "{job}");
    assert!(page(&served, "/builds/9").contains("<dt>Took</dt><dd>0"), "{}", page(&served, "/builds/9"));
    for path in ["/", "/builds", "/runs", "/runs/9", "/graph", "/schedules", "/workers", "/plugins/divide"] {
        assert!(!page(&served, path).contains("NaN"), "{path}");
    }
}
