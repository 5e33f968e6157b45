//! Requests that mean no good.

use crate::harness::Folder;
use crate::harness::served::Served;

#[test]
fn a_body_is_json_of_a_bounded_size_and_a_known_shape() {
    let folder = Folder::new();
    let served = Served::start(&folder, &[]);
    let post = |lines: &[&str], body: &str| served.send("POST", "/api/v1/builds/1/rerun", lines, body);
    post(&["Content-Type: text/plain"], "{}").refused(415);
    post(&["Content-Type: application/x-www-form-urlencoded"], "how=same").refused(415);
    post(&[], &"x".repeat((1 << 20) + 1)).refused(413);
    let wrong = post(&[], r#"{"armed": ["a", 7]}"#).refused(400);
    assert_eq!(wrong["errors"][0]["pointer"], "/armed/1");
    post(&[], r#"{"how": "sideways"}"#).refused(400);
    post(&[], &"[".repeat(100_000)).refused(400);
    post(&[], "{}").refused(404);
}

#[test]
fn heads_are_bounded_and_smuggled_bodies_are_refused() {
    let folder = Folder::new();
    let served = Served::start(&folder, &[]);
    let many = "X: y\r\n".repeat(200);
    let large = format!("X: {}\r\n", "y".repeat(100 << 10));
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let twice = "Content-Length: 5\r\nContent-Length: 6\r\n";
    for lines in [many.as_str(), &large, twice, "Bad Header: x\r\n", "X: a\0b\r\n"] {
        let got = served.raw(format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").as_bytes());
        assert!((400..500).contains(&got.status), "{:?}: {got:?}", &lines[..lines.len().min(40)]);
    }
    // The length is not believed beside the chunks, and what follows them is no request.
    let smuggled = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{both}\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n");
    assert!(served.raw(smuggled.as_bytes()).status >= 200);
    assert_eq!(served.send("GET", "/healthz", &[], "").status, 200, "it goes on");
}

#[test]
fn texts_of_others_are_never_a_page() {
    let title = "<script>alert(1)</script>\\u202e";
    let manifest = format!("function: add:add\nargs: [1, 2]\ntitle: \"{title}\"\n");
    let folder = Folder::new().guest("add.wat").file("jobs/one.yaml", manifest);
    let served = Served::start(&folder, &[]);
    for path in ["/api/v1/jobs", "/api/v1/jobs/one", "/api/v1/%3Cscript%3E"] {
        let got = served.send("GET", path, &[], "");
        assert!(!got.head.to_ascii_lowercase().contains("text/html"), "{}", got.head);
        assert!(got.has("x-content-type-options: nosniff"), "{}", got.head);
        assert!(!String::from_utf8(got.body).unwrap().contains('\u{202e}'), "a terminal is not driven");
    }
}

#[test]
fn a_client_that_sends_too_much_waits_and_others_do_not() {
    let folder = Folder::new();
    let socket = folder.path("s").display().to_string();
    let mut served = Served::start(&folder, &["--listen", &format!("unix:{socket}")]);
    let answers: Vec<u16> = (0..400).map(|_| served.send("GET", "/healthz", &[], "").status).collect();
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
    served.address = format!("unix:{socket}");
    assert_eq!(served.send("GET", "/healthz", &[], "").status, 200);
}
