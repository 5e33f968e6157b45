//! What may be asked for, and what is told of the rest.

use super::*;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;

#[test]
fn a_granted_request_is_made_and_counted() {
    let peer = Peer::http(|head| ok(&format!("you asked: {}", head.lines().next().unwrap())));
    let folder = job("get", &format!("[\"http://127.0.0.1:{}/a/b?c=d\"]", peer.port), peer.port);
    let answer = returned(&folder);
    assert_eq!((&answer["status"], answer["body"].as_str()), (&200.into(), Some("you asked: GET /a/b?c=d HTTP/1.1")));
    let head = peer.heads().remove(0).to_ascii_lowercase();
    assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", peer.port)), "{head}");
    let shown = folder.json(&["build", "show", "job"]);
    let http = &shown["http"];
    assert_eq!(http["requests"], 1, "{shown:#}");
    assert!(http["sent"].as_u64().unwrap() > 30 && http["received"].as_u64().unwrap() > 50, "{http}");
    folder.run(&["build", "show", "job"]).code(0).tells("1 HTTP request (");
    let view = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    let count: u64 = view.query_row("SELECT http_requests FROM builds", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn a_request_outside_of_the_grant_is_refused_with_the_line_that_allows_it() {
    let peer = Peer::http(|_| ok("never"));
    let port = peer.port;
    let grant = format!("{{ host: 127.0.0.1, scheme: http, ports: [{port}], paths: [\"/v1/*\"] }}");
    let asked = [
        ("POST", format!("http://127.0.0.1:{port}/v1/a")),
        ("GET", format!("http://127.0.0.1:{port}/v2/a")),
        ("GET", format!("http://localhost:{port}/v1/a")),
        ("GET", format!("https://127.0.0.1:{port}/v1/a")),
        ("GET", "http://127.0.0.1/v1/a".to_owned()),
    ];
    for (method, url) in asked {
        let job = format!("id: job, function: http:send, args: [{method}, \"{url}\"], grants: {{ http: [{grant}] }}");
        let folder = folder(&[&job]);
        let answer = failed(&folder);
        let answer = answer.says("ErrorCode::HttpRequestDenied");
        let answer =
            answer.says(&format!("the request `{method} {url}` is not granted; add `grants: {{ http: [{{ host:"));
        assert_eq!(
            answer.stderr.matches("is not granted").count(),
            3,
            "in the log twice, and in the failure: {answer:#?}"
        );
        // The line that it tells is enough.
        let line = answer.stderr.split("add `").nth(1).unwrap().split("` to the job").next().unwrap();
        folder.write(
            "jobs/http.yaml",
            format!("jobs:\n  - {{ id: job, function: http:send, args: [{method}, \"{url}\"], {line} }}\n"),
        );
        let again = folder.run(&["run", "job"]);
        assert!(!again.stderr.contains("is not granted"), "{again:#?}");
    }
    let lines = peer.heads().into_iter().map(|head| head.lines().next().unwrap().to_owned());
    let asked: Vec<_> = lines.filter(|line| line.ends_with("HTTP/1.1")).collect();
    let expected = ["POST /v1/a HTTP/1.1", "GET /v2/a HTTP/1.1", "GET /v1/a HTTP/1.1"];
    assert_eq!(asked, expected, "once each: before it was granted nothing was asked for");
}

#[test]
fn what_could_lead_elsewhere_is_refused() {
    let peer = Peer::http(|_| ok("never"));
    let port = peer.port;
    let grant = format!("{{ host: \"*\", scheme: http, ports: [{port}], paths: [\"/v1/*\"] }}");
    for (authority, path) in [
        (format!("user:pw@127.0.0.1:{port}"), "/v1/a"),
        (format!("127.0.0.1:{port}"), "/v1/../admin"),
        (format!("127.0.0.1:{port}"), "/v1/%2e%2e/admin"),
        (format!("127.0.0.1:{port}"), "/v1/..%2fadmin"),
        (format!("2130706433:{port}"), "/v1/a"),
        (format!("0x7f.0.0.1:{port}"), "/v1/a"),
        (format!("0177.0.0.1:{port}"), "/v1/a"),
        (format!("127.1:{port}"), "/v1/a"),
    ] {
        let job =
            format!("id: job, function: http:raw, args: [\"{authority}\", \"{path}\"], grants: {{ http: [{grant}] }}");
        let code = returned(&folder(&[&job]));
        let code = code.as_str().unwrap_or_default().to_owned();
        let refused = ["ErrorCode::HttpRequestUriInvalid", "ErrorCode::HttpRequestDenied", "authority", "path"];
        assert!(refused.contains(&code.as_str()), "{authority} {path}: {code}");
    }
    assert_eq!(peer.heads(), Vec::<String>::new());
}

#[test]
fn a_tunnel_is_never_granted() {
    let folder =
        folder(&["id: job, function: http:get, args: [x], grants: { http: [{ host: a.com, methods: [CONNECT] }] }"]);
    folder.run(&["check"]).code(3).tells("`CONNECT` is not a method that can be granted");
}

#[test]
fn headers_of_the_grant_are_added_and_not_seen() {
    let peer = Peer::http(|_| ok("done"));
    let grant = format!(
        "{{ host: 127.0.0.1, scheme: http, ports: [{}], methods: [GET], headers: {{ Authorization: [\"Bearer \", \
         !secret TOKEN], x-plain: text }} }}",
        peer.port
    );
    let url = format!("http://127.0.0.1:{}/", peer.port);
    let own = "[[authorization, mine], [x-own, yes]]";
    let job = format!("id: job, function: http:send, args: [GET, \"{url}\", {own}], grants: {{ http: [{grant}] }}");
    let folder = folder(&[&job]);
    folder.write("jobcontrol.yaml", format!("{}secrets: {{ TOKEN: {{ file: token }} }}\n", operator()));
    folder.write("token", "hunter2-hunter3\n");
    std::fs::set_permissions(folder.path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let answer = returned(&folder);
    assert!(!answer.to_string().contains("hunter2"), "{answer}");
    let head = peer.heads().remove(0).to_ascii_lowercase();
    assert!(head.contains("authorization: bearer hunter2-hunter3\r\n") && !head.contains("mine"), "{head}");
    assert!(head.contains("x-plain: text\r\n") && head.contains("x-own: yes\r\n"), "{head}");
    let shown = folder.run(&["build", "show", "job", "--format", "json"]).code(0);
    assert!(!shown.stdout.contains("hunter2") && shown.stdout.contains("TOKEN"), "{shown:#?}");
}

#[test]
fn a_redirect_is_the_plugins_to_follow_and_checked_again() {
    let inner = Peer::http(|_| ok("secret of the intranet"));
    let to = inner.port;
    let outer = Peer::http(move |_| {
        format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{to}/\r\ncontent-length: 0\r\n\r\n")
    });
    let folder = job("follow", &format!("[\"http://127.0.0.1:{}/\"]", outer.port), outer.port);
    failed(&folder).says("HttpRequestDenied").says(&format!("GET http://127.0.0.1:{to}/"));
    assert_eq!((outer.heads().len(), inner.heads().len()), (1, 0));
}

#[test]
fn the_operator_bounds_what_a_job_may_be_granted() {
    let folder = folder(&["id: job, function: http:get, args: [x], grants: { http: [{ host: api.example.com }] }"]);
    let ceiling = |rules: &str| folder.write("jobcontrol.yaml", format!("ceiling: {{ http: [{rules}] }}\n"));
    ceiling("{ host: \"*.example.com\", scheme: https, methods: [GET, HEAD] }");
    folder.run(&["check"]).code(0);
    for narrower in [
        "{ host: example.com }",
        "{ host: api.example.com, methods: [GET] }",
        "{ host: api.example.com, scheme: http }",
        "",
    ] {
        ceiling(narrower);
        folder.run(&["check"]).code(3).tells("are above the ceiling that jobcontrol.yaml sets");
    }
    ceiling("{ host: api.example.com, headers: {} }");
    folder.run(&["check"]).code(3);
}

#[test]
fn a_plugin_that_makes_requests_needs_a_grant_and_can_be_given_none() {
    let folder = folder(&["id: job, function: http:compute, args: [1]"]);
    let answer = folder.run(&["check"]).code(3);
    let answer = answer.tells("error[JC0620]: `jobs/http.wasm` imports `wasi:http/outgoing-handler@0.2.12`, and the job grants no HTTP requests");
    answer.tells("add `grants: { http: [{ host: api.example.com, methods: [GET] }] }` to the job");
    folder.write(
        "jobs/http.yaml",
        "{ id: job, function: http:get, args: [\"https://example.com/\"], grants: { http: [] } }",
    );
    folder.run(&["check"]).code(0);
    failed(&folder).says("HttpRequestDenied");
    folder.run(&["build", "rerun", "job"]).code(1).says("HttpRequestDenied");
    folder.run(&["inspect", "http"]).code(0).tells("grants: { http: [{ host: api.example.com, methods: [GET]");
}

#[test]
fn a_rerun_has_the_rights_of_today() {
    let peer = Peer::http(|_| ok("done"));
    let folder = job("get", &format!("[\"http://127.0.0.1:{}/\"]", peer.port), peer.port);
    returned(&folder);
    folder.run(&["build", "rerun", "job"]).code(0);
    folder.write(
        "jobs/http.yaml",
        "{ id: job, function: http:get, args: [x], grants: { http: [{ host: example.com }] } }",
    );
    folder
        .run(&["build", "rerun", "1"])
        .code(1)
        .says("it was granted requests to `127.0.0.1`, but its job no longer grants that");
    assert_eq!(peer.heads().len(), 2);
}

#[test]
fn one_connection_serves_requests_that_follow_each_other() {
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&connections);
    let peer = Peer::raw(move |stream| {
        seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut stream = std::io::BufReader::new(stream);
        while crate::harness::peer::read_head(&mut stream).is_some() {
            std::io::Write::write_all(stream.get_mut(), ok("12345").as_bytes()).unwrap();
        }
    });
    let folder = job("many", &format!("[\"http://127.0.0.1:{}/\", 50]", peer.port), peer.port);
    assert_eq!(returned(&folder), 250);
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}
