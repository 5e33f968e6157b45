//! Servers that misbehave: the plugin gets an error, and the runner holds nothing.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;

use super::*;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;

/// A server that reads a request and then does something.
fn after_head(then: impl Fn(TcpStream) + Send + Sync + 'static) -> Peer {
    Peer::raw(move |stream| {
        let mut reader = std::io::BufReader::new(stream);
        if crate::harness::peer::read_head(&mut reader).is_some() {
            then(reader.into_inner());
        }
    })
}

/// Waits until the client is gone.
fn hold(mut stream: TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// The code of the error of a GET at that server; the plugin waits at most 300 ms.
#[track_caller]
fn code(peer: &Peer) -> String {
    let send = format!("[GET, \"http://127.0.0.1:{}/\", [], null, 300]", peer.port);
    let folder = job("send", &send, peer.port);
    let build = folder.json(&["run", "job"]);
    let shown = folder.json(&["build", "show", "job"]);
    shown["exception"]["message"].as_str().unwrap_or_else(|| panic!("{build:#} {shown:#}")).to_owned()
}

#[test]
fn a_server_that_says_nothing_is_an_error() {
    assert_eq!(code(&after_head(hold)), "ErrorCode::ConnectionReadTimeout");
}

#[test]
fn headers_without_end_are_an_error() {
    let slow = after_head(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").unwrap();
        while stream.write_all(b"y").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    });
    assert_eq!(code(&slow), "ErrorCode::ConnectionReadTimeout");
    let fast = after_head(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").is_ok() {}
    });
    assert!(code(&fast).starts_with("ErrorCode::HttpResponseHeaderSectionSize"), "{}", code(&fast));
}

#[test]
fn a_body_that_comes_byte_by_byte_and_stops_is_an_error() {
    let peer = after_head(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc").unwrap();
        hold(stream);
    });
    assert_eq!(code(&peer), "ErrorCode::ConnectionReadTimeout");
}

#[test]
fn a_connection_that_breaks_off_is_an_error() {
    let half =
        after_head(|mut stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc").unwrap());
    assert!(["ErrorCode::HttpResponseIncomplete", "ErrorCode::ConnectionTerminated"].contains(&code(&half).as_str()));
    let closed = after_head(drop);
    assert_eq!(code(&closed), "ErrorCode::ConnectionTerminated");
    let reset = after_head(|stream| {
        rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
    });
    assert_eq!(code(&reset), "ErrorCode::ConnectionTerminated");
}

#[test]
fn what_is_no_http_is_an_error() {
    for answer in
        ["nonsense\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "\u{0}\u{1}\u{2}", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n"]
    {
        let peer = after_head(move |mut stream| stream.write_all(answer.as_bytes()).unwrap());
        let code = code(&peer);
        assert!(["ErrorCode::HttpProtocolError", "ErrorCode::ConnectionTerminated"].contains(&code.as_str()), "{code}");
    }
    let chunked = after_head(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nZZZ\r\n").unwrap();
        hold(stream);
    });
    assert!(code(&chunked).starts_with("ErrorCode::HttpResponseTransferCoding"), "{}", code(&chunked));
}

#[test]
fn a_body_without_end_ends_the_build_with_the_limit() {
    let peer = after_head(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n");
        let piece = vec![b'x'; 1 << 20];
        while stream.write_all(&piece).is_ok() {}
    });
    let job = format!(
        "id: job, function: http:download, args: [\"http://127.0.0.1:{}/\"], limits: {{ http_received: 5 MiB }}, {}",
        peer.port,
        all(peer.port)
    );
    let folder = folder(&[&job]);
    let said = failed(&folder).says("limit: the HTTP data received by the build is above 5 MiB");
    said.says("raise it with `limits: { http_received: .. }`");
    let received = folder.json(&["build", "show", "job"])["http"]["received"].as_u64().unwrap();
    assert!(received < 6 << 20, "{received}");
}

#[test]
fn whom_nobody_trusts_is_not_talked_to() {
    let try_it = |name: &'static str| {
        let peer = Peer::https(name, |_| ok("hello"));
        let grant = format!("grants: {{ http: [{{ host: localhost, ports: [{}] }}] }}", peer.port);
        let job = format!("id: job, function: http:get, args: [\"https://localhost:{}/\"], {grant}", peer.port);
        (folder(&[&job]), peer)
    };
    let (good, _peer) = try_it("server");
    assert_eq!(returned(&good)["body"], "hello");
    let (other, _peer) = try_it("other-name");
    failed(&other).says("ErrorCode::TlsCertificateError").says("failed: invalid peer certificate");
    let (unknown, _peer) = try_it("unknown");
    failed(&unknown).says("ErrorCode::TlsCertificateError").says("UnknownIssuer");
    let plain = Peer::http(|_| ok("in the open"));
    let grant = format!("grants: {{ http: [{{ host: localhost, ports: [{}] }}] }}", plain.port);
    let job = format!("id: job, function: http:get, args: [\"https://localhost:{}/\"], {grant}", plain.port);
    failed(&folder(&[&job])).says("the TLS connection to");
}

