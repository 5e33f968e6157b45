//! What comes in over encrypted connections, slowly, or too often.

use std::fs::Permissions;
use std::io::BufRead;
use std::io::BufReader;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::StreamOwned;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use super::admission::token;
use crate::harness::Folder;
use crate::harness::root;
use crate::harness::served::Served;
use crate::harness::served::shelled;

fn folder() -> Folder {
    let jobs = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - { id: careful, function: add:add, args: [1, 2], protected: true }
  - { id: needs, function: add:add, kwargs: { a: !retval careful, b: 1 } }
";
    Folder::new().guest("add.wat").file("jobs/all.yaml", jobs)
}

fn certificate(name: &str) -> String {
    root().join("tests/certificates").join(name).display().to_string()
}

fn over_tls(address: &str, name: &'static str, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate("authority.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connection = ClientConnection::new(Arc::new(config.with_no_client_auth()), name.try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

#[test]
fn connections_are_encrypted_and_nothing_is_told_in_the_clear() {
    let folder = folder();
    let bearer = token(&folder, &["read"]);
    let (cert, key) = (certificate("server.pem"), certificate("server.key"));
    let served = Served::on(&folder, "0.0.0.0:0", &["--tls-cert", &cert, "--tls-key", &key]);
    let port = served.address.rsplit_once(':').unwrap().1;
    let address = format!("127.0.0.1:{port}");
    let ask = |line: &str| {
        let head = format!("GET /api/v1/jobs HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n{line}\r\n");
        over_tls(&address, "localhost", &head).unwrap()
    };
    assert!(ask(&format!("{bearer}\r\n")).starts_with("HTTP/1.1 200"));
    // Others than this machine's users get here, so nobody is let in without one.
    assert!(ask("").starts_with("HTTP/1.1 401"));
    assert!(over_tls(&address, "other.test", "GET / HTTP/1.1\r\n\r\n").is_err());
    let mut clear = TcpStream::connect(&address).unwrap();
    clear.write_all(b"GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_at_the_start() {
    let folder = folder();
    let (cert, key) = (certificate("server.pem"), certificate("unknown.key"));
    folder.run(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key]).code(2);
    folder.run(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", "gone.key"]).code(2);
}

/// Sends a byte ten times a second after a beginning, until the other end has had enough; returns
/// what it said, and after how long.
fn slowly(address: &str, beginning: &str) -> (String, Duration) {
    let (began, mut answer) = (Instant::now(), Vec::new());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    while began.elapsed() < Duration::from_secs(60) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        if stream.write_all(b"x").is_err() {
            break;
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[test]
fn a_client_that_sends_slowly_is_let_go_and_delays_nobody() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let body = "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    let attacks = ["GET /healthz HTTP/1.1\r\nX-Slow: ", body].map(|beginning| {
        let (address, beginning) = (served.address.clone(), beginning.to_owned());
        thread::spawn(move || slowly(&address, &beginning))
    });
    assert_eq!(served.send("GET", "/healthz", &[], "").status, 200);
    let [(_, head), (answer, body)] = attacks.map(|attack| attack.join().unwrap());
    assert!(head < Duration::from_secs(30), "{head:?}");
    assert!(body < Duration::from_secs(50) && answer.starts_with("HTTP/1.1 408"), "{body:?}: {answer}");
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let silent: Vec<_> = (0..400).map(|_| TcpStream::connect(&served.address).unwrap()).collect();
    assert_eq!(served.send("GET", "/healthz", &[], "").status, 200);
    drop(silent);
}

#[test]
fn scopes_hold_for_all_that_a_run_would_build() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let (one, all) = (token(&folder, &["run:one", "read"]), token(&folder, &["run:*", "read"]));
    let run =
        |line: &str, body: serde_json::Value| served.send("POST", "/api/v1/runs?wait=30", &[line], &body.to_string());
    run(&one, json!({ "targets": ["one"] })).ok();
    run(&one, json!({ "targets": ["needs"] })).refused(403);
    run(&one, json!({ "targets": ["one", "needs"] })).refused(403);
    // Nobody learns which jobs there are by what is refused.
    let (hidden, gone) = (run(&one, json!({ "targets": ["needs"] })), run(&one, json!({ "targets": ["nothing"] })));
    assert_eq!((hidden.status, gone.status), (403, 403));
    // A pattern stands for what the token may run.
    assert_eq!(run(&one, json!({ "all": true })).ok()["jobs"].as_array().unwrap().len(), 1);
    run(&one, json!({ "targets": ["need*"] })).refused(404);
    // What is protected is armed by name, also where it is only needed.
    let refused = run(&all, json!({ "targets": ["needs"], "deps": true })).refused(409);
    assert_eq!(refused["detail"], "`careful` is protected");
    run(&all, json!({ "targets": ["needs"], "deps": true, "armed": ["careful"] })).ok();
    let held = run(&all, json!({ "targets": ["one"], "start": false })).ok();
    let start = |line: &str| served.send("POST", &format!("/api/v1/runs/{}/start", held["id"]), &[line], "");
    let reads = token(&folder, &["read"]);
    start(&reads).refused(403);
    served.send("POST", "/api/v1/reloads", &[&all], "").refused(403);
    served.send("GET", "/api/v1/events", &["Authorization: Bearer jc_x"], "").refused(401);
    assert_eq!(start(&one).status, 202);
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let folder = folder();
    let made = folder.json(&["token", "create", "--name", "short", "--scope", "read", "--expires", "1s"]);
    let bearer = format!("Authorization: Bearer {}", made["token"].as_str().unwrap());
    let served = Served::start(&folder, &[]);
    let until = Instant::now() + Duration::from_secs(30);
    let ended = loop {
        let got = served.send("GET", "/api/v1/jobs", &[&bearer], "");
        if got.status == 401 || Instant::now() > until {
            break got;
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(ended.refused(401)["detail"], "the token has expired");
    served.send("GET", "/api/v1/jobs", &[], "").refused(401);
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let body = json!({ "targets": ["one"] }).to_string();
    for line in
        ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
    {
        served.send("POST", "/api/v1/runs", &[line], &body).refused(403);
    }
    // What a form can send is not JSON.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        served.send("POST", "/api/v1/runs", &[&format!("Content-Type: {kind}")], &body).refused(415);
    }
    served.send("GET", "/api/v1/events", &["Sec-Fetch-Site: cross-site"], "").refused(403);
    assert_eq!(served.get("/api/v1/runs")["runs"], json!([]));
    let origin = format!("Origin: http://{}", served.address);
    let host = format!("Host: {}", served.address);
    assert_eq!(served.send("POST", "/api/v1/runs", &[&origin, &host], &body).status, 201);
}

/// `serve` as systemd starts it, with a socket that is listened on already.
fn activated(folder: &Folder, socket: impl Into<OwnedFd>, more: &[&str]) -> Command {
    let line = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let mut command = shelled(folder, line, &[&["serve", "--log", "json"], more].concat());
    command.stdin(Stdio::from(socket.into()));
    command
}

#[test]
fn a_socket_that_was_opened_for_it_is_served() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Whoever connects early waits until it serves.
    let mut early = TcpStream::connect(&address).unwrap();
    early.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let served = Served::of(&mut activated(&folder, listener, &[]));
    assert_eq!(served.address, address, "and the default is not listened on");
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(served.get("/api/v1/jobs")["jobs"].as_array().unwrap().len(), 3);

    let path = folder.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let served = Served::of(&mut activated(&folder, listener, &["--store", "sqlite:other.db"]));
    assert_eq!(served.get("/api/v1/jobs")["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(served.stop(), 0);
    assert!(path.exists(), "it is not ours to remove");
}

#[test]
fn a_socket_that_lets_everybody_in_is_refused() {
    let folder = folder();
    let refused = |socket: OwnedFd| {
        let mut child = activated(&folder, socket, &[]).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let said: Vec<String> = lines.take_while(|line| !line.contains("listening")).collect();
        // A service that starts anyway would run forever.
        let _ = child.kill();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{said:?}");
        said.join("\n")
    };
    let listener = UnixListener::bind(folder.path("s")).unwrap();
    std::fs::set_permissions(folder.path("s"), Permissions::from_mode(0o666)).unwrap();
    let said = refused(listener.into());
    assert!(said.contains("(mode 0666)") && said.contains("SocketMode=0600"), "{said}");
    let said = refused(TcpListener::bind("0.0.0.0:0").unwrap().into());
    assert!(said.contains("jobcontrol token create"), "{said}");
    let said =
        refused(TcpStream::connect(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()).unwrap().into());
    assert!(said.contains("Accept=no"), "{said}");
}

#[test]
fn the_page_is_opened_in_a_browser_if_that_is_asked_for() {
    let folder = Folder::new().guest("add.wat").file("jobs/one.yaml", "function: add:add\nargs: [1, 2]\n");
    // What stands for a browser writes down where it is led to.
    folder.write("bin/xdg-open", "#!/bin/sh\necho \"$1\" > opened.part && mv opened.part opened\n");
    std::fs::set_permissions(folder.path("bin/xdg-open"), Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = folder.command(&["serve", "--log", "json", "--listen", "127.0.0.1:0", "--open=/graph"]);
    let served = Served::of(command.env("PATH", path));
    let opened = || std::fs::read_to_string(folder.path("opened")).ok();
    let until = Instant::now() + Duration::from_secs(20);
    let led = std::iter::from_fn(|| Some(opened())).find_map(|led| {
        assert!(Instant::now() < until, "nothing was opened");
        thread::yield_now();
        led
    });
    assert_eq!(led.as_deref().map(str::trim), Some(format!("http://{}/graph", served.address).as_str()));
    let refused = folder.run(&["serve", "--listen", "off", "--open"]).code(2);
    assert!(refused.stderr.contains("no address that a browser can reach"), "{}", refused.stderr);
}
