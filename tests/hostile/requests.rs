//! HTTP requests without end, to servers that answer nothing or without end: they cost what their
//! limits say, and no memory beside that.

use std::io::BufReader;
use std::io::Write;

use crate::harness::Folder;
use crate::harness::peer::Peer;
use crate::harness::peer::read_head;

/// A job that makes requests to a port of loopback.
fn folder(jobs: &[(&str, u16)]) -> Folder {
    let entry = |(at, (job, port)): (usize, &(&str, u16))| {
        let job = job.replace("PORT", &port.to_string());
        let grant = format!("http: [{{ host: 127.0.0.1, scheme: http, ports: [{port}], methods: [GET, POST] }}]");
        format!("  - {{ id: evil{at}, {job}, grants: {{ {grant} }} }}\n")
    };
    let jobs: String = jobs.iter().enumerate().map(entry).collect();
    let folder = Folder::beside_good().guest("http.wasm").file("jobs/evil.yaml", format!("jobs:\n{jobs}"));
    folder.file("jobcontrol.yaml", "http: { addresses: [127.0.0.1] }\n")
}

/// A server that reads and says nothing.
fn silent() -> Peer {
    Peer::raw(|mut stream| drop(std::io::copy(&mut stream, &mut std::io::sink())))
}

/// A server that answers without end. An answer that comes before the request is an error, so it
/// reads the request first.
fn endless() -> Peer {
    Peer::raw(|stream| {
        let mut reader = BufReader::new(stream);
        if read_head(&mut reader).is_none() {
            return;
        }
        let mut stream = reader.into_inner();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut piece = b"100000\r\n".to_vec();
        piece.extend(std::iter::repeat_n(b'x', 1 << 20));
        piece.extend(b"\r\n");
        while stream.write_all(&piece).is_ok() {}
    })
}

#[test]
fn requests_that_nobody_waits_for() {
    let silent = silent();
    let job = "function: http:spam, args: [\"http://127.0.0.1:PORT/\", 300000], timeout: 20s";
    let outcome = folder(&[(job, silent.port)]).attacked(&["evil0", "--quiet"]);
    assert!(outcome.failed("evil0", "limit").contains("more than 10000 HTTP requests"), "{outcome:#?}");
}

#[test]
fn connections_that_wait_for_ever() {
    let silent = silent();
    let job = "function: http:together, args: [\"http://127.0.0.1:PORT/\", 60], timeout: 1s, limits: { http_connections: 60 }";
    let jobs = [(job, silent.port); 8];
    let ids: Vec<String> = (0..jobs.len()).map(|at| format!("evil{at}")).collect();
    // The harness bounds the memory.
    let outcome = folder(&jobs).attacked(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    ids.iter().for_each(|id| drop(outcome.failed(id, "timeout")));
}

#[test]
fn bodies_that_never_end() {
    let endless = endless();
    let read =
        "function: http:download, args: [\"http://127.0.0.1:PORT/\"], limits: { http_received: 1 TiB }, timeout: 1s";
    let held = "function: http:together, args: [\"http://127.0.0.1:PORT/\", 10], timeout: 1s";
    let jobs = [(read, endless.port), (held, endless.port)];
    let outcome = folder(&jobs).attacked(&["evil0", "evil1"]);
    outcome.failed("evil0", "timeout");
    assert_eq!(outcome.build("evil1")["status"], "SUCCESSFUL", "what nobody reads waits in the network: {outcome:#?}");
}

#[test]
fn headers_by_the_megabyte() {
    let few = "function: http:hoard, args: [240, 30000]";
    let many = "function: http:hoard, args: [9000, 30000], limits: { handles: 10000 }";
    let folder = folder(&[(few, 1), (many, 1)]);
    folder.write("jobcontrol.yaml", "memory: 128 MiB\n");
    let outcome = folder.attacked(&["evil0", "evil1"]);
    assert_eq!(outcome.build("evil0")["retval"], 240, "{outcome:#?}");
    outcome.failed("evil1", "limit");
}