#[test]
fn nobody_there_is_an_error() {
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let folder = job("code", &format!("[\"http://127.0.0.1:{gone}/\"]"), gone);
    assert_eq!(returned(&folder), "ErrorCode::ConnectionRefused");
    let name = "grants: { http: [{ host: nowhere.invalid, scheme: http }] }";
    let folder = self::folder(&[&format!("id: job, function: http:code, args: [\"http://nowhere.invalid/\"], {name}")]);
    let code = returned(&folder);
    assert!(code.as_str().unwrap().starts_with("ErrorCode::DnsError"), "{code}");
}

#[test]
fn a_timeout_or_a_cancel_ends_a_plugin_that_waits() {
    let peer = after_head(hold);
    let url = format!("http://127.0.0.1:{}/", peer.port);
    let timed = format!("id: job, function: http:get, args: [\"{url}\"], timeout: 300ms, {}", all(peer.port));
    failed(&folder(&[&timed])).says("timeout: the attempt took longer than 300ms");
    let (begun, waits) = std::sync::mpsc::channel();
    let begun = std::sync::Mutex::new(begun);
    let peer = after_head(move |mut stream| {
        begun.lock().unwrap().send(()).unwrap();
        // It hears of the end.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        begun.lock().unwrap().send(()).unwrap();
    });
    let folder = job("get", &format!("[\"http://127.0.0.1:{}/\"]", peer.port), peer.port);
    let child = folder.start(&["run", "job"]);
    waits.recv().unwrap();
    folder.run(&["build", "cancel", "1"]).code(0);
    waits.recv().unwrap();
    Answer::from(child.wait_with_output().unwrap()).code(1).says("cancelled");
}

#[test]
fn a_proxy_of_the_environment_is_ignored_and_one_of_the_operator_used() {
    let peer = Peer::http(|head| ok(head.lines().next().unwrap()));
    let folder = job("get", &format!("[\"http://127.0.0.1:{}/a\"]", peer.port), peer.port);
    let mut command = folder.command(&["run", "job"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    Answer::from(command.output().unwrap()).code(0).tells("GET /a HTTP/1.1");
    // For a request in the open, the proxy is asked for the whole URL.
    let job = "id: job, function: http:get, args: [\"http://shop.test/a?b\"], grants: { http: [{ host: shop.test, scheme: http }] }";
    let folder = self::folder(&[job]);
    folder.write("jobcontrol.yaml", format!("http: {{ proxy: \"http://127.0.0.1:{}\" }}\n", peer.port));
    folder.run(&["run", "job"]).code(0).tells("GET http://shop.test/a?b HTTP/1.1");
}

#[test]
fn tls_goes_through_a_tunnel_of_the_proxy() {
    let server = Peer::https("server", |head| ok(head.lines().next().unwrap()));
    let to = server.port;
    let proxy = Peer::raw(move |stream| {
        let mut reader = std::io::BufReader::new(stream);
        let head = crate::harness::peer::read_head(&mut reader).unwrap();
        assert!(head.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"), "{head}");
        let mut client = reader.into_inner();
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut down, &mut up));
        let _ = std::io::copy(&mut client, &mut server);
    });
    let job = "id: job, function: http:get, args: [\"https://api.test/a\"], grants: { http: [{ host: api.test }] }";
    let folder = folder(&[job]);
    let ca = certificate("authority.pem");
    folder.write("jobcontrol.yaml", format!("http: {{ proxy: \"http://127.0.0.1:{}\", ca: {ca} }}\n", proxy.port));
    folder.run(&["run", "job"]).code(0).tells("GET /a HTTP/1.1");
    let address = "id: job, function: http:get, args: [\"https://10.0.0.1/\"], grants: { http: [{ host: 10.0.0.1 }] }";
    let folder = self::folder(&[address]);
    folder.write("jobcontrol.yaml", format!("http: {{ proxy: \"http://127.0.0.1:{}\" }}\n", proxy.port));
    failed(&folder).says("DestinationIpProhibited");
}
