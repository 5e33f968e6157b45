//! Spans of runs, sent to a collector.

use super::HANGS;
use super::notify::header;
use super::notify::receiver;
use crate::harness::Folder;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;
use crate::harness::serving::Serving;

#[test]
fn a_collector_is_sent_the_spans_of_a_run() {
    let (peer, requests) = receiver("HTTP/1.1 200 OK\r\n");
    let job = "function: add:add\nargs: [1, 2]\nschedule: \"* * * * * *\"\n";
    let folder = Folder::new().guest("add.wat").file("jobs/sum.yaml", job);
    let url = format!("http://127.0.0.1:{}/v1/traces", peer.port);
    let serving = Serving::of(&mut folder.command(&["serve", "--listen", "off", "--log", "json", "--otlp", &url]));
    serving.record("run ended");
    // What is left is sent at the end.
    serving.stop();
    let (head, body) = requests.recv_timeout(HANGS).unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), Some("application/x-protobuf"));
    tells(&body, &["jobcontrol", "build sum", "attempt", "schedule:sum", "SUCCESSFUL"]);
}

#[track_caller]
fn tells(body: &[u8], parts: &[&str]) {
    for part in parts {
        assert!(body.windows(part.len()).any(|some| some == part.as_bytes()), "no `{part}`");
    }
}

#[test]
fn requests_of_guests_have_spans_below_their_attempts() {
    let (collector, spans) = receiver("HTTP/1.1 200 OK\r\n");
    let peer = Peer::http(|_| ok("here"));
    let grant = format!("{{ host: 127.0.0.1, scheme: http, ports: [{}], methods: [GET] }}", peer.port);
    let url = format!("http://127.0.0.1:{}/secret-path", peer.port);
    let job = format!("function: http:get\nargs: [\"{url}\"]\ngrants: {{ http: [{grant}] }}\n");
    let folder = Folder::new().guest("http.wasm").file("jobs/ask.yaml", job);
    folder.write("jobcontrol.yaml", "http: { addresses: [127.0.0.1] }\n");
    let to = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let serving = Serving::of(&mut folder.command(&["serve", "--listen", "off", "--log", "json", "--otlp", &to]));
    serving.record("serving");
    folder.run(&["enqueue", "ask"]).code(0);
    serving.record("run ended");
    serving.stop();
    let (_, body) = spans.recv_timeout(HANGS).unwrap();
    tells(&body, &["build ask", "http.request.method", "GET", "server.address", "http.response.status_code"]);
    assert!(!body.windows(11).any(|some| some == b"secret-path"));
}
