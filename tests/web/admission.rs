//! Who is let in.

use std::os::unix::fs::PermissionsExt;

use crate::harness::Folder;
use crate::harness::served::Served;

fn folder() -> Folder {
    Folder::new().guest("add.wat").file("jobs/one.yaml", "function: add:add\nargs: [1, 2]\n")
}

/// The line of a head with a new token.
pub(super) fn token(folder: &Folder, scopes: &[&str]) -> String {
    let scopes = scopes.iter().flat_map(|scope| ["--scope", scope]);
    let arguments: Vec<_> = ["token", "create", "--name", "ci"].into_iter().chain(scopes).collect();
    let made = folder.json(&arguments);
    format!("Authorization: Bearer {}", made["token"].as_str().unwrap())
}

#[test]
fn another_host_or_another_site_gets_nothing() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let ask = |method: &str, lines: &[&str]| served.send(method, "/api/v1/jobs", lines, "");
    ask("GET", &["Host: evil.example"]).refused(421);
    ask("GET", &["Host: 127.0.0.1.evil.example:80"]).refused(421);
    ask("GET", &["Host: a\r\nHost: localhost"]).refused(400);
    ask("GET", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"]).refused(403);
    ask("POST", &["Origin: http://evil.example"]).refused(403);
    ask("POST", &["Origin: null"]).refused(403);
    let got = ask("GET", &["Host: 127.0.0.1:9999"]);
    got.ok();
    for line in [
        "x-content-type-options: nosniff",
        "referrer-policy: same-origin",
        "cross-origin-opener-policy: same-origin",
        "cache-control: no-store",
        "content-type: application/json",
    ] {
        assert!(got.has(line), "{line}: {}", got.head);
    }
    assert!(got.head.to_ascii_lowercase().contains("content-security-policy: default-src 'none'"), "{}", got.head);
    assert!(!got.head.to_ascii_lowercase().contains("access-control-"), "{}", got.head);
}

#[test]
fn a_token_is_asked_for_as_soon_as_there_is_one_and_allows_what_it_says() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    served.get("/api/v1/jobs");
    let (reads, runs) = (token(&folder, &["read"]), token(&folder, &["run:o*"]));
    let other = token(&folder, &["run:two", "read"]);
    let get = |lines: &[&str]| served.send("GET", "/api/v1/jobs", lines, "");
    let refused = get(&[]);
    refused.refused(401);
    assert!(refused.head.to_ascii_lowercase().contains("www-authenticate: bearer"), "{}", refused.head);
    get(&["Authorization: Bearer jc_x"]).refused(401);
    get(&[&reads]).ok();
    get(&[&runs]).refused(403);
    assert_eq!(served.send("GET", "/healthz", &[], "").status, 200);
    assert_eq!(served.send("GET", "/readyz", &[], "").status, 200);
    folder.run(&["run", "one"]).code(0);
    let again = |line: &str| served.send("POST", "/api/v1/builds/1/rerun", &[line], "{}");
    again(&reads).refused(403);
    again(&other).refused(403);
    assert_eq!(again(&runs).status, 201);
    served.send("DELETE", "/api/v1/builds/1", &[&runs], "").refused(403);
    let run = served.send("GET", "/api/v1/runs/2", &[&reads], "").ok();
    assert_eq!(run["requested_by"], "api:ci");
    folder.run(&["token", "revoke", "1"]).code(0);
    assert_eq!(get(&[&reads]).refused(401)["detail"], "the token was revoked");
}

#[test]
fn a_cookie_needs_a_proof_that_a_page_was_read() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let cookie = token(&folder, &["admin"]).replace("Authorization: Bearer ", "Cookie: jobcontrol=");
    served.send("GET", "/api/v1/jobs", &[&cookie], "").ok();
    let refused = served.send("DELETE", "/api/v1/builds/1", &[&cookie], "").refused(403);
    assert!(refused["detail"].as_str().unwrap().contains("x-csrf-token"), "{refused}");
    served.send("DELETE", "/api/v1/builds/1", &[&cookie, "X-CSRF-Token: x"], "").refused(403);
}

