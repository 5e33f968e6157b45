//! What a build may use of the network.

use std::sync::Arc;
use std::sync::Barrier;

use super::*;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;

#[test]
fn requests_are_counted_and_bounded() {
    let peer = Peer::http(|_| ok("12345"));
    let url = format!("http://127.0.0.1:{}/", peer.port);
    let limited = |function: &str, args: &str, limits: &str| {
        folder(&[&format!(
            "id: job, function: http:{function}, args: {args}, limits: {{ {limits} }}, {}",
            all(peer.port)
        )])
    };
    assert_eq!(returned(&limited("many", &format!("[\"{url}\", 20]"), "http_requests: 20")), 100);
    let over = limited("many", &format!("[\"{url}\", 21]"), "http_requests: 20");
    failed(&over).says("limit: the build makes more than 20 HTTP requests");
    // Those that nobody waits for count too, and those that are refused.
    failed(&limited("spam", &format!("[\"{url}\", 100000]"), "http_requests: 20")).says("more than 20 HTTP requests");
    let refused = limited("spam", "[\"http://127.0.0.1:1/\", 100000]", "http_requests: 1000");
    let answer = failed(&refused).says("more than 1000 HTTP requests");
    assert!(answer.stderr.matches("is not granted").count() < 5, "{answer:#?}");
}

#[test]
fn bytes_that_are_sent_are_bounded() {
    let peer = Peer::raw(|mut stream| drop(std::io::copy(&mut stream, &mut std::io::sink())));
    let job = format!(
        "id: job, function: http:upload, args: [\"http://127.0.0.1:{}/\", 100000000], limits: {{ http_sent: 1 MiB }}, {}",
        peer.port,
        all(peer.port)
    );
    failed(&folder(&[&job])).says("limit: the HTTP data sent by the build is above 1 MiB");
}

#[test]
fn a_body_goes_out_piece_by_piece() {
    let peer = Peer::raw(|stream| {
        let mut reader = std::io::BufReader::new(stream);
        crate::harness::peer::read_head(&mut reader).unwrap();
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") {
            let mut byte = [0; 1];
            std::io::Read::read_exact(&mut reader, &mut byte).unwrap();
            body.extend(byte);
        }
        std::io::Write::write_all(reader.get_mut(), ok("").as_bytes()).unwrap();
    });
    let folder = job("upload", &format!("[\"http://127.0.0.1:{}/\", 300000]", peer.port), peer.port);
    assert_eq!(returned(&folder), 200);
}

#[test]
fn texts_of_a_request_are_bounded() {
    let told = |authority: &str, path: &str| {
        let grant = "grants: { http: [{ host: \"*\", scheme: http }] }";
        let job = format!("id: job, function: http:raw, args: [\"{authority}\", \"{path}\"], {grant}");
        returned(&folder(&[&job]))
    };
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    assert_eq!(told("127.0.0.1", &path((16 << 10) + 1)), "path");
    assert_ne!(told("127.0.0.1", &path(16 << 10)), "path");
    assert_eq!(told(&"x".repeat(301), "/"), "authority");
    assert_ne!(told(&"x".repeat(300), "/"), "authority");
}

#[test]
fn a_connection_that_only_waits_makes_room_for_another() {
    let second = Peer::http(|_| ok("there"));
    let to = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n", second.port);
    let first = Peer::http(move |_| to.clone());
    let rule = |port: u16| format!("{{ host: 127.0.0.1, scheme: http, ports: [{port}] }}");
    let job = format!(
        "id: job, function: http:follow, args: [\"http://127.0.0.1:{}/\"], limits: {{ http_connections: 1 }}, \
         grants: {{ http: [{}, {}] }}",
        first.port,
        rule(first.port),
        rule(second.port)
    );
    assert_eq!(returned(&folder(&[&job]))["body"], "there");
}

#[test]
fn connections_that_are_open_at_once_are_bounded() {
    let all_there = Arc::new(Barrier::new(4));
    let peer = Peer::raw(move |stream| {
        let mut reader = std::io::BufReader::new(stream);
        crate::harness::peer::read_head(&mut reader).unwrap();
        all_there.wait();
        std::io::Write::write_all(reader.get_mut(), b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").unwrap();
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    let job = format!(
        "id: job, function: http:together, args: [\"http://127.0.0.1:{}/\", 7], limits: {{ http_connections: 4 }}, {}",
        peer.port,
        all(peer.port)
    );
    let folder = folder(&[&job]);
    assert_eq!(returned(&folder), serde_json::json!(vec!["ErrorCode::ConnectionLimitReached"; 3]));
    folder.run(&["logs", "job"]).code(0).tells("the number of HTTP connections that the build has open is above 4");
}

#[test]
fn headers_that_a_plugin_hoards_are_bounded() {
    let hoard = |count: u32, bytes: u32, handles: u32| {
        folder(&[&format!(
            "id: job, function: http:hoard, args: [{count}, {bytes}], limits: {{ handles: {handles} }}, grants: {{ http: [] }}"
        )])
    };
    assert_eq!(returned(&hoard(20, 1000, 256)), 20);
    failed(&hoard(1000, 1000, 256)).says("has open is above 256");
    // One that is larger than any message is a trap.
    failed(&hoard(1, 100_000, 256)).says("trap");
    let dear = hoard(1, 1, 10_000);
    dear.write("jobcontrol.yaml", "memory: 64 MiB\n");
    failed(&dear).says("limit: ");
}