#[test]
fn others_than_this_machine_need_a_token_and_encryption() {
    let folder = folder();
    folder.run(&["serve", "--listen", "0.0.0.0:0"]).code(2).says("there is no token");
    folder.run(&["serve", "--listen", "127.0.0.1:0", "--behind-proxy", "10.0.0.1"]).code(2).says("there is no token");
    token(&folder, &["read"]);
    folder.run(&["serve", "--listen", "0.0.0.0:0"]).code(2).says("in the clear");
    folder.run(&["serve", "--listen", "8080"]).code(2).says("write `127.0.0.1:8080`");
    folder
        .run(&["serve", "--listen", "[::]:0", "--tls-cert", "jobs/one.yaml", "--tls-key", "x"])
        .code(2)
        .says("no certificate");
}

#[test]
fn a_socket_lets_its_owner_in_and_nobody_else() {
    let folder = folder();
    token(&folder, &["read"]);
    let path = folder.path("s");
    let listen = format!("unix:{}", path.display());
    let served = Served::on(&folder, &listen, &[]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    served.get("/api/v1/jobs");
    folder.run(&["serve", "--listen", &listen]).code(1).says("is in use");
    assert_eq!(served.stop(), 0);
    assert!(!path.exists());
}

#[test]
fn only_the_proxy_speaks_for_others() {
    let folder = folder();
    let bearer = token(&folder, &["read"]);
    let served = Served::start(&folder, &["--behind-proxy", "127.0.0.1", "--host-name", "jobs.example"]);
    let ask = |lines: &[&str]| served.send("GET", "/api/v1/jobs", &[&[bearer.as_str()], lines].concat(), "");
    ask(&["X-Forwarded-For: 10.0.0.9", "X-Forwarded-Proto: https", "Host: jobs.example"]).ok();
    ask(&["Forwarded: for=10.0.0.9;host=jobs.example;proto=https"]).ok();
    ask(&["Forwarded: for=10.0.0.9;host=evil.example"]).refused(421);
    ask(&["Forwarded: for=10.0.0.9", "X-Forwarded-For: 10.0.0.8"]).refused(400);
    ask(&["X-Forwarded-For: nobody"]).refused(400);
}

#[test]
fn a_service_listens_where_flags_say_then_the_operator_s_file() {
    let folder = folder();
    let socket = folder.path("s");
    folder.write("jobcontrol.yaml", "server: { listen: \"unix:s\" }\n");
    let mut served = Served::anywhere(&folder, &[]);
    assert_eq!(served.address, "unix:s");
    served.address = format!("unix:{}", socket.display());
    served.get("/api/v1/jobs");
    assert_eq!(served.stop(), 0);
    let flag = Served::start(&folder, &[]);
    assert!(flag.address.starts_with("127.0.0.1:") && !socket.exists());
    let taken = folder.run(&["serve", "--listen", &flag.address]).code(1).stderr;
    assert!(taken.contains(&format!("`{}` is in use", flag.address)) && taken.contains("`--listen`"), "{taken}");
    folder
        .run(&["serve", "--listen", "off", "--listen", "localhost:0"])
        .code(2)
        .says("cannot be combined with an address");
    folder.write("jobcontrol.yaml", "server: { listen: \"8080\" }\n");
    folder.run(&["serve"]).code(2).says("`server.listen` of jobcontrol.yaml: `8080` has no port");
}

#[test]
fn a_stream_ends_with_the_token_it_was_opened_with() {
    let folder = folder();
    let bearer = token(&folder, &["read"]);
    let served = Served::start(&folder, &[]);
    let mut stream = served.watch_with("", &format!("{bearer}\r\n"));
    assert_eq!(folder.run(&["token", "revoke", "1"]).code, 0);
    assert_eq!(stream.next(), None);
}
